"""The pieces that equations share, at every edge, against 60 digits."""

import math

import numpy as np
import pytest
import torch
from mpmath import exp, log, mp, mpf  # type: ignore[import-untyped]

from models.stable import difference, is_zero, log_of, log_softmax, logistic, others, softmax, softplus, times
from tests.models.cases import VALUES, assert_close

X = torch.tensor(VALUES)
SMALLEST = float(np.finfo(np.float64).tiny)


def digits(formula: str) -> np.ndarray:
    """A formula of x in enough digits for 1 + e^-745, as doubles."""
    with mp.workdps(800):
        return np.array([float(eval(formula, {"exp": exp, "log": log, "x": mpf(float(x))})) for x in VALUES])


def test_both_sides_of_the_logistic_keep_their_tails() -> None:
    sigma, q = logistic(X)
    assert_close(sigma.numpy(), digits("1 / (1 + exp(-x))"), 1e-15, SMALLEST * 1e15)
    assert_close(q.numpy(), digits("1 / (1 + exp(x))"), 1e-15, SMALLEST * 1e15)


def test_softplus_has_no_cut_off() -> None:
    assert_close(softplus(X).numpy(), digits("log(1 + exp(x))"), 1e-15, SMALLEST * 1e15)


def test_softmax_of_large_scores_and_of_rows_of_minus_infinity() -> None:
    inf = math.inf
    shifted, log_total, p = softmax(torch.tensor([[1e4, 1e4, -1e4], [-inf, 0.0, 0.0], [-inf, -inf, -inf], [-1e4, -1e4, -inf]]))
    np.testing.assert_array_equal(p, [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose((shifted - log_total)[[0, 1, 3], [0, 1, 0]], [-math.log(2)] * 3, rtol=1e-7)
    assert not log_total.isnan().any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_left_beside_a_class_keeps_its_digits_as_does_its_logarithm(dtype: torch.dtype) -> None:
    ways = [[0.0, -far, -far - 1] for far in (0, 0.1, 0.3, 1, 1.5, 2, 4, 16, 40, 80)]
    x = torch.tensor([*ways, [1e4, -1e4, 0], [-1e4, 1e4, 1e4]], dtype=dtype)
    rest, log_p = [], []
    with mp.workdps(10000):
        for row in x.tolist():
            powers = [exp(mpf(each)) for each in row]
            rest.append([float((sum(powers) - each) / sum(powers)) for each in powers])
            log_p.append([float(log(each / sum(powers))) for each in powers])
    parts = softmax(x)
    accuracy, smallest = 20 * torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    np.testing.assert_allclose(others(parts.p), rest, rtol=accuracy, atol=smallest)
    np.testing.assert_allclose(log_softmax(parts, others(parts.p)), log_p, rtol=accuracy, atol=smallest)


def test_a_row_of_minus_infinity_leaves_no_nan() -> None:
    parts = softmax(torch.full((1, 3), -math.inf))
    assert others(parts.p).tolist() == [[1, 1, 1]] and log_softmax(parts, others(parts.p)).tolist() == [[-math.inf] * 3]


def test_a_weight_of_zero_silences_an_infinity() -> None:
    found = times(torch.tensor([0.0, 2.0, -0.0]), torch.tensor([-math.inf, 3.0, math.inf]))
    assert found.tolist() == [0, 6, 0]


@pytest.mark.parametrize(("value", "expected"), [(1.0, 0.0), (math.e, 1.0), (0.0, -math.inf)])
def test_the_logarithm_of_a_parameter(value: float, expected: float) -> None:
    assert log_of(value) == expected


def test_only_the_plain_number_zero_is_zero() -> None:
    assert is_zero(0.0) and is_zero(-0.0) and not is_zero(1e-300) and not is_zero(torch.tensor(0.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_difference_and_what_it_lost_are_the_whole_difference(dtype: torch.dtype) -> None:
    x = torch.tensor([*VALUES, 1e-30, 0.1, 745.0007, -9999.999, 3e7], dtype=dtype)
    a, b = x.unsqueeze(0) + x.unsqueeze(1) * 0, x.unsqueeze(1) + x.unsqueeze(0) * 0
    rounded, lost = difference(a, b)
    assert (rounded == a - b).all() and (lost != 0).any()
    with mp.workdps(400):
        for terms in zip(a.flatten().tolist(), b.flatten().tolist(), rounded.flatten().tolist(), lost.flatten().tolist(), strict=True):
            minuend, subtrahend, *parts = map(mpf, terms)
            assert minuend - subtrahend == sum(parts)


def test_an_infinite_difference_lost_nothing() -> None:
    rounded, lost = difference(torch.tensor([3e38, -3e38]), torch.tensor([-3e38, 3e38]))
    assert rounded.tolist() == [math.inf, -math.inf] and lost.tolist() == [0, 0]
