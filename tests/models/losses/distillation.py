"""Distillation, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}, {"temperature": 4.0}, {"temperature": 0.5, "scale": False}]


def exact(x: Vector, at: Vector, row: Row, *, temperature: Number = 1, scale: bool = True) -> Number:
    """Σ q log(q/p), times T²."""
    p, q = ([exp(each / temperature) for each in values] for values in (x, row.targets))
    shares = [(a / sum(q), b / sum(p)) for a, b in zip(q, p, strict=True)]
    return sum((a * log(a / b) for a, b in shares), mpf(0)) * (temperature**2 if scale else 1)


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    temperature: float = 1.0,
    scale: bool = True,
) -> Tensor:
    """F.kl_div of log-softmaxes -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    absent = torch.where(keep.any(1, keepdim=True), -1e30, 0.0)
    log_p, log_q = (F.log_softmax(torch.where(keep, each, absent) / temperature, 1) for each in (scores, targets))
    terms = torch.where(keep, F.kl_div(log_p, log_q, reduction="none", log_target=True), 0.0)
    return terms.sum(1) * (temperature**2 if scale else 1)
