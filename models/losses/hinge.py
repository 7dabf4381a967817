"""Hinge loss of each label as ±1, or its square (Cortes and Vapnik, 1995, Support-vector networks, sec. 3: the soft margin)."""

from models.contract import About, Value
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("hinge_loss",),
    unit="element",
    targets="binary",
    mean_over="elements",
    latex=r"\max(0,1-(2y-1)x)",
    use="A margin for each class by itself, and no probabilities: nothing is learnt from what is right by far.",
    formula="w·max(0, 1 − s·x), s = 2y−1, w = pos_weight·y + (1−y); squared: w·max(0, 1 − s·x)²",
    gradient="−w·s where s·x < 1, else 0; squared: −2·w·s·max(0, 1 − s·x)",
    paper="Cortes and Vapnik, 1995, Support-vector networks, Mach. Learn. 20",
)


def hinge(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    squared: bool = False,
) -> Value:
    """scores, targets [N, C], pos_weight [C] or a number -> loss [N, C], grad [N, C]; 0 at the kink."""
    sign = 2.0 * targets - 1.0
    short = (1.0 - sign * scores).clamp(min=0.0)  # of the margin
    weight = targets * pos_weight + (1.0 - targets)
    if squared:
        return Value(weight * short * short, lambda: -2.0 * weight * sign * short)
    return Value(weight * short, lambda: -weight * sign * (short > 0.0).type_as(scores))
