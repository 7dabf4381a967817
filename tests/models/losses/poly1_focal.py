"""The poly-1 focal loss, by its equation."""

from typing import Any

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from tests.models.autograd import cross_entropy, elementwise, ones_unless, present
from tests.models.exact import Number, sigmoid
from tests.models.exact import cross_entropy as exact_cross_entropy

VARIANTS: list[dict[str, Any]] = [
    {},
    {"epsilon": -1.0, "alpha": None},  # the first polynomial is gone
    {"epsilon": -1.0, "alpha": None, "gamma": 0.0},
    {"epsilon": -0.25, "gamma": 0.5},
    {"epsilon": 3.5, "alpha": 1.0, "gamma": 0.5},
    {"epsilon": -0.3, "alpha": 0.0, "gamma": 1.0},
    {"epsilon": 0.0, "alpha": 0.6, "gamma": 3.5},
]


def exact(
    x: Number, at: Number, y: Number, pos_weight: Number, *, epsilon: Number = 1, gamma: Number = 2, alpha: Number | None = 0.25
) -> Number:
    """a u^γ BCE + ε u^γ m, where m is u with its positive part weighed: a positive weight of 1 makes the last u^(γ+1)."""
    balance = 1 if alpha is None else alpha * y + (1 - alpha) * (1 - y)
    u = y * sigmoid(-x) + (1 - y) * sigmoid(x)
    m = pos_weight * y * sigmoid(-x) + (1 - y) * sigmoid(x)
    return balance * u**gamma * exact_cross_entropy(x, y, pos_weight) + epsilon * u**gamma * m


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    epsilon: float = 1.0,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
) -> Tensor:
    """The same by torch -> [N, C]."""
    positive = ones_unless(pos_weight, scores)
    balance = 1.0 if alpha is None else (1 - alpha) + (2 * alpha - 1) * targets

    def loss(x: Tensor) -> Tensor:
        parts = targets * F.logsigmoid(-x).exp(), (1 - targets) * F.logsigmoid(x).exp()
        modulator = (parts[0] + parts[1]) ** gamma
        return modulator * (balance * cross_entropy(x, targets, positive) + epsilon * (positive * parts[0] + parts[1]))

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
