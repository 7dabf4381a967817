"""The sparsemax loss, from the definition of the projection."""

from typing import Any

import torch
from mpmath import mpf
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}]


def exact(x: Vector, at: Vector, row: Row) -> Number:
    """½‖t - x‖² - ½‖p - x‖², where p is the nearest distribution: the support is the one that fits, tried in order of size."""
    if all(t == 0 for t in row.targets):
        return mpf(0)
    level = max(at)  # both norms see x less a constant, or a sum of labels that is not quite 1 would matter
    z = [value - level for value in x]
    for size in range(1, len(z) + 1):
        chosen = sorted(range(len(z)), key=lambda c: -z[c])[:size]
        tau = (sum(z[c] for c in chosen) - 1) / size
        if all(z[c] > tau for c in chosen) and all(z[c] <= tau for c in range(len(z)) if c not in chosen):
            break
    p = [z[c] - tau if c in chosen else mpf(0) for c in range(len(z))]
    return sum((t - v) ** 2 - (q - v) ** 2 for t, q, v in zip(row.targets, p, z, strict=True)) / 2


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The same with τ by bisection, and the support that it leaves -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    z = torch.where(keep, scores - torch.where(keep, scores, -torch.inf).amax(1, keepdim=True).nan_to_num(neginf=0).detach(), -1e9)
    low, high = torch.full_like(z[:, :1], -1.0), torch.zeros_like(z[:, :1])
    with torch.no_grad():
        for _ in range(80):
            middle = (low + high) / 2
            more = (z - middle).clamp(min=0).sum(1, keepdim=True) > 1
            low, high = torch.where(more, middle, low), torch.where(more, high, middle)
        support = keep & (z > high)
    tau = (torch.where(support, z, 0.0).sum(1, keepdim=True) - 1) / support.sum(1, keepdim=True).clamp(min=1)
    p = torch.where(support, z - tau, 0.0)
    value = torch.where(keep, (targets - z).square() - (p - z).square(), 0.0).sum(1) / 2
    return torch.where(targets.any(1), value, 0.0 * value)
