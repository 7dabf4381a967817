"""Multi-class margin (Weston and Watkins, 1999): the label should lead every other class, as torch.nn.MultiMarginLoss defines it."""

import math
from typing import Literal

from models.contract import About, Value
from models.stable import difference, times
from models.tensor import Tensor

ABOUT = About(
    aliases=("MultiMarginLoss",),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"\frac{w_y}{C}\sum_{i\ne y}\max(0,\mathrm{margin}-x_y+x_i)^p",
    use="One label a row, as torch.nn.MultiMarginLoss; support vector machines' loss.",
    formula="(w_y/C)·Σ_{i≠y} max(0, margin − x_y + x_i)^p",
    gradient="(w_y/C)·p·max(0, margin − x_y + x_i)^(p−1) for another class i, less their sum for the label; 0 at the kink",
    paper="Weston and Watkins, 1999, Support vector machines for multi-class pattern recognition, ESANN",
)


def multi_margin(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N], grad [N, C]; the weight is the label's, and multiplies the power."""
    weight = (targets if class_weight is None else targets * class_weight).sum(1, keepdim=True) / scores.shape[1]
    label = times(targets, scores).sum(1, keepdim=True)
    rivals = (scores > -math.inf) & targets.eq(0.0) & (weight > 0.0)
    lead, lost = difference(scores.where(rivals, 0.0), label)
    gap = ((lead + margin) + lost).clamp(min=0.0).where(rivals, 0.0)  # with the sign it has before rounding: 0 only at the kink itself

    def grad() -> Tensor:
        slope = weight * (gap * 2.0 if p == 2 else (gap > 0.0).type_as(gap))
        return slope - targets * slope.sum(1, keepdim=True)

    return Value((weight * (gap * gap if p == 2 else gap)).sum(1), grad)
