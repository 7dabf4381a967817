"""Varifocal loss (Zhang et al., 2021, arXiv:2008.13367, eq. 2): positives weighed by their own quality, only negatives focused."""

from typing import Annotated

from annotated_types import Ge

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("vfl", "VarifocalLoss"),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"\begin{cases}v\,\mathrm{BCE}&y>0\\\alpha\,\sigma^{\gamma}\log(1+e^{x})&y=0\end{cases}",
    use="Detection where a positive's label says how good it is: positives weighed by it, negatives focused.",
    formula="y > 0: v·(pos_weight·y·softplus(−x) + (1−y)·softplus(x)), v = y, or 1 without iou_weighted; y = 0: α·σ^γ·softplus(x)",
    gradient="y > 0: v·((1−y)·σ − pos_weight·y·(1−σ)); y = 0: α·σ^γ·(γ·(1−σ)·softplus(x) + σ)",
    paper="arXiv:2008.13367",
)


def varifocal(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    alpha: Annotated[float, Ge(0)] = 0.75,
    gamma: Annotated[float, Ge(0)] = 2.0,
    iou_weighted: bool = True,
) -> Value:
    """scores, targets [N, C] (0, or the quality of a positive), pos_weight [C] or a number -> loss [N, C] in nats, grad [N, C]."""
    y, negative = targets, targets.eq(0.0)
    sigma, q = logistic(scores)
    weight = (alpha * sigma**gamma).where(negative, y if iou_weighted else 1.0)
    cross_entropy = y * pos_weight * softplus(-scores) + (1.0 - y) * softplus(scores)

    def grad() -> Tensor:
        focus = (gamma * q * cross_entropy).where(negative, 0.0)
        return weight * (focus + (1.0 - y) * sigma - y * pos_weight * q)

    return Value(weight * cross_entropy, grad)
