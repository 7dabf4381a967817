"""Label-distribution-aware margin loss (Cao et al., 2019, arXiv:1906.07413, sec. 3.2): rare classes get the larger margin."""

from typing import Annotated

from annotated_types import Ge, Gt

from models.contract import About, Value
from models.stable import log_softmax, lowered, others, softmax, times
from models.tensor import Tensor
from models.vectors import Positives

ABOUT = About(
    aliases=(),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"-w\log\operatorname{softmax}(s(x-m\odot t))_y,\quad m_c=\mathrm{max\_m}\,(n_c/\min n)^{-1/4}",
    use="One label a row, and rare classes: they are asked for a wider margin.",
    formula="−w·log softmax(s·(x − m·t)) at the label, m = max_m·(n / min n)^(−1/4)",
    gradient="w·s·(softmax(s·(x − m·t)) − t)",
    paper="arXiv:1906.07413",
    example={"class_counts": [600.0, 90.0, 10.0]},
)


def ldam(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    class_counts: Positives,
    max_m: Annotated[float, Ge(0)] = 0.5,
    s: Annotated[float, Gt(0)] = 30.0,
) -> Value:
    """scores, targets [N, C], class_weight, class_counts [C] -> loss [N] in nats, grad [N, C].

    The rarest class has the margin max_m, in units of the scores; s multiplies what is left of them.
    """
    margin = max_m * share_of_rarest(class_counts) ** 0.25
    parts = softmax(lowered(lowered(scores) - targets * margin) * s)
    rest = others(parts.p)
    t = targets if class_weight is None else targets * class_weight
    loss = -times(t, log_softmax(parts, rest)).sum(1)
    return Value(loss, lambda: (parts.p * t.sum(1, keepdim=True)).where(targets.eq(0.0), -t * rest) * s)


def share_of_rarest(counts: Tensor) -> Tensor:
    """min n / n of each class, [C]."""
    return -(-counts).amax(0) / counts
