"""Softmax cross-entropy of scores adjusted by how frequent the classes are (Menon et al., 2021, arXiv:2007.07314, eq. 10)."""

from models.contract import About, Value
from models.stable import lowered, softmax, times
from models.tensor import Tensor
from models.vectors import Positives

ABOUT = About(
    aliases=("balanced_softmax", "logit_adjustment"),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"-w\log\operatorname{softmax}(x+\tau\log\pi)_y",
    use="One label a row, and a test set whose classes are more even than the training set's.",
    formula="−w·log softmax(x + τ·log π) at the label",
    gradient="w·(softmax(x + τ·log π) − t)",
    paper="arXiv:2007.07314; τ = 1 with counts: Ren et al., 2020, arXiv:2007.10740",
    example={"prior": [60.0, 30.0, 10.0]},
)


def logit_adjusted_softmax(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    prior: Positives,
    tau: float = 1.0,
) -> Value:
    """scores, targets [N, C], class_weight [C], prior [C] (counts or probabilities) -> loss [N] in nats, grad [N, C]."""
    shifted, log_total, p = softmax(lowered(scores) + tau * log_of_share(prior))
    t = targets if class_weight is None else targets * class_weight
    return Value(-times(t, shifted - log_total).sum(1), lambda: p * t.sum(1, keepdim=True) - t)


def log_of_share(prior: Tensor) -> Tensor:
    """log of each class's share of the largest: a constant added to every score changes nothing."""
    return prior.log() - prior.log().amax(0)
