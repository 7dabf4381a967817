"""The hinge loss, by its equation."""

from typing import Any

import torch
from mpmath import mpf
from torch import Tensor

from tests.models.autograd import elementwise, ones_unless, present
from tests.models.exact import Number

VARIANTS: list[dict[str, Any]] = [{}, {"squared": True}]


def exact(x: Number, at: Number, y: Number, pos_weight: Number, *, squared: bool = False) -> Number:
    """max(0, 1-sx), or its square, for s = 2y-1; at sx = 1 it is idle."""
    weight, short = (pos_weight, 1 - x) if y == 1 else (1, 1 + x)
    idle = at >= 1 if y == 1 else at <= -1
    return mpf(0) if idle else weight * short ** (2 if squared else 1)


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    squared: bool = False,
) -> Tensor:
    """The same by torch's relu, whose derivative at 0 is 0 -> [N, C]."""
    positive = torch.where(targets == 1, ones_unless(pos_weight, scores), 1.0)

    def loss(x: Tensor) -> Tensor:
        short = torch.relu(1 - torch.where(targets == 1, x, -x))
        return positive * (short.square() if squared else short)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
