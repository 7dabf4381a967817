"""Multi-label margin: every positive class should lead every negative one by 1, as torch.nn.MultiLabelMarginLoss defines it."""

import math

from models.contract import About, Value
from models.stable import times
from models.tensor import Tensor

ABOUT = About(
    aliases=("MultiLabelMarginLoss",),
    unit="row",
    targets="binary",
    mean_over="rows",
    latex=r"\frac1C\sum_{j\in P,\,i\notin P}w_j\max(0,1-x_j+x_i)",
    use="Ranking by a margin, as torch.nn.MultiLabelMarginLoss.",
    formula="(1/C)·Σ_{j∈P, i∉P} w_j·max(0, 1 − x_j + x_i)",
    gradient="(Σ_{j∈P active} w_j)/C for a negative i, −w_j·(active negatives)/C for a positive j; 0 at the kink",
    paper="Elisseeff and Weston, 2001, A kernel method for multi-labelled classification, NIPS 14",
)


def multilabel_margin(scores: Tensor, targets: Tensor, class_weight: Tensor | None = None) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N], grad [N, C], in C log C operations a row and not in C².

    A positive j stands at x_j − 1, a negative at x_i; a pair is active where the positive lies to the left. Going along the sorted
    row, the loss is Σ gap · (weight of the positives left of the gap) · (number of negatives right of it): no term is negative, so
    nothing cancels, and no pair is ever formed. A gap is the difference of two scores, less 1 or 0: x_j − 1 itself would round.
    """
    here = (scores > -math.inf).type_as(scores)
    x = scores.where(scores > -math.inf, 0.0)
    order = by_place(x, targets)
    x, y, here = x.gather(1, order), targets.gather(1, order), here.gather(1, order)
    weight = y if class_weight is None else y * class_weight.take(order)
    negative = (1.0 - y) * here
    left = weight.cumsum(1)  # of the positives up to here
    right = negative.sum(1, keepdim=True) - negative.cumsum(1)  # of the negatives beyond: 0 at the end, where no gap follows
    gap = ((x.roll(-1, 1) - x) - (y.roll(-1, 1) - y)).clamp(min=0.0)
    slope = (negative * left - weight * right) / scores.shape[1]
    return Value(times(left * right, gap).sum(1) / scores.shape[1], lambda: slope.scatter(1, order, slope))


def by_place(x: Tensor, targets: Tensor) -> Tensor:
    """[N, C] -> the order of x − targets in each row, ascending, as if it were not rounded.

    Where rounded places are equal, a positive whose place was rounded up comes first, then the negatives, then the other positives: a
    positive just at a negative is at the kink of their pair, and not active.
    """
    place = x - targets
    back = place - x
    lost = (x - (place - back)) - (targets + back)  # what rounding took from the place, exactly (Knuth's two-sum)
    first = targets.where(lost >= 0.0, -targets).argsort(dim=1, stable=True)
    return first.gather(1, place.gather(1, first).argsort(dim=1, stable=True))
