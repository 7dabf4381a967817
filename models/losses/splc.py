"""Self-paced loss correction (Zhang et al., 2021, arXiv:2112.07368, sec. 3): a negative that scores above τ counts as positive."""

from typing import Annotated

from annotated_types import Ge, Interval

from models.contract import About, Value
from models.stable import log_of, logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("self_paced_loss_correction",),
    unit="element",
    targets="binary",
    mean_over="elements",
    latex=r"u^{\gamma}\,\mathrm{BCE}(x-\mathrm{margin}\cdot y,\,t),\quad t=1\text{ where }y=1\text{ or }\sigma>\tau",
    use="Positives that were not labelled, after some epochs: what scores above τ is taken for one.",
    formula="u^γ·BCE at z = x − margin·y with the label t: 1 where y = 1 or σ(x) > τ, else 0; u = t·(1−σ(z)) + (1−t)·σ(z)",
    gradient="t = 1: −pos_weight·(1−σ)^γ·(1−σ − γ·σ·log σ); t = 0: σ^γ·(σ − γ·(1−σ)·log(1−σ)); both at z",
    paper="arXiv:2112.07368",
)


def splc(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    tau: Annotated[float, Interval(ge=0, le=1)] = 0.6,
    margin: Annotated[float, Ge(0)] = 1.0,
    gamma: Annotated[float, Ge(0)] = 2.0,
    active: bool = True,
) -> Value:
    """scores, targets [N, C] -> loss [N, C] in nats, grad [N, C]; active once the scores are to be trusted: after the first epoch."""
    labels = targets
    if active:
        beyond = scores > log_of(tau) - log_of(1.0 - tau)  # σ(x) > τ, in the tails too
        labels = targets.new_ones(targets.shape).where(beyond, targets)
    positive, negative = labels * pos_weight, 1.0 - labels
    z = scores - margin * targets
    sigma, q = logistic(z)
    modulator = (labels * q + negative * sigma) ** gamma
    cross_entropy = positive * softplus(-z) + negative * softplus(z)

    def grad() -> Tensor:
        focus = gamma * (negative * q - labels * sigma) * cross_entropy
        return modulator * (focus + negative * sigma - positive * q)

    return Value(modulator * cross_entropy, grad)
