"""Marginal softmax: the likelihood that the class is one of several candidates (Jin and Ghahramani, 2002, NIPS 15)."""

import math

from models.contract import About, Value
from models.stable import logistic, softmax, softplus
from models.tensor import Tensor

ABOUT = About(
    aliases=("partial_label", "maximum_marginal_likelihood"),
    unit="row",
    targets="binary",
    mean_over="rows",
    latex=r"-\log\sum_{c\in P}p_c",
    use="Several candidates of which one is right, and nobody knows which.",
    formula="−log Σ_P p = softplus(log Σ_N e^x − log Σ_P e^x)",
    gradient="p − softmax_P(x) = (1 − Σ_P p)·(softmax_N(x) − softmax_P(x))",
    paper="Jin and Ghahramani, 2002, Learning with Multiple Labels, NIPS",
)


def marginal_softmax(scores: Tensor, targets: Tensor) -> Value:
    """scores, targets [N, C], the positives of a row its candidates (none or all: loss 0) -> loss [N] in nats, grad [N, C]."""
    pos = scores.where(targets.ne(0.0), -math.inf)
    neg = scores.where(targets.eq(0.0), -math.inf)
    top_pos, top_neg = pos.amax(1, keepdim=True), neg.amax(1, keepdim=True)
    in_pos, in_neg = softmax(pos), softmax(neg)
    there = (top_pos > -math.inf) & (top_neg > -math.inf)
    margin = ((top_neg - top_pos) + (in_neg.log_total - in_pos.log_total)).where(there, 0.0)  # the scores first: it rounds once
    missed = logistic(margin).sigma.where(there, 0.0)
    return Value(softplus(margin).where(there, 0.0).sum(1), lambda: missed * (in_neg.p - in_pos.p))
