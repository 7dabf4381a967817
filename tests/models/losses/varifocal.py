"""The varifocal loss, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import log
from torch import Tensor

from tests.models.autograd import elementwise, ones_unless, present
from tests.models.exact import Number, sigmoid

VARIANTS: list[dict[str, Any]] = [
    {},
    {"alpha": 2.5, "gamma": 0.0, "iou_weighted": False},
    {"alpha": 0.3, "gamma": 0.5},
    {"alpha": 0.0, "gamma": 1.0, "iou_weighted": False},
]


def exact(
    x: Number, at: Number, y: Number, pos_weight: Number, *, alpha: Number = 0.75, gamma: Number = 2, iou_weighted: bool = True
) -> Number:
    """-q(q log p + (1-q) log(1-p)) for a quality q > 0, the first q left out unless weighted; -α p^γ log(1-p) for q = 0."""
    if y == 0:
        return -alpha * sigmoid(x) ** gamma * log(sigmoid(-x))
    return -(y if iou_weighted else 1) * (pos_weight * y * log(sigmoid(x)) + (1 - y) * log(sigmoid(-x)))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    alpha: float = 0.75,
    gamma: float = 2.0,
    iou_weighted: bool = True,
) -> Tensor:
    """The same by torch -> [N, C]."""
    positive = ones_unless(pos_weight, scores)

    def loss(x: Tensor) -> Tensor:
        weighed = F.binary_cross_entropy_with_logits(x, targets, reduction="none", pos_weight=positive.expand(x.shape[1]))
        focused = -alpha * (gamma * F.logsigmoid(x)).exp() * F.logsigmoid(-x)
        return torch.where(targets > 0, weighed * (targets if iou_weighted else 1.0), focused)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
