"""Hill loss, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import log
from torch import Tensor

from tests.models.autograd import elementwise, ones_unless, present
from tests.models.exact import Number, sigmoid

VARIANTS: list[dict[str, Any]] = [{}, {"lamb": 1.2, "margin": 0.0, "gamma": 0.5}, {"gamma": 0.0, "margin": 2.5}]


def exact(x: Number, at: Number, y: Number, pos_weight: Number, *, lamb: Number = 1.5, margin: Number = 1, gamma: Number = 2) -> Number:
    """-y q^γ log σ at x - margin, + (1-y)(λ-σ)σ²."""
    negative = (lamb - sigmoid(x)) * sigmoid(x) ** 2
    return -pos_weight * y * sigmoid(margin - x) ** gamma * log(sigmoid(x - margin)) + (1 - y) * negative


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    lamb: float = 1.5,
    margin: float = 1.0,
    gamma: float = 2.0,
) -> Tensor:
    """The same by torch -> [N, C]."""
    positive = ones_unless(pos_weight, scores)

    def loss(x: Tensor) -> Tensor:
        focused = (gamma * F.logsigmoid(margin - x)).exp() * F.logsigmoid(x - margin)
        p = torch.sigmoid(x)
        return -positive * targets * focused + (1 - targets) * (lamb - p) * p.square()

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))
