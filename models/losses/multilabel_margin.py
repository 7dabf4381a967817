"""Multi-label margin: every positive class should lead every negative one by 1, as torch.nn.MultiLabelMarginLoss defines it."""

import math

from models.contract import About, Value
from models.tensor import Tensor

ABOUT = About(
    aliases=("MultiLabelMarginLoss",),
    unit="row",
    targets="binary",
    mean_over="rows",
    formula="(1/C)·Σ_{j∈P, i∉P} w_j·max(0, 1 − x_j + x_i)",
    gradient="(Σ_{j∈P active} w_j)/C for a negative i, −w_j·(active negatives)/C for a positive j; 0 at the kink",
    paper="Elisseeff and Weston, 2001, A kernel method for multi-labelled classification, NIPS 14",
)


def multilabel_margin(scores: Tensor, targets: Tensor, class_weight: Tensor | None = None) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N], grad [N, C], in C log C operations a row and not in C².

    A positive j stands at x_j − 1, a negative at x_i; a pair is active where the positive lies to the left. Going along the sorted
    row, the loss is Σ gap · (weight of the positives left of the gap) · (number of negatives right of it): no term is negative, so
    nothing cancels, and no pair is ever formed.
    """
    here = (scores > -math.inf).type_as(scores)
    weight = targets if class_weight is None else targets * class_weight
    place = (scores - targets).where(scores > -math.inf, 0.0)
    order = sorted_places(place, targets)
    place, weight, negative = place.gather(1, order), weight.gather(1, order), ((1.0 - targets) * here).gather(1, order)
    left = weight.cumsum(1)  # of the positives up to here
    right = negative.sum(1, keepdim=True) - negative.cumsum(1)  # of the negatives beyond: 0 at the end, where no gap follows
    gap = place.roll(-1, 1) - place
    slope = (negative * left - weight * right) / scores.shape[1]
    return Value((gap * left * right).sum(1) / scores.shape[1], lambda: slope.scatter(1, order, slope))


def sorted_places(place: Tensor, targets: Tensor) -> Tensor:
    """[N, C] -> the order of each row, ascending; at a tie the negative comes first, for there the pair is at its kink: not active."""
    negatives_first = targets.argsort(dim=1, stable=True)
    return negatives_first.gather(1, place.gather(1, negatives_first).argsort(dim=1, stable=True))
