"""The asymmetric loss for single labels, by its equation."""

from typing import Any

import torch
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [
    {},
    {"gamma_pos": 0.5, "gamma_neg": 0.25, "label_smoothing": 0.25},
    {"gamma_pos": 2.0, "gamma_neg": 0.0, "label_smoothing": 1.0},
    {"gamma_pos": 1.0, "label_smoothing": 0.0},
    {"gamma_pos": 0.0078125, "gamma_neg": 0.0078125, "label_smoothing": 0.5},
]


def exact(x: Vector, at: Vector, row: Row, *, gamma_pos: Number = 0, gamma_neg: Number = 4, label_smoothing: Number = 0.1) -> Number:
    """-Σ t f log p: the label's f is (1-p)^γ₊, another class's p^γ₋; t is the smoothed label."""
    if not any(row.targets):
        return mpf(0)
    label_smoothing = mpf(label_smoothing)
    powers = [exp(value) for value in x]
    total, loss = sum(powers), mpf(0)
    for y, power in zip(row.targets, powers, strict=True):
        focus = ((total - power) / total) ** gamma_pos if y else (power / total) ** gamma_neg
        loss -= ((1 - label_smoothing) * y + label_smoothing / row.columns) * focus * log(power / total)
    return loss


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    label_smoothing: float = 0.1,
) -> Tensor:
    """The same from log-sum-exps, over all the classes and over the others -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, -1e30)
    alone = torch.eye(scores.shape[1], dtype=torch.bool)
    log_total = torch.logsumexp(x, 1, keepdim=True)
    log_rest = torch.logsumexp(torch.where(alone, -1e30, x.unsqueeze(1)), 2) - log_total
    log_p = torch.where(keep, x - log_total, 0.0)
    y = torch.where(keep, targets, 0.0)
    t = torch.lerp(y, torch.full_like(y, 1 / scores.shape[1]), label_smoothing)
    focus = torch.where(y > 0, gamma_pos * log_rest, gamma_neg * log_p).exp()
    return torch.where(keep & y.any(1, keepdim=True), -t * focus * log_p, 0.0).sum(1)
