"""Checks on arrays: what passes comes back in the form that jobs hold, and the first wrong value is named."""

import numpy as np
import pytest

from models import checks
from models.errors import InvalidScores, InvalidTargets, NumericOverflow


@pytest.mark.parametrize("value", [[1e308, 1e308, 1e308], [-1e308] * 4, [1e308, -1e308], [0.0], []])
def test_finite_numbers_are_finite_also_where_their_sum_is_not(value: list[float]) -> None:
    assert checks.all_finite(np.array(value))


@pytest.mark.parametrize("value", [[np.nan], [1e308, np.nan], [np.inf, -np.inf], [0, -np.inf], [1e308, 1e308, np.inf]])
def test_one_number_that_is_not_finite_is_found(value: list[float]) -> None:
    assert not checks.all_finite(np.array(value))


def test_numbers_that_pass_come_back_contiguous_in_the_dtype() -> None:
    array = checks.reals(np.arange(6).reshape(2, 3).T, "/scores", (3, 2), "float32")
    assert array.dtype == np.float32 and array.flags.c_contiguous
    np.testing.assert_array_equal(array, [[0, 3], [1, 4], [2, 5]])


def test_what_is_already_right_is_not_copied() -> None:
    array = np.ones((2, 3), np.float32)
    assert checks.reals(array, "/scores", None, "float32") is array


def test_the_first_wrong_number_in_row_order_is_named() -> None:
    array = np.array([[0.0, 1.0], [np.nan, np.inf]])
    with pytest.raises(InvalidScores) as refused:
        checks.reals(array, "/scores", None, "float64", minus_infinity=True)
    assert refused.value.problems[0].pointer == "/scores/1/0"


def test_minus_infinity_passes_only_where_it_has_a_meaning() -> None:
    assert checks.reals([-np.inf], "/scores", None, "float32", minus_infinity=True)[0] == -np.inf
    with pytest.raises(InvalidTargets, match="expected a finite number"):
        checks.reals([-np.inf], "/targets", None, "float32", error=InvalidTargets)


def test_a_number_that_rounds_to_infinity_is_an_overflow_and_one_that_rounds_to_the_largest_is_none() -> None:
    largest = float(np.finfo(np.float32).max)
    assert checks.reals([largest * (1 + 1e-9)], "/scores", None, "float32")[0] == np.float32(largest)
    with pytest.raises(NumericOverflow, match="does not fit float32"):
        checks.reals([largest * (1 + 1e-7)], "/scores", None, "float32")


def test_a_mask_becomes_booleans() -> None:
    for mask in (np.array([[1, 0]]), np.array([[1.0, 0.0]]), np.array([[True, False]]), np.array([[1, 0]], np.uint8)):
        array = checks.booleans(mask, "/mask", (1, 2))
        assert array.dtype == bool and array.tolist() == [[True, False]]


def test_kinds_of_labels_have_their_ranges() -> None:
    values = np.array([-0.5, 0.0, 0.5, 1.0, 1.5])
    assert checks.outside(values, "real").tolist() == [False] * 5
    assert checks.outside(values, "unit").tolist() == [True, False, False, False, True]
    assert checks.outside(values, "binary").tolist() == [True, False, True, False, True]


def test_a_pointer_counts_from_zero() -> None:
    assert checks.at("/scores", checks.first(np.array([[False, False], [False, True]]))) == "/scores/1/1"
    assert checks.at("/pos_weight", checks.first(np.array(True))) == "/pos_weight"


def test_bfloat16_is_a_number_and_not_copied_twice() -> None:
    array = checks.reals(np.array([[1.5, -np.inf]], checks.BFLOAT16), "/scores", None, "float32", minus_infinity=True)
    assert array.dtype == np.float32 and array.tolist() == [[1.5, -np.inf]]
    for bits in (0x7FC0, 0xFF88):  # quiet and signalling: neither is a warning on the way
        with pytest.raises(InvalidScores, match="found nan"):
            checks.reals(np.array([bits], np.uint16).view(checks.BFLOAT16), "/scores", None, "float32", minus_infinity=True)


def test_an_integer_that_64_bits_with_a_sign_cannot_hold_is_not_wrapped_to_a_negative_one() -> None:
    assert checks.integers(np.array([2**63 - 1], np.uint64), "/labels").tolist() == [2**63 - 1]
    assert checks.integers(np.array([0, 2**64 - 1], np.uint64), "/labels").tolist() == [0, 2**63 - 1]
