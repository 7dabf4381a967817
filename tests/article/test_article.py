"""This service against the two systems of the article it descends from: the same values, without their two errors."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.catalogue import find
from models.contract import Job
from models.runtimes.pytorch import PyTorch
from tests.article import autograd_function, pycaffe_layer
from tests.models.exact import exact

Array = NDArray[np.float64]
Dtype = Literal["float32", "float64"]
SEEDS = range(4)


def ours(scores: NDArray[Any], targets: NDArray[Any], dtype: Dtype = "float64") -> tuple[NDArray[Any], NDArray[Any]]:
    """scores, targets [N, C] -> this service's mean loss and its gradient [N, C], labels counted (t = y/k)."""
    loss, params = find("softmax_cross_entropy"), {"normalize": "count"}
    job = Job(loss=loss, scores=scores, targets=targets, params=params, reduction="mean", dtype=dtype)
    result = PyTorch().run(job)
    assert result.grad is not None
    return result.loss, result.grad


def exact_mean(scores: NDArray[Any], targets: NDArray[Any]) -> tuple[float, Array]:
    """The same by the oracle: mean over rows, and its gradient."""
    loss, grad = exact("softmax_cross_entropy", scores, targets, normalize="count")
    return float(loss.mean()), grad / len(scores)


def batch(seed: int, *, real: bool) -> tuple[Array, Array]:
    """Scores and labels [8, 6], at least one label a row: 0/1, or (`real`) other numbers, negative ones too."""
    random = np.random.default_rng(seed)
    scores, targets = random.normal(0, 3, (8, 6)), (random.random((8, 6)) < 0.4).astype(np.float64)
    targets[np.arange(8), random.integers(0, 6, 8)] = 1
    return scores, targets * random.normal(0.5, 1.0, (8, 6)) if real else targets


def differences(scores: Array, targets: Array, step: float = 1e-5) -> Array:
    """The derivative [N, C] of the PyCaffe layer's forward by central differences, good to about 1e-9."""
    grad = np.zeros_like(scores)
    for place in np.ndindex(*scores.shape):
        above, below = scores.copy(), scores.copy()
        above[place] += step
        below[place] -= step
        grad[place] = (pycaffe_layer.forward(above, targets) - pycaffe_layer.forward(below, targets)) / (2 * step)
    return grad


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("real", [False, True], ids=["binary", "real"])
def test_the_pycaffe_layers_forward_is_reproduced(seed: int, real: bool) -> None:
    scores, targets = batch(seed, real=real)
    loss, _ = ours(scores, targets)
    np.testing.assert_allclose(loss, pycaffe_layer.forward(scores, targets), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pycaffe_layers_backward_is_reproduced_for_labels_of_zero_and_one(seed: int) -> None:
    scores, targets = batch(seed, real=False)
    _, grad = ours(scores, targets)
    np.testing.assert_allclose(grad, pycaffe_layer.backward(scores, targets), rtol=1e-12, atol=1e-14)


def test_the_pycaffe_layers_backward_sees_only_which_labels_there_are() -> None:
    scores, targets = batch(0, real=True)
    zero_or_one = (targets != 0).astype(np.float64)
    np.testing.assert_array_equal(pycaffe_layer.backward(scores, targets), pycaffe_layer.backward(scores, zero_or_one))


@pytest.mark.parametrize("seed", SEEDS)
def test_for_real_labels_our_gradient_is_that_of_the_pycaffe_layers_forward_and_its_own_backward_is_not(
    seed: int,
) -> None:
    scores, targets = batch(seed, real=True)
    _, grad = ours(scores, targets)
    true, theirs = differences(scores, targets), pycaffe_layer.backward(scores, targets)
    np.testing.assert_allclose(grad, true, rtol=1e-7, atol=1e-8)
    assert np.abs(theirs - true).max() > 1e-2
    assert np.abs(theirs - grad).max() > 1e-2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_the_autograd_function_is_reproduced_where_it_is_finite(seed: int, dtype: Dtype, tolerance: float) -> None:
    scores, targets = (array.astype(dtype) for array in batch(seed, real=False))
    their_loss, their_grad = autograd_function.loss_and_grad(torch.from_numpy(scores), torch.from_numpy(targets))
    assert their_loss.isfinite() and their_grad.isfinite().all()
    loss, grad = ours(scores, targets, dtype)
    np.testing.assert_allclose(loss, their_loss.numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(grad, their_grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("highest", [88.0, 88.5])
def test_the_autograd_function_is_still_reproduced_just_below_its_overflow(highest: float) -> None:
    scores, targets = np.array([[highest, 80, 87]], dtype=np.float32), np.array([[1, 1, 0]], dtype=np.float32)
    their_loss, their_grad = autograd_function.loss_and_grad(torch.from_numpy(scores), torch.from_numpy(targets))
    loss, grad = ours(scores, targets, "float32")
    np.testing.assert_allclose(loss, their_loss.numpy(), rtol=1e-5)
    np.testing.assert_allclose(grad, their_grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("highest", [89.0, 100.0, 1e4])
def test_ours_is_finite_and_exact_where_the_autograd_function_overflows(highest: float) -> None:
    scores = np.array([[highest, 0, -3], [highest, highest - 1, 2], [1, 2, 3]], dtype=np.float32)
    targets = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 0]], dtype=np.float32)
    their_loss, their_grad = autograd_function.loss_and_grad(torch.from_numpy(scores), torch.from_numpy(targets))
    assert not their_loss.isfinite() and not their_grad[:2].isfinite().all(dim=1).any()
    loss, grad = ours(scores, targets, "float32")
    true_loss, true_grad = exact_mean(scores, targets)
    np.testing.assert_allclose(loss, true_loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grad, true_grad, rtol=1e-5, atol=1e-5)
