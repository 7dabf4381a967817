"""Two-way multi-label loss: positives against negatives within each row, and within each class over the batch (Kobayashi, CVPR 2023)."""

import math
from typing import Annotated, Literal

from annotated_types import Gt

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

Way = Literal["both", "sample", "class"]

ABOUT = About(
    aliases=("two_way_loss",),
    unit="batch",
    targets="binary",
    mean_over="rows",
    latex=r"\operatorname{softplus}\Bigl(T_n\log\sum_N e^{x/T_n}+T_p\log\sum_P e^{-x/T_p}\Bigr)\text{ over rows and over columns}",
    use="Classes that should be ranked within each row, and rows within each class, at once.",
    formula="softplus(Tn·log Σ_N e^(x/Tn) + Tp·log Σ_P e^(−x/Tp)), over rows and over columns, each averaged over those with a positive",
    gradient="σ(of the same)·(softmax_N(x/Tn) − softmax_P(−x/Tp)), averaged alike",
    paper="Kobayashi, 2023, Two-way Multi-Label Loss, CVPR",
)


def two_way(
    scores: Tensor,
    targets: Tensor,
    *,
    pos_temperature: Annotated[float, Gt(0)] = 4.0,
    neg_temperature: Annotated[float, Gt(0)] = 1.0,
    way: Way = "both",
) -> Value:
    """scores, targets [N, C] -> loss [] in nats, grad [N, C]; a masked element is neither a positive nor a negative."""
    here = scores > -math.inf
    positive, negative = here & targets.ne(0.0), here & targets.eq(0.0)
    ways = [one_way(scores, positive, negative, pos_temperature, neg_temperature, dim) for dim in DIMS[way]]
    loss = ways[0].loss if len(ways) == 1 else ways[0].loss + ways[1].loss
    return Value(loss, lambda: ways[0].grad() if len(ways) == 1 else ways[0].grad() + ways[1].grad())


DIMS: dict[Way, tuple[int, ...]] = {"both": (1, 0), "sample": (1,), "class": (0,)}


def one_way(x: Tensor, positive: Tensor, negative: Tensor, pos_temperature: Number, neg_temperature: Number, dim: int) -> Value:
    """The loss along one axis, averaged over what has a positive there."""
    top_pos, more_pos, share_pos = soft_maximum(-x, positive, pos_temperature, dim)
    top_neg, more_neg, share_neg = soft_maximum(x, negative, neg_temperature, dim)
    counted = positive.type_as(x).amax(dim, keepdim=True)
    both = (top_pos + top_neg) + (more_pos + more_neg)  # the difference of two scores first: it rounds once
    margin = both.where(both > -math.inf, 0.0)
    there = counted.where(both > -math.inf, 0.0)
    by = counted.sum().clamp(min=1.0)
    sigma = logistic(margin).sigma * there / by
    return Value((softplus(margin) * there).sum() / by, lambda: sigma * (share_neg - share_pos))


def soft_maximum(x: Tensor, chosen: Tensor, temperature: Number, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """The largest of the chosen along an axis (−inf where none is), what T·log Σ e^(x/T) is more than it, and the softmax of the chosen."""
    x = x.where(chosen, -math.inf)
    top = x.amax(dim, keepdim=True)
    e = ((x - top.where(top > -math.inf, 0.0)) / temperature).exp()
    total = e.sum(dim, keepdim=True)
    some = total.where(total > 0.0, 1.0)
    return top, temperature * some.log(), e / some
