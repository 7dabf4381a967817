"""The focal loss of a softmax, by its equation."""

from typing import Any

import torch
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [
    {},
    {"gamma": 0.5, "alpha": 0.25},
    {"gamma": 0.0, "alpha": [1.0, 0.0, 2.5]},
    {"gamma": 1.0, "alpha": 0.0},
    {"gamma": 3.5, "alpha": [0.2, 1.7, 1.0, 4.0]},
]


def exact(x: Vector, at: Vector, row: Row, *, gamma: Number = 2, alpha: Number | Vector = 1) -> Number:
    """-Σ w α t (1-p)^γ log p."""
    powers = [exp(value) for value in x]
    total, loss = sum(powers), mpf(0)
    for w, t, power, c in zip(row.weights, row.targets, powers, row.classes, strict=True):
        if t:
            loss -= w * (alpha[c] if isinstance(alpha, list) else alpha) * t * ((total - power) / total) ** gamma * log(power / total)
    return loss


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    gamma: float = 2.0,
    alpha: Tensor | float = 1.0,
) -> Tensor:
    """The same, where 1 - p is the log-sum-exp of the other classes -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, -1e30)
    alone = torch.eye(scores.shape[1], dtype=torch.bool)
    log_total = torch.logsumexp(x, 1, keepdim=True)
    log_rest = torch.logsumexp(torch.where(alone, -1e30, x.unsqueeze(1)), 2) - log_total
    t = torch.where(keep, targets, 0.0) * alpha * ones_unless(class_weight, scores)
    terms = (gamma * log_rest).exp() * (log_total - torch.where(keep, scores, 0.0))
    return torch.where(t != 0, t * terms, 0.0 * x).sum(1)
