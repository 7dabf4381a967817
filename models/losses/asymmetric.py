"""Asymmetric loss (Ridnik et al., 2021, arXiv:2009.14119, eq. 7): positives and negatives focused apart, easy negatives dropped."""

from typing import Annotated

from annotated_types import Ge, Interval

from models.contract import About, Value
from models.stable import is_zero, log_of, logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("asl",),
    unit="element",
    targets="real",
    mean_over="elements",
    latex=r"-w\,y\,(1-\sigma)^{\gamma_+}\log\sigma-(1-y)\,m^{\gamma_-}\log(1-m),\quad m=\max(\sigma-\mathrm{clip},0)",
    use="Many negatives, most of them easy, some perhaps unlabelled positives: they are focused harder than the positives, "
    "and dropped where they score low.",
    formula="−pos_weight·y·(1−σ)^γ₊·log σ − (1−y)·m^γ₋·log(1−m), m = max(σ − clip, 0), each log at least log eps",
    gradient="−pos_weight·y·(1−σ)^γ₊·(1−σ − γ₊·σ·log σ) + (1−y)·m^γ₋·(1/(1−m) − γ₋·log(1−m)/m)·σ(1−σ)",
    paper="arXiv:2009.14119",
)


def asymmetric(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    gamma_neg: Annotated[float, Ge(0)] = 4.0,
    gamma_pos: Annotated[float, Ge(0)] = 1.0,
    clip: Annotated[float, Interval(ge=0, lt=1)] = 0.05,
    eps: Annotated[float, Interval(ge=0, lt=1)] = 1e-8,
    detach_weight: bool = False,
) -> Value:
    """scores, targets [N, C] -> loss [N, C] in nats, grad [N, C]; with detach_weight, grad takes the focusing weights as constants."""
    sigma, q = logistic(scores)
    floor = log_of(eps)
    y = targets * pos_weight
    log_pos, slope_pos = floored(-softplus(-scores), floor)
    weight_pos = q**gamma_pos

    m = (sigma - clip).clamp(min=0.0)
    rest = q + clip  # 1 − m wherever m > 0, without cancellation
    log_rest = -softplus(scores) if is_zero(clip) else (-m).log1p().where(m < 0.5, rest.log())
    log_neg, slope_neg = floored(log_rest, floor)
    weight_neg = m**gamma_neg

    def grad() -> Tensor:
        inner_pos = q * slope_pos
        inner_neg = slope_neg if is_zero(clip) else slope_neg * (q / rest)
        if not detach_weight:
            inner_pos = inner_pos - gamma_pos * sigma * log_pos
            inner_neg = inner_neg - gamma_neg * q * (log_neg / m.where(m > 0.0, 1.0)).where(m > 0.0, -1.0)
        negative = (weight_neg * sigma * inner_neg).where(m > 0.0, 0.0)
        return (1.0 - targets) * negative - y * weight_pos * inner_pos

    return Value(-(y * weight_pos * log_pos) - (1.0 - targets) * weight_neg * log_neg, grad)


def floored(log: Tensor, floor: Number) -> tuple[Tensor, Tensor]:
    """A logarithm, not below the floor, and 1 where its slope is its own, 0 where it lies on the floor."""
    above = log > floor
    return log.where(above, floor), above.type_as(log)
