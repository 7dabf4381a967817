"""Focal loss (Lin et al., 2017, arXiv:1708.02002, eq. 5), with two readings of it for soft labels."""

from typing import Annotated, Literal

from annotated_types import Ge, Interval

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("sigmoid_focal",),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"\alpha_y\,u^{\gamma}\,\mathrm{BCE},\quad u=y(1-\sigma)+(1-y)\sigma",
    use="Few positives among very many easy negatives, as in detection.",
    formula="a·u^γ·BCE, u = y(1−σ) + (1−y)σ, a = αy + (1−α)(1−y); geometric: u^γ ← (1−σ)^(γy)·σ^(γ(1−y))",
    gradient="a·[γ·u^(γ−1)·(1−2y)·σ(1−σ)·BCE + u^γ·BCE′]",
    paper="arXiv:1708.02002",
)


def focal(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    gamma: Annotated[float, Ge(0)] = 2.0,
    alpha: Annotated[float, Interval(ge=0, le=1)] | None = 0.25,
    soft: Literal["arithmetic", "geometric"] = "arithmetic",
) -> Value:
    """scores, targets [N, C], pos_weight [C] or a number -> loss [N, C] in nats, grad [N, C]."""
    y = targets
    sigma, q = logistic(scores)
    a = 1.0 if alpha is None else y * alpha + (1.0 - y) * (1.0 - alpha)
    cross_entropy = y * pos_weight * softplus(-scores) + (1.0 - y) * softplus(scores)
    if soft == "geometric":
        modulator = (-gamma * (y * softplus(scores) + (1.0 - y) * softplus(-scores))).exp()
        slope = gamma * ((1.0 - y) * q - y * sigma)
    else:
        u = y * q + (1.0 - y) * sigma
        modulator = u**gamma
        # σ(1−σ)/u stays bounded, where u^(γ−1) does not for γ < 1; its limit at u = 0 is multiplied by 0
        slope = gamma * (1.0 - 2.0 * y) * (sigma * q / u.where(u > 0.0, 1.0))

    def grad() -> Tensor:
        return a * modulator * (slope * cross_entropy + (1.0 - y) * sigma - y * pos_weight * q)

    return Value(a * modulator * cross_entropy, grad)
