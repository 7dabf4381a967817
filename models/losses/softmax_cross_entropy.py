"""Softmax cross-entropy over real-valued multi-label targets (Mahajan et al., 2018, arXiv:1805.00932, sec. 2)."""

import math
from typing import Annotated, Any, Literal

from annotated_types import Gt, Interval

from models.contract import About, Value
from models.stable import cooled, is_zero, softmax, times
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("softmax", "SoftmaxWithLoss", "CrossEntropyLoss", "multilabel_softmax"),
    unit="row",
    targets="real",
    mean_over="rows",
    class_weighted_mean=True,
    latex=r"-\sum_c t_c\log p_c,\quad p=\operatorname{softmax}(x/T)",
    use="Classes that share one unit of probability: one label a row, or several that count 1/k each (hashtags, tags of pictures).",
    formula="−Σ t·log p, p = softmax(x / temperature), t = w·((1−ε)·y/k + ε/C)",
    gradient="(T·p − t) / temperature, T = Σt",
    paper="arXiv:1805.00932",
)

Normalize = Literal["count", "sum", "none"]


def softmax_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    class_weight: Tensor | None = None,
    *,
    normalize: Normalize = "count",
    label_smoothing: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    temperature: Annotated[float, Gt(0)] = 1.0,
) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N] in nats, grad [N, C] = d(sum of loss) / d(scores)."""
    shifted, log_total, p = softmax(scores, temperature)
    t = normalized(targets, normalize) * (1.0 - label_smoothing)
    if not is_zero(label_smoothing):
        t = t + smoothed(scores, targets, label_smoothing)
    if class_weight is not None:
        t = t * class_weight
    mass = t.sum(1, keepdim=True)
    return Value(-times(t, shifted - log_total).sum(1), lambda: cooled(p * mass - t, temperature))


def sparse(
    scores: Tensor,
    labels: Tensor,
    label_weights: Tensor,
    class_weight: Tensor | None = None,
    *,
    normalize: Normalize,
    label_smoothing: Number,
    temperature: Number,
) -> Value:
    """The same from labels [N, K], each row's indices, and their weights [N, K], 0 where a row has fewer than K."""
    shifted, log_total, p = softmax(scores, temperature)
    t = normalized(label_weights, normalize) * (1.0 - label_smoothing)
    if class_weight is not None:
        t = t * class_weight.take(labels)
    loss = -times(t, shifted.gather(1, labels) - log_total).sum(1)
    mass = t.sum(1, keepdim=True)
    if is_zero(label_smoothing):
        return Value(loss, lambda: cooled((p * mass).scatter_add(1, labels, -t), temperature))
    rest = smoothed(scores, label_weights, label_smoothing)
    if class_weight is not None:
        rest = rest * class_weight
    total = mass + rest.sum(1, keepdim=True)
    loss = loss - times(rest, shifted - log_total).sum(1)
    return Value(loss, lambda: cooled((p * total - rest).scatter_add(1, labels, -t), temperature))


def undefined_rows(counts: Any, sums: Any, rounding: Any, *, normalize: Normalize, **_: object) -> tuple[Any, str]:
    """Number of labels, their sum and what it may be off by, [N] each -> [N] True where the loss has no value, and why."""
    return (counts > 0) & (abs(sums) <= rounding) & (normalize == "sum"), "the labels add up to 0: normalize 'sum' cannot divide by it"


def normalized(labels: Tensor, normalize: Normalize) -> Tensor:
    """Labels of a row, all classes or only those named -> their share; a row without labels stays 0."""
    if normalize == "none":
        return labels
    counted = labels if normalize == "sum" else labels.ne(0.0).type_as(labels)
    total = counted.sum(1, keepdim=True)
    return labels / total.where(total.ne(0.0), 1.0)


def smoothed(scores: Tensor, labels: Tensor, label_smoothing: Number) -> Tensor:
    """ε/C for every class that is not masked, [N, C], in the rows that have a label."""
    here = (scores > -math.inf).type_as(scores)
    labelled = (labels.ne(0.0).sum(1, keepdim=True) > 0).type_as(scores)
    return here * (labelled * (label_smoothing / scores.shape[1]))
