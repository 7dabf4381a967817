"""Quality focal loss (Li et al., 2020, arXiv:2006.04388, eq. 2): cross-entropy with a quality as label, weighed by how far off it is."""

from typing import Annotated

from annotated_types import Ge

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("qfl", "QualityFocalLoss"),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"|y-\sigma|^{\beta}\,\mathrm{BCE}",
    use="Labels that say how good something is, between 0 and 1, and many zeros.",
    formula="|y−σ|^β·BCE, BCE = pos_weight·y·softplus(−x) + (1−y)·softplus(x)",
    gradient="β·|y−σ|^(β−1)·sign(σ−y)·σ(1−σ)·BCE + |y−σ|^β·BCE′",
    paper="arXiv:2006.04388",
)


def quality_focal(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    beta: Annotated[float, Ge(0)] = 2.0,
) -> Value:
    """scores, targets [N, C], pos_weight [C] or a number -> loss [N, C] in nats, grad [N, C]; grad 0 where σ is y, for any β > 0."""
    y = targets
    sigma, q = logistic(scores)
    off = (1.0 - y) * sigma - y * q  # σ − y, with the tails of both
    distance = off.abs()
    modulator = distance**beta
    cross_entropy = y * pos_weight * softplus(-scores) + (1.0 - y) * softplus(scores)

    def grad() -> Tensor:
        some = distance.where(distance > 0.0, 1.0)
        slope = beta * (sigma * q / some) * (off / some)  # the last is the sign
        return modulator * (slope * cross_entropy + (1.0 - y) * sigma - y * pos_weight * q)

    return Value(modulator * cross_entropy, grad)
