"""How good a multi-label classifier is, by scikit-learn: what is measured, and which classes a row of scores stands for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.metrics import average_precision_score, f1_score

Array = NDArray[np.float64]

MEASURES = ("micro-F1", "macro-F1", "mAP")


def confidence(loss: str, scores: Array) -> Array:
    """scores [N, C] -> what the classes are judged by: a softmax's p, for such scores are defined up to a number a row; else σ(score)."""
    if loss == "softmax_cross_entropy":
        return np.asarray(softmax(scores, axis=1))
    return np.asarray(expit(scores))


def natural_threshold(loss: str, classes: int) -> float:
    """Softmax: more than an even share, p > 1/C. The others: score > 0, which is σ > ½."""
    return 1 / classes if loss == "softmax_cross_entropy" else 0.5


def f1(truth: Array, found: NDArray[Any]) -> dict[str, float]:
    """truth, found [N, C] -> F1 over all decisions at once (micro), and the mean of the classes' (macro)."""
    return {f"{average}-F1": float(f1_score(truth, found, average=average, zero_division=0)) for average in ("micro", "macro")}


def mean_average_precision(truth: Array, values: Array) -> float:
    """truth, values [N, C] -> the mean over classes of the area below precision and recall; classes without positives are left out."""
    there = truth.any(0)
    return float(average_precision_score(truth[:, there], values[:, there], average="macro"))


def measured(loss: str, scores: Array, truth: Array) -> dict[str, float]:
    """Every one of MEASURES, at the natural threshold."""
    values = confidence(loss, scores)
    return {**f1(truth, values > natural_threshold(loss, truth.shape[1])), "mAP": mean_average_precision(truth, values)}
