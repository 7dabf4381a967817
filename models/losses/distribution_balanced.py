"""Distribution-balanced loss (Wu et al., 2020, arXiv:2007.09654, sec. 3): weighed for labels that occur together, negatives tolerated."""

from typing import Annotated

from annotated_types import Ge, Gt

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor
from models.vectors import Positives

ABOUT = About(
    aliases=("db_loss", "ResampleLoss"),
    unit="element",
    targets="binary",
    mean_over="elements",
    latex=r"\beta\,\hat r\,u^{\gamma}\,\mathrm{BCE}(z)/k",
    use="Long-tailed multi-label data, where frequent classes come along with rare ones and negatives are far too many.",
    formula="balance_param·r̂·u^γ·BCE(z)/k, z = k·(x − init_bias/neg_scale·log(neg_counts/class_counts)), k = y + neg_scale·(1−y), "
    "r̂ = map_alpha + σ(map_beta·(r − map_gamma)), r = (1/n)/Σ_P 1/n, n = class_counts",
    gradient="balance_param·r̂·d(u^γ·BCE)/dz: y = 1: −pos_weight·(1−σ)^γ·(1−σ − γ·σ·log σ); y = 0: σ^γ·(σ − γ·(1−σ)·log(1−σ)); at z",
    paper="arXiv:2007.09654",
    example={"class_counts": [60.0, 30.0, 10.0], "neg_counts": [40.0, 70.0, 90.0]},
)


def distribution_balanced(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    class_counts: Positives,
    neg_counts: Positives,
    gamma: Annotated[float, Ge(0)] = 2.0,
    balance_param: Annotated[float, Ge(0)] = 2.0,
    init_bias: float = 0.05,
    neg_scale: Annotated[float, Gt(0)] = 2.0,
    map_alpha: Annotated[float, Ge(0)] = 0.1,
    map_beta: Annotated[float, Gt(0)] = 10.0,
    map_gamma: float = 0.2,
) -> Value:
    """scores, targets [N, C]; class_counts, neg_counts [C]: samples with and without each class -> loss [N, C] in nats, grad [N, C]."""
    positive, negative = targets * pos_weight, 1.0 - targets
    scale = targets + negative * neg_scale
    z = scale * (scores + init_bias / neg_scale * (class_counts.log() - neg_counts.log()))
    sigma, q = logistic(z)
    weight = balance_param * (map_alpha + mapped(repeated(targets, class_counts), targets, map_beta, map_gamma))
    focused = weight * (targets * q + negative * sigma) ** gamma
    cross_entropy = positive * softplus(-z) + negative * softplus(z)

    def grad() -> Tensor:
        focus = gamma * (negative * q - targets * sigma) * cross_entropy
        return focused * (focus + negative * sigma - positive * q)

    return Value(focused * cross_entropy / scale, grad)


def repeated(targets: Tensor, class_counts: Tensor) -> Tensor:
    """[N, C] -> how often a class would be drawn over how often the row is, for any of its labels; 1/n where it has none."""
    drawn = (targets / class_counts).sum(1, keepdim=True)
    return 1.0 / (class_counts * drawn.where(drawn > 0.0, 1.0))


def mapped(rate: Tensor, targets: Tensor, map_beta: Number, map_gamma: Number) -> Tensor:
    """σ(β·(r − μ)); 1 in a row without labels, which is never drawn for one: r is infinite."""
    labelled = targets.sum(1, keepdim=True) > 0.0
    return logistic(map_beta * (rate - map_gamma)).sigma.where(labelled, 1.0)
