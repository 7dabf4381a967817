"""Asymmetric loss for single labels (Ridnik et al., 2021, arXiv:2009.14119, eq. 4), with a softmax, as its authors publish it."""

import math
from typing import Annotated

from annotated_types import Ge, Interval

from models.contract import About, Value
from models.stable import log_softmax, others, softmax
from models.tensor import Tensor

ABOUT = About(
    aliases=("ASLSingleLabel",),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"-\sum_c t_c\,f_c\log p_c,\quad f_c=(1-p_c)^{\gamma_+}\text{ of the label, }p_c^{\gamma_-}\text{ of the others}",
    use="One label a row, smoothed: the smoothing's pull on the other classes is focused where they are wrong.",
    formula="−Σ t·f·log p, p = softmax(x), f = (1−p)^γ₊ of the label and p^γ₋ of the others, t = (1−ε)·y + ε/C",
    gradient="s − p·Σs, s = t·f·(γ₊·p·log p/(1−p) − 1) of the label and −t·f·(γ₋·log p + 1) of the others",
    paper="arXiv:2009.14119",
)


def asymmetric_softmax(
    scores: Tensor,
    targets: Tensor,
    *,
    gamma_pos: Annotated[float, Ge(0)] = 0.0,
    gamma_neg: Annotated[float, Ge(0)] = 4.0,
    label_smoothing: Annotated[float, Interval(ge=0, le=1)] = 0.1,
) -> Value:
    """scores, targets [N, C] -> loss [N] in nats, grad [N, C] through the focusing weights too.

    The label itself decides which class is focused how; only then is it smoothed. Without smoothing the other classes have no term.
    """
    here = scores > -math.inf
    label = targets > 0.0
    parts = softmax(scores)
    rest = others(parts.p)
    log_p = log_softmax(parts, rest).where(here, 0.0)
    t = targets * (1.0 - label_smoothing) + targets.sum(1, keepdim=True) * (label_smoothing / scores.shape[1])
    weight = (t * (rest**gamma_pos).where(label, (gamma_neg * log_p).exp())).where(here, 0.0)

    def grad() -> Tensor:
        ratio = log_p / rest.where(rest > 0.0, 1.0)  # bounded, where (1−p)^(γ−1) is not for γ < 1; at p = 1 it is multiplied by 0
        s = weight * ((gamma_pos * parts.p * ratio).where(label, -gamma_neg * log_p) - 1.0)
        own, rivals = ((s * y).sum(1, keepdim=True) for y in (targets, 1.0 - targets))
        beside = rivals + (1.0 - targets) * (own - s)  # what every class has beside it: Σs − s without the label's cancellation
        return s * rest - parts.p * beside

    return Value(-(weight * log_p).sum(1), grad)
