"""Symmetric cross-entropy, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}, {"alpha": 6.0, "beta": 0.1, "A": -4.0}, {"alpha": 0.0}, {"alpha": 1.0, "beta": 0.0}, {"A": 0.0}]
LOG_1E4 = -9.210340371976182


def exact(x: Vector, at: Vector, row: Row, *, alpha: Number = 0.1, beta: Number = 1, A: Number = LOG_1E4) -> Number:  # noqa: N803
    """α H(q, p) + β H(p, q) for each label, with q its class alone and the logarithm of q's zeros A: literally, over all the classes."""
    total, powers = mpf(0), [exp(value) for value in x]
    p = [power / sum(powers) for power in powers]
    for label, (w, y) in enumerate(zip(row.weights, row.targets, strict=True)):
        if y:
            reverse = -sum((share * (0 if c == label else A) for c, share in enumerate(p)), mpf(0))
            total += w * y * (-alpha * log(p[label]) + beta * reverse)
    return total


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    alpha: float = 0.1,
    beta: float = 1.0,
    A: float = LOG_1E4,  # noqa: N803
) -> Tensor:
    """torch's cross-entropy, and its matrix of -A times the softmax of the other classes -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, torch.where(keep.any(1, keepdim=True), -1e30, 0.0))
    t = torch.where(keep, targets, 0.0)
    wrong = F.softmax(x, 1) * (t == 0)
    value = alpha * F.cross_entropy(x, t, reduction="none") - beta * A * wrong.sum(1)
    return (t * ones_unless(class_weight, scores)).sum(1) * value
