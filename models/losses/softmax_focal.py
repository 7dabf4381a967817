"""Focal loss of a softmax (Lin et al., 2017, arXiv:1708.02002, eq. 5, in the multi-class form that its sec. 3 mentions)."""

from typing import Annotated

from annotated_types import Ge

from models.contract import About, Value
from models.stable import is_zero, log_softmax, others, softmax, times
from models.tensor import Tensor
from models.vectors import NumberOrNumbers

ABOUT = About(
    aliases=(),
    unit="row",
    targets="unit",
    mean_over="rows",
    latex=r"-\sum_c w_c\,\alpha_c\,t_c\,(1-p_c)^{\gamma}\log p_c",
    use="Softmax cross-entropy where easy rows drown the others.",
    formula="−Σ w·α·t·(1−p)^γ·log p, p = softmax(x)",
    gradient="s − p·Σs, s = w·α·t·(1−p)^γ·(γ·p·log p/(1−p) − 1)",
    paper="arXiv:1708.02002",
)


def softmax_focal(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    gamma: Annotated[float, Ge(0)] = 2.0,
    alpha: NumberOrNumbers = 1.0,
) -> Value:
    """scores, targets [N, C], class_weight [C], alpha a number or [C] -> loss [N] in nats, grad [N, C].

    The labels weigh their classes' terms as they are, without normalisation: a row may hold several.
    """
    parts = softmax(scores)
    rest = others(parts.p)
    log_p = log_softmax(parts, rest)
    t = targets * alpha
    if class_weight is not None:
        t = t * class_weight
    weight = t if is_zero(gamma) else t * rest**gamma

    def grad() -> Tensor:
        ratio = log_p / rest.where(rest > 0.0, 1.0)  # bounded, where (1−p)^(γ−1) is not for γ < 1; at p = 1 it is multiplied by 0
        s = times(weight, gamma * parts.p * ratio - 1.0)
        return s * rest - parts.p * (s.sum(1, keepdim=True) - s)

    return Value(-times(weight, log_p).sum(1), grad)
