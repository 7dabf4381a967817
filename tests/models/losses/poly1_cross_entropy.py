"""Poly-1 cross-entropy, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}, {"epsilon": -1.0}, {"epsilon": 0.0}, {"epsilon": 7.5}]


def exact(x: Vector, at: Vector, row: Row, *, epsilon: Number = 1) -> Number:
    """Σ w y (-log p + ε (1-p))."""
    powers = [exp(value) for value in x]
    shares = [power / sum(powers) for power in powers]
    terms = zip(row.weights, row.targets, shares, strict=True)
    return sum((w * y * (-log(p) + epsilon * (1 - p)) for w, y, p in terms if y), mpf(0))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    epsilon: float = 1.0,
) -> Tensor:
    """torch's cross-entropy of probabilities, and ε times the probability that is missed -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    absent = torch.where(keep.any(1, keepdim=True), -1e30, 0.0)
    x = torch.where(keep, scores, absent)
    t = torch.where(keep, targets, 0.0)
    weight = ones_unless(class_weight, scores).expand(scores.shape[1])
    missed = (t * weight * (1 - F.softmax(x, 1))).sum(1)
    return F.cross_entropy(x, t, weight=weight, reduction="none") + epsilon * missed
