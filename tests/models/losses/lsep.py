"""The log-sum-exp pairwise loss, by its equation."""

from typing import Any

import torch
from mpmath import exp, log
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}]


def exact(x: Vector, at: Vector, row: Row) -> Number:
    """log(1 + Σ e^(x_i - x_j)) over all pairs of a smaller and a larger label."""
    graded = list(zip(x, row.targets, strict=True))
    return log(1 + sum(exp(low - high) for low, smaller in graded for high, larger in graded if smaller < larger))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The log-sum-exp of C² differences and of 0, that of the 1 -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, 0.0)
    paired = (targets.unsqueeze(2) < targets.unsqueeze(1)) & keep.unsqueeze(2) & keep.unsqueeze(1)
    pairs = torch.where(paired, x.unsqueeze(2) - x.unsqueeze(1), -torch.inf).flatten(1)
    return torch.logsumexp(torch.cat([torch.zeros_like(x[:, :1]), pairs], 1), 1)
