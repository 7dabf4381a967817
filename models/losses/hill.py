"""Hill loss (Zhang et al., 2021, arXiv:2112.07368, sec. 3): negatives that score high are taken for missing labels, and pushed less."""

from typing import Annotated

from annotated_types import Ge

from models.contract import About, Value
from models.stable import is_zero, logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("hill_loss",),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"-y\,(1-\sigma(x-\mathrm{m}))^{\gamma}\log\sigma(x-\mathrm{m})+(1-y)(\lambda-\sigma)\,\sigma^2",
    use="Positives that were not labelled: a negative that scores very high is taken for one, and pushed less.",
    formula="−pos_weight·y·(1−σ(x−margin))^γ·log σ(x−margin) + (1−y)·(λ−σ)·σ²",
    gradient="−pos_weight·y·q^γ·(q − γ·σ·log σ) at x−margin + (1−y)·(2λ−3σ)·σ²·(1−σ)",
    paper="arXiv:2112.07368",
)


def hill(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    lamb: float = 1.5,
    margin: Annotated[float, Ge(0)] = 1.0,
    gamma: Annotated[float, Ge(0)] = 2.0,
) -> Value:
    """scores, targets [N, C] -> loss [N, C], grad [N, C]."""
    sigma, rest = logistic(scores)
    shifted = scores - margin
    sigma_pos, q = logistic(shifted)
    weight = targets * pos_weight * (1.0 if is_zero(gamma) else q**gamma)
    log_pos = -softplus(-shifted)

    def grad() -> Tensor:
        positive = weight * (q - gamma * sigma_pos * log_pos)
        return (1.0 - targets) * (2.0 * lamb - 3.0 + 3.0 * rest) * sigma * sigma * rest - positive  # 2λ − 3σ, with the digits of 1 − σ

    return Value((1.0 - targets) * (lamb - sigma) * sigma * sigma - weight * log_pos, grad)
