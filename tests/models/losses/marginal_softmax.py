"""Marginal softmax, by its equation."""

from typing import Any

import torch
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}]


def exact(x: Vector, at: Vector, row: Row) -> Number:
    """-log of the candidates' share of Σ e^x."""
    if all(y == 0 for y in row.targets):
        return mpf(0)
    powers = [exp(value) for value in x]
    return -log(sum(power for power, y in zip(powers, row.targets, strict=True) if y) / sum(powers))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """log Σ e^x less the same over the candidates -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    some = (keep & (targets != 0)).any(1)
    x = torch.where(keep, scores, -1e30)
    chosen = torch.where(targets != 0, x, -1e30)
    return torch.where(some, torch.logsumexp(x, 1) - torch.logsumexp(chosen, 1), 0.0 * scores.nan_to_num(neginf=0.0).sum(1))
