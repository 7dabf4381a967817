"""The label-distribution-aware margin loss, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [
    {"class_counts": [600.0, 90.0, 10.0]},
    {"class_counts": [1.0, 16.0, 81.0, 1e6], "max_m": 2.5, "s": 1.0},
    {"class_counts": [5.0, 3.0, 1.0, 40.0], "max_m": 0.0, "s": 0.125},
]


def exact(x: Vector, at: Vector, row: Row, *, class_counts: Vector, max_m: Number = 0.5, s: Number = 30) -> Number:
    """-w log of the label's share of Σ e^(s(x - m)), where m is 0 for every class but the label."""
    rarest, loss = min(class_counts), mpf(0)
    for label, y in enumerate(row.targets):
        if y:
            margin = max_m * (class_counts[row.classes[label]] / rarest) ** (-mpf(1) / 4)
            powers = [exp(s * (value - (margin if c == label else 0))) for c, value in enumerate(x)]
            loss -= row.weights[label] * y * log(powers[label] / sum(powers))
    return loss


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    max_m: float = 0.5,
    s: float = 30.0,
) -> Tensor:
    """torch's cross-entropy by class index -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    labelled, label = (targets * keep).any(1), (targets * keep).argmax(1)
    roots = class_counts.sqrt().sqrt()
    margin = (max_m * roots.min() / roots)[label].unsqueeze(1) * F.one_hot(label, scores.shape[1])
    logits = s * (torch.where(keep, scores, -1e30) - margin)
    weight = ones_unless(class_weight, scores).expand(scores.shape[1])
    return torch.where(labelled, F.cross_entropy(logits, label, weight=weight, reduction="none"), 0.0)
