"""Symmetric cross-entropy (Wang et al., 2019, arXiv:1908.06112, its SL): with the reverse one, where the logarithm of 0 is A."""

from typing import Annotated

from annotated_types import Ge, Le

from models.contract import About, Value
from models.stable import log_softmax, others, softmax, times
from models.tensor import Tensor

ABOUT = About(
    aliases=("sce", "sl_loss"),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"w\,\bigl(-\alpha\log p_y-\beta A(1-p_y)\bigr)",
    use="Labels of which some are wrong: cross-entropy beside its reverse, which does not run after them.",
    formula="w·(−α·log p − β·A·(1−p)) at the label",
    gradient="w·(α − β·A·p_y)·(p − y)",
    paper="arXiv:1908.06112",
)


def symmetric_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    alpha: Annotated[float, Ge(0)] = 0.1,
    beta: Annotated[float, Ge(0)] = 1.0,
    A: Annotated[float, Le(0)] = -9.210340371976182,  # noqa: N803 - the paper's name; log 1e-4
) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N] in nats, grad [N, C]."""
    parts = softmax(scores)
    p, rest = parts.p, others(parts.p)
    t = targets if class_weight is None else targets * class_weight
    reverse = -A * beta

    def grad() -> Tensor:
        slope = (t * (p * reverse + alpha)).sum(1, keepdim=True)
        return slope * p.where(targets.eq(0.0), -rest)

    return Value((t * rest * reverse - times(t, log_softmax(parts, rest)) * alpha).sum(1), grad)
