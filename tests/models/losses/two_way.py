"""The two-way loss, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, log, mpf
from torch import Tensor

from tests.models.autograd import present, refuse
from tests.models.exact import Number

VARIANTS: list[dict[str, Any]] = [
    {},
    {"way": "sample", "pos_temperature": 1.0},
    {"way": "class", "pos_temperature": 2.0, "neg_temperature": 0.5},
]
Rows = list[list[Any]]


def exact(x: Rows, at: Rows, targets: Rows, *, pos_temperature: Number = 4, neg_temperature: Number = 1, way: str = "both") -> Number:
    """log(1 + (Σ_N e^(x/Tn))^Tn · (Σ_P e^(-x/Tp))^Tp) over rows, over columns, or both."""
    columns = [list(each) for each in zip(*x, strict=True)], [list(each) for each in zip(*targets, strict=True)]
    ways = {"sample": [(x, targets)], "class": [columns], "both": [(x, targets), columns]}[way]
    return sum((mean(*each, pos_temperature, neg_temperature) for each in ways), mpf(0))


def mean(lines: Rows, labels: Rows, pos_temperature: Number, neg_temperature: Number) -> Number:
    """Averaged over the lines that have a positive."""
    terms = []
    for line, label in zip(lines, labels, strict=True):
        there = [(x, y) for x, y in zip(line, label, strict=True) if x is not None]
        positive = sum((exp(-x / pos_temperature) for x, y in there if y), mpf(0))
        negative = sum((exp(x / neg_temperature) for x, y in there if not y), mpf(0))
        if positive:
            terms.append(log(1 + negative**neg_temperature * positive**pos_temperature))
    return sum(terms, mpf(0)) / max(len(terms), 1)


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    pos_temperature: float = 4.0,
    neg_temperature: float = 1.0,
    way: str = "both",
) -> Tensor:
    """The same by torch -> []."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, 0.0)
    total = torch.zeros((), dtype=scores.dtype) + 0.0 * x.sum()
    for dim in {"sample": [1], "class": [0], "both": [0, 1]}[way]:
        positive, negative = keep & (targets != 0), keep & (targets == 0)
        both = positive.any(dim) & negative.any(dim)
        if not both.any():
            continue
        lines = [(x if dim == 1 else x.T)[both], (positive if dim == 1 else positive.T)[both], (negative if dim == 1 else negative.T)[both]]
        for_pos = pos_temperature * torch.logsumexp(torch.where(lines[1], -lines[0] / pos_temperature, -torch.inf), 1)
        for_neg = neg_temperature * torch.logsumexp(torch.where(lines[2], lines[0] / neg_temperature, -torch.inf), 1)
        total = total + F.softplus(for_pos + for_neg, threshold=1e9).sum() / positive.any(dim).sum()
    return total
