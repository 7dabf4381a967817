"""Zero-bounded log-sum-exp and pairwise rank-based loss (Su et al., 2022, arXiv:2208.02955, eq. 8)."""

import math

from models.contract import About, Value
from models.stable import softplus
from models.tensor import Tensor

ABOUT = About(
    aliases=("multilabel_categorical_crossentropy",),
    unit="row",
    targets="unit",
    mean_over="rows",
    latex=r"\log\Bigl(1+\sum_N e^{x}\Bigr)+\log\Bigl(1+\sum_P e^{-x}\Bigr)",
    use="Several labels a row without a threshold to tune: positives above 0, negatives below, whatever their number.",
    formula="log(1 + Σ w(1−y)·e^x) + log(1 + Σ w·y·e^−x)",
    gradient="w(1−y)·e^x / (1 + Σ w(1−y)·e^x) − w·y·e^−x / (1 + Σ w·y·e^−x)",
    paper="arXiv:2208.02955",
)


def zlpr(scores: Tensor, targets: Tensor, class_weight: Tensor | None = None) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N] in nats, grad [N, C]; soft targets weigh the terms."""
    positive, negative = targets, 1.0 - targets
    if class_weight is not None:
        positive, negative = positive * class_weight, negative * class_weight
    loss_pos, share_pos = log1p_sum_exp(-scores, positive)
    loss_neg, share_neg = log1p_sum_exp(scores, negative)
    return Value(loss_neg + loss_pos, lambda: share_neg - share_pos)


def log1p_sum_exp(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """x, weight [N, C] -> log(1 + Σ weight·e^x) [N] and its derivative [N, C]; a term of weight 0 is not there."""
    x = x.where(weight > 0.0, -math.inf)
    top = x.amax(1, keepdim=True).clamp(min=0.0)
    terms = weight * (x - top).exp()
    total = terms.sum(1, keepdim=True)
    return softplus(total.log() + top).sum(1), terms / (total + (-top).exp())
