"""The quality focal loss, by its equation."""

from typing import Any

import torch
from torch import Tensor

from tests.models.autograd import cross_entropy, elementwise, ones_unless, present
from tests.models.exact import Number, sigmoid
from tests.models.exact import cross_entropy as exact_cross_entropy

VARIANTS: list[dict[str, Any]] = [{}, {"beta": 0.0}, {"beta": 0.5}, {"beta": 1.0}, {"beta": 3.5}]


def exact(x: Number, at: Number, y: Number, pos_weight: Number, *, beta: Number = 2) -> Number:
    """|y-σ|^β BCE; 1-σ as σ(-x), or 400 digits would not do at scores of 10^4."""
    distance = sigmoid(-x) if y == 1 else abs(y - sigmoid(x))
    return distance**beta * exact_cross_entropy(x, y, pos_weight)


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    beta: float = 2.0,
) -> Tensor:
    """The same by torch -> [N, C]."""
    positive = ones_unless(pos_weight, scores)

    def loss(x: Tensor) -> Tensor:
        distance = torch.where(targets == 1, torch.sigmoid(-x), (targets - torch.sigmoid(x)).abs())
        return distance**beta * cross_entropy(x, targets, positive)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
