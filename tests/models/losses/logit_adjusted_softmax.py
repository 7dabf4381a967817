"""Logit-adjusted softmax, by its equation."""

from typing import Any

import torch
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [
    {"prior": [60.0, 30.0, 10.0, 1.0, 3.0]},
    {"prior": [0.5, 0.25, 0.125, 0.1, 0.025], "tau": 2.5},
    {"prior": [1e6, 1.0, 30.0], "tau": 0.0},
]


def exact(x: Vector, at: Vector, row: Row, *, prior: Vector, tau: Number = 1) -> Number:
    """-w log of the label's share of Σ π^τ e^x."""
    powers = [prior[c] ** tau * exp(value) for value, c in zip(x, row.classes, strict=True)]
    terms = zip(row.weights, row.targets, powers, strict=True)
    return -sum((w * y * log(power / sum(powers)) for w, y, power in terms if y), mpf(0))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    prior: Tensor,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    tau: float = 1.0,
) -> Tensor:
    """The same by torch's log-sum-exp -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    adjusted = torch.where(keep, scores, 0.0) + tau * prior.log()
    total = torch.logsumexp(torch.where(keep | ~keep.any(1, keepdim=True), adjusted, -torch.inf), 1, keepdim=True)
    t = torch.where(keep, targets, 0.0) * ones_unless(class_weight, scores)
    return (t * (total - adjusted)).sum(1)
