"""Distillation: the divergence of a student's softened softmax from its teacher's (Hinton et al., 2015, arXiv:1503.02531, sec. 2)."""

import math
from typing import Annotated

from annotated_types import Gt

from models.contract import About, Value
from models.stable import softmax, times
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("kl", "knowledge_distillation"),
    unit="row",
    targets="scores",
    mean_over="rows",
    latex=r"T^2\sum_c q_c\log\frac{q_c}{p_c},\quad q=\operatorname{softmax}(z/T),\;p=\operatorname{softmax}(x/T)",
    use="A small model that learns from the scores of a larger one; mix it with a loss of the labels.",
    formula="[T²·] Σ q·(log q − log p), q = softmax(z/T) of the teacher's scores, p = softmax(x/T)",
    gradient="[T²·] (p − q)/T",
    paper="arXiv:1503.02531",
)


def distillation(
    scores: Tensor,
    targets: Tensor,
    *,
    temperature: Annotated[float, Gt(0)] = 1.0,
    scale: bool = True,
) -> Value:
    """scores and the teacher's scores [N, C] -> loss [N] in nats, grad [N, C]; with scale, both times T², as the paper has it."""
    here = scores > -math.inf
    shifted, log_total, p = softmax(scores, temperature)
    taught, log_taught, q = softmax(targets.where(here, -math.inf), temperature)
    difference = ((taught - shifted) + (log_total - log_taught)).where(here, 0.0)
    loss = times(q, difference).sum(1)
    by: Number = temperature * temperature if scale else 1.0
    per_score: Number = temperature if scale else 1.0 / temperature
    return Value(loss * by, lambda: (p - q) * per_score)
