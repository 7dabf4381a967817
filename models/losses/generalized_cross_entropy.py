"""Generalized cross-entropy (Zhang and Sabuncu, 2018, arXiv:1805.07836, sec. 3.2; `k` truncates it): between cross-entropy and 1 − p."""

from typing import Annotated

from annotated_types import Interval

from models.contract import About, Value
from models.stable import log_of, log_softmax, others, softmax, times
from models.tensor import Tensor

ABOUT = About(
    aliases=("gce", "lq_loss"),
    unit="row",
    targets="single",
    mean_over="rows",
    latex=r"w\,\frac{1-p_y^{\,q}}{q}",
    use="Labels of which some are wrong: between cross-entropy (q → 0) and the mean absolute error (q = 1).",
    formula="w·(1 − p^q)/q at the label; with k, p is at least k",
    gradient="w·p_y^q·(p − y); 0 where p_y ≤ k",
    paper="arXiv:1805.07836",
)


def generalized_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    q: Annotated[float, Interval(gt=0, le=1)] = 0.7,
    k: Annotated[float, Interval(gt=0, lt=1)] | None = None,
) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N], grad [N, C]; q → 0 is cross-entropy, q = 1 is 1 − p."""
    parts = softmax(scores)
    rest = others(parts.p)
    t = targets if class_weight is None else targets * class_weight
    weight = t.sum(1, keepdim=True)
    log_p = times(targets, log_softmax(parts, rest)).sum(1, keepdim=True)
    slope = weight * (log_p * q).exp()
    if k is not None:
        above = (targets * parts.p).sum(1, keepdim=True) > k
        log_p, slope = log_p.where(above, log_of(k)), slope.where(above, 0.0)
    loss = weight * (log_p * q).expm1() / -q
    return Value(loss.sum(1), lambda: slope * parts.p.where(targets.eq(0.0), -rest))
