"""The loss and gradient that the clients expect, in float64 from the definition; imports nothing of ours."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

SCORES = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]])
LABELS = [[0], [1, 2]]
PADDED = np.array([[0, -1], [1, 2]])
TARGETS = np.array([[1.0, 0, 0], [0, 1, 1]])
TOLERANCE = {"FP64": 1e-10, "FP32": 1e-5, "FP16": 2.0**-10, "BF16": 2.0**-7}  # the epsilons of the halves
done: list[str] = []


def softmax(
    scores: Any,
    targets: Any,
    temperature: float = 1.0,
    normalize: str = "count",
    class_weight: Any = 1.0,
    mask: Any = True,
    label_smoothing: float = 0.0,
) -> tuple[Any, Any]:
    """Multi-label softmax cross-entropy, a row each, and d(sum)/d(scores)."""
    x, t = np.where(mask, np.asarray(scores, np.float64) / temperature, -np.inf), np.where(mask, np.asarray(targets, np.float64), 0)
    k = {"count": (t != 0).sum(1, keepdims=True), "sum": t.sum(1, keepdims=True), "none": np.ones((len(t), 1))}[normalize]
    smooth = np.where(mask & (k != 0), label_smoothing / x.shape[1], 0)
    t = (t / np.where(k == 0, 1, k) * (1 - label_smoothing) + smooth) * class_weight
    shifted = x - x.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(t * np.where(mask, log_p, 0)).sum(1), (np.exp(log_p) * t.sum(1, keepdims=True) - t) / temperature


def mean(scores: Any = SCORES, targets: Any = TARGETS, **params: Any) -> tuple[Any, Any]:
    """The mean over rows, and its gradient."""
    loss, grad = softmax(scores, targets, **params)
    return loss.mean(), grad / len(loss)


def binary(scores: Any, targets: Any, pos_weight: Any = 1.0) -> tuple[Any, Any]:
    """Binary cross-entropy, an element each, and d(sum)/d(scores)."""
    x, t = np.asarray(scores, np.float64), np.asarray(targets, np.float64)
    p = 1 / (1 + np.exp(-x))
    return -(pos_weight * t * np.log(p) + (1 - t) * np.log1p(-p)), (1 - t) * p - pos_weight * t * (1 - p)


def asymmetric(scores: Any, targets: Any) -> tuple[Any, Any]:
    """The asymmetric loss with its usual parameters, an element each, and the gradient that holds its weights still."""
    x, t = np.asarray(scores, np.float64), np.asarray(targets, np.float64)
    p = 1 / (1 + np.exp(-x))
    shifted = np.maximum(p - 0.05, 0)
    for_positive, for_negative = t * (1 - p), (1 - t) * shifted**4
    loss = -for_positive * np.log(p) - for_negative * np.log1p(-shifted)
    return loss, -for_positive * (1 - p) + for_negative * (p > 0.05) * p * (1 - p) / (1 - shifted)


def check(about: str, found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Element by element, and of the same shape; a loss that is one number has the shape [1]."""
    wanted = np.atleast_1d(expected)
    assert np.shape(found) == wanted.shape, f"{about}: found {np.shape(found)}; expected {wanted.shape}"
    np.testing.assert_allclose(np.asarray(found, np.float64), wanted, tolerance, min(tolerance, 1e-5), err_msg=about)
    holds(about, True)


def holds(about: str, fact: object) -> None:
    """It is so."""
    assert fact, about
    done.append(about)
    print(f"ok: {about}")


def refused(about: str, call: Callable[[], Any], words: str, kind: type[Exception] = Exception) -> None:
    """The call is refused, in these words."""
    try:
        call()
    except kind as error:
        said = f"{error} {error!r} {getattr(error, 'body', '')}"
        assert words in said, f"{about}: found {said}; expected {words!r}"
        holds(about, True)
        return
    raise AssertionError(f"{about}: it was not refused")


def all_well() -> None:
    """Say how many checks there were."""
    print(f"{len(done)} checks, all well")
    sys.exit(0)
