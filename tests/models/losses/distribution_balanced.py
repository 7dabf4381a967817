"""The distribution-balanced loss, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import elementwise, ones_unless, present
from tests.models.exact import Number, Row, Vector, sigmoid

VARIANTS: list[dict[str, Any]] = [
    {"class_counts": [60.0, 30.0, 10.0, 1.0, 3.0], "neg_counts": [40.0, 70.0, 90.0, 99.0, 97.0]},
    {
        "class_counts": [5.0, 1e6, 0.5],
        "neg_counts": [1e6, 5.0, 700.0],
        "gamma": 0.5,
        "balance_param": 0.7,
        "init_bias": -0.3,
        "neg_scale": 5.0,
        "map_alpha": 0.0,
        "map_beta": 3.0,
        "map_gamma": 0.9,
    },
    {
        "class_counts": [8.0, 2.0, 4.0, 1.0],
        "neg_counts": [8.0, 14.0, 12.0, 15.0],
        "gamma": 0.0,
        "init_bias": 0.0,
        "neg_scale": 0.5,
        "map_alpha": 1.5,
        "map_beta": 0.25,
        "map_gamma": -1.0,
    },
]


def exact(
    x: Number,
    at: Number,
    y: Number,
    pos_weight: Number,
    *,
    row: Row,
    place: int,
    class_counts: Vector,
    neg_counts: Vector,
    gamma: Number = 2,
    balance_param: Number = 2,
    init_bias: Number = 0.05,
    neg_scale: Number = 2,
    map_alpha: Number = 0.1,
    map_beta: Number = 10,
    map_gamma: Number = 0.2,
) -> Number:
    """A class's sampling rate over its row's gives the weight; a negative's logit is scaled by λ and its loss by 1/λ."""
    rate_of_class = 1 / class_counts[place]
    rate_of_row = sum((1 / class_counts[c] for c, label in zip(row.classes, row.targets, strict=True) if label), mpf(0))
    share = 1 / (1 + exp(-map_beta * (rate_of_class / rate_of_row - map_gamma))) if rate_of_row else mpf(1)
    weight = balance_param * (map_alpha + share)
    z = x - init_bias / neg_scale * log(neg_counts[place] / class_counts[place])
    if y == 1:
        return -weight * pos_weight * sigmoid(-z) ** gamma * log(sigmoid(z))
    return -weight / neg_scale * sigmoid(neg_scale * z) ** gamma * log(sigmoid(-neg_scale * z))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    neg_counts: Tensor,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    gamma: float = 2.0,
    balance_param: float = 2.0,
    init_bias: float = 0.05,
    neg_scale: float = 2.0,
    map_alpha: float = 0.1,
    map_beta: float = 10.0,
    map_gamma: float = 0.2,
) -> Tensor:
    """The same by torch, where a row without labels divides by 0 -> [N, C]."""
    keep, label = present(scores, mask), targets == 1
    inverse = 1 / class_counts
    rate = inverse / (inverse * (label & keep)).sum(1, keepdim=True)
    weight = balance_param * (map_alpha + torch.sigmoid(map_beta * (rate - map_gamma)))
    weight = torch.where(label, weight * ones_unless(pos_weight, scores), weight / neg_scale)
    prior = torch.log((class_counts + neg_counts) / class_counts - 1)

    def loss(x: Tensor) -> Tensor:
        z = x - prior * init_bias / neg_scale
        agreeing = torch.where(label, z, -neg_scale * z)
        return -weight * (gamma * F.logsigmoid(-agreeing)).exp() * F.logsigmoid(agreeing)

    return elementwise(loss, scores, keep, ones_unless(class_weight, scores))
