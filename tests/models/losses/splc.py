"""Self-paced loss correction, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import log
from torch import Tensor

from tests.models.autograd import elementwise, ones_unless, present
from tests.models.exact import Number, sigmoid

VARIANTS: list[dict[str, Any]] = [
    {},
    {"active": False},
    {"tau": 0.5, "margin": 0.0, "gamma": 0.5},  # a score of 0 lies on τ: the label stays
    {"tau": 0.9, "margin": 2.5, "gamma": 0.0},
    {"tau": 0.0, "gamma": 1.0},
    {"tau": 1.0},
    {"tau": 1e-5, "gamma": 1.5},
]


def exact(
    x: Number,
    at: Number,
    y: Number,
    pos_weight: Number,
    *,
    tau: Number = 0.6,
    margin: Number = 1,
    gamma: Number = 2,
    active: bool = True,
) -> Number:
    """-(1-p)^γ log p, at x - margin where the label is 1, and at x where it is 0 but σ > τ; else -σ^γ log(1-σ)."""
    beyond = sigmoid(at) > tau if at < 0 else sigmoid(-at) < 1 - tau  # 400 digits would not do for 1 - σ at scores of 10^4
    if y == 0 and not (active and beyond):
        return -(sigmoid(x) ** gamma) * log(sigmoid(-x))
    moved = x - margin if y == 1 else x
    return -pos_weight * sigmoid(-moved) ** gamma * log(sigmoid(moved))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    tau: float = 0.6,
    margin: float = 1.0,
    gamma: float = 2.0,
    active: bool = True,
) -> Tensor:
    """The same by torch -> [N, C]."""
    positive = ones_unless(pos_weight, scores)

    def loss(x: Tensor) -> Tensor:
        moved = torch.where(targets == 1, x - margin, x)
        counted = (targets == 1) | ((x.sigmoid() > tau) & active)
        agreeing = torch.where(counted, moved, -moved)
        return -torch.where(counted, positive, 1.0) * (gamma * F.logsigmoid(-agreeing)).exp() * F.logsigmoid(agreeing)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
