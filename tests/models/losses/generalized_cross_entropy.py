"""Generalized cross-entropy, by its equation."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from mpmath import exp, mpf
from torch import Tensor

from tests.models.autograd import ones_unless, present, refuse
from tests.models.exact import Number, Row, Vector

VARIANTS: list[dict[str, Any]] = [{}, {"q": 1.0}, {"q": 1e-4}, {"q": 0.3, "k": 0.5}, {"k": 0.013}, {"q": 1.0, "k": 0.9}]


def exact(x: Vector, at: Vector, row: Row, *, q: Number = 0.7, k: Number | None = None) -> Number:
    """Σ w y (1 - p^q)/q, (1 - k^q)/q where p is no more than k: which of them is settled at the undisturbed scores."""

    def p(values: Vector, c: int) -> Number:
        return exp(values[c]) / sum(exp(value) for value in values)

    shares = [k if k is not None and p(at, c) <= k else p(x, c) for c in range(len(x))]
    return sum((w * y * (1 - share**q) / q for w, y, share in zip(row.weights, row.targets, shares, strict=True)), mpf(0))


def reference(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    q: float = 0.7,
    k: float | None = None,
) -> Tensor:
    """The same from torch's cross-entropy, as the Box-Cox transform of p -> [N]."""
    refuse(pos_weight)
    keep = present(scores, mask)
    x = torch.where(keep, scores, torch.where(keep.any(1, keepdim=True), -1e30, 0.0))
    t = torch.where(keep, targets, 0.0)
    nats = F.cross_entropy(x, t, reduction="none")
    value = -torch.expm1(-q * nats) / q
    if k is not None:
        value = torch.where(F.softmax(x, 1)[t.argmax(1, keepdim=True) == torch.arange(x.shape[1])] > k, value, (1 - k**q) / q)
    return (t * ones_unless(class_weight, scores)).sum(1) * value
