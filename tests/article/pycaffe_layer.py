"""The PyCaffe multi-label softmax layer of the article this project descends from, written anew from its description.

What it is: a Caffe layer in Python for Mahajan et al. (2018, arXiv:1805.00932), over labels that are real numbers.
Forward: t = y/k with k the number of the row's non-zero labels, loss -Σ t log softmax(x), mean over rows.

What is wrong with it: forward reads the numbers, backward only whether they are 0. It returns (p - [y≠0]/k)/N where its
own forward has the derivative (p Σy/k - y/k)/N. For labels of 0 and 1 the two are the same.

Why it is kept: as the documented comparison. Our forward must reproduce its values; our gradient must not reproduce its
error.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_softmax(scores: Array) -> Array:
    """[N, C] -> [N, C], row by row, the row's maximum taken out first."""
    shifted: Array = scores - scores.max(axis=1, keepdims=True)
    total: Array = np.exp(shifted).sum(axis=1, keepdims=True)
    return shifted - np.log(total)


def label_count(targets: Array) -> Array:
    """k [N, 1]; every row must have a label (the description says nothing of rows that have none)."""
    return np.count_nonzero(targets, axis=1, keepdims=True).astype(np.float64)


def forward(scores: Array, targets: Array) -> float:
    """scores, targets [N, C] -> the mean over rows of -Σ (y/k) log p."""
    return float(-(targets / label_count(targets) * log_softmax(scores)).sum(axis=1).mean())


def backward(scores: Array, targets: Array) -> Array:
    """scores, targets [N, C] -> what the layer returned as its forward's gradient: right for labels of 0 and 1 only."""
    positive = (targets != 0).astype(np.float64)
    p: Array = np.exp(log_softmax(scores))
    grad: Array = (p - positive / label_count(targets)) / len(scores)
    return grad
