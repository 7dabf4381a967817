"""The multi-class margin, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}, {"p": 2, "margin": 2.5}, {"margin": 0.0}, {"p": 2, "margin": -0.5}]


def exact(x: Vector, at: Vector, row: Row, *, p: Number = 1, margin: Number = 1) -> Number:
    """(w_y/C) Σ max(0, margin - x_y + x_i)^p over the other classes; at a difference of exactly the margin a pair is idle."""
    loss = mpf(0)
    for label, y in enumerate(row.targets):
        if y:
            active = [i for i in range(len(x)) if i != label and margin - at[label] + at[i] > 0]
            loss += row.weights[label] * sum((margin - x[label] + x[i]) ** p for i in active) / row.columns
    return loss


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    p: int = 1,
    margin: float = 1.0,
) -> Tensor:
    """torch's own; a masked class lies far below any label -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    labelled, label = (targets * keep).any(1), (targets * keep).argmax(1)
    weight = ones_unless(class_weight, scores).expand(scores.shape[1]).contiguous()
    x = torch.where(keep, scores, -1e30)
    loss = F.multi_margin_loss(x, label, p=p, margin=margin, weight=weight, reduction="none")
    return torch.where(labelled, loss, 0.0)
