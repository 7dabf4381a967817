"""Poly-1 cross-entropy (Leng et al., 2022, arXiv:2204.12511, its Poly-1): the first term of cross-entropy's power series weighs 1 + ε."""

from typing import Annotated

from annotated_types import Ge

from models.contract import About, Value
from models.stable import log_softmax, others, softmax, times
from models.tensor import Tensor

ABOUT = About(
    aliases=("poly1", "poly_loss"),
    unit="row",
    targets="distribution",
    mean_over="rows",
    latex=r"\sum_c t_c\,\bigl(-\log p_c+\varepsilon(1-p_c)\bigr)",
    use="Cross-entropy with one number more to tune: how much the first step away from certainty counts.",
    formula="Σ t·(−log p + ε·(1−p)), t = w·y",
    gradient="p·Σs − s, s = t·(1 + ε·p)",
    paper="arXiv:2204.12511",
)


def poly1_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    epsilon: Annotated[float, Ge(-1)] = 1.0,
) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N] in nats, grad [N, C]; below ε = −1 a label would push its own class down."""
    parts = softmax(scores)
    p, rest = parts.p, others(parts.p)
    t = targets if class_weight is None else targets * class_weight

    def grad() -> Tensor:
        s = t * (p * epsilon + 1.0)
        return p * (s.sum(1, keepdim=True) - s) - s * rest  # p·Σs − s, with the digits of 1 − p

    return Value((t * rest * epsilon - times(t, log_softmax(parts, rest))).sum(1), grad)
