"""Log-sum-exp pairwise loss (Li et al., 2017, arXiv:1704.03135, sec. 3.1): a class should score above every class of a smaller label."""

import math

from models.contract import About, Value
from models.stable import difference, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=(),
    unit="row",
    targets="real",
    mean_over="rows",
    latex=r"\log\Bigl(1+\sum_{y_i<y_j}e^{x_i-x_j}\Bigr)",
    use="Ranking: every class with more should score above every one with less; graded labels too.",
    formula="log(1 + Σ_{y_i<y_j} e^(x_i − x_j)); 0/1 labels: log(1 + Σ_N e^x · Σ_P e^−x)",
    gradient="(Σ_{j: y_i<y_j} e^(x_i − x_j) − Σ_{j: y_j<y_i} e^(x_j − x_i)) / (1 + Σ of all pairs)",
    paper="arXiv:1704.03135",
)


def lsep(scores: Tensor, targets: Tensor) -> Value:
    """scores, targets [N, C] -> loss [N] in nats, grad [N, C], in C log C operations a row and not in C².

    The labels are grades: any numbers, of which only the order counts. A label that is not given is 0, and lies above negative ones;
    classes of equal labels are no pair, so a row of nothing else has loss 0.
    """
    here, doublings = scores > -math.inf, doublings_of(scores.shape[1])
    exponent, lost, sums = pairs(scores, targets, here, doublings)
    top = exponent.amax(1, keepdim=True).clamp(min=0.0)
    top_lost = lost.where(exponent.eq(top), -math.inf).amax(1, keepdim=True).where(top > 0.0, 0.0)
    below = sums * ((exponent - top) + (lost - top_lost)).exp()
    total = below.sum(1, keepdim=True)

    def grad() -> Tensor:
        exponent, lost, sums = pairs(-scores, -targets, here, doublings)
        above = sums * ((exponent - top) + (lost - top_lost)).exp()
        return (above - below) / (total + (-top).exp())

    return Value(softplus(total.log() + top).sum(1), grad)


def pairs(scores: Tensor, grade: Tensor, here: Tensor, doublings: int) -> tuple[Tensor, Tensor, Tensor]:
    """[N, C] -> Σ_{y_i<y_j} e^(x_i − x_j) of each class j as e^(exponent + lost) · sum, where lost is what the exponent lost by rounding.

    Masked classes come last in the order of grades; they have no pairs, as the classes of the smallest grade: their exponent is −inf.
    """
    x = scores.where(here, 0.0)
    largest, sums = lower_graded(x, grade.where(here, math.inf), doublings)
    exponent, lost = difference(largest, x)
    return exponent.where(here & (sums > 0.0), -math.inf), lost, sums


def lower_graded(x: Tensor, grade: Tensor, doublings: int) -> tuple[Tensor, Tensor]:
    """[N, C] -> the largest x among the classes of a smaller grade, and Σ e^(x − this) over them: 0 where there are none.

    Both come from a running log-sum-exp along the row sorted by grade. It is taken in steps that double, each of which adds to what
    a class has gathered what the class 1, 2, 4, … places before it has; the largest stays one of the scores, without rounding.
    """
    order = grade.argsort(dim=1, stable=True)
    top, more = x.gather(1, order), x.new_ones(x.shape)
    place = order.new_ones(order.shape).cumsum(1)
    for doubling in range(doublings):
        there = place > 2**doubling
        top_before, more_before = top.roll(2**doubling, 1).where(there, top), more.roll(2**doubling, 1).where(there, 0.0)
        larger = top_before > top
        shrunk = (-(top_before - top).abs()).exp()
        more = (more * shrunk + more_before).where(larger, more + more_before * shrunk)
        top = top_before.where(larger, top)
    first = first_of_grade(grade.gather(1, order), place)
    last_below = (first - 2).clamp(min=0)
    more = more.gather(1, last_below).where(first > 1, 0.0)
    top = top.gather(1, last_below)
    return top.scatter(1, order, top), more.scatter(1, order, more)


def first_of_grade(ordered: Tensor, place: Tensor) -> Tensor:
    """Grades in order, and places from 1, [N, C] -> the place of the first class of the same grade."""
    group = ordered.ne(ordered.roll(1, 1)).type_as(place).cumsum(1) - 1
    group = group.clamp(min=0)  # a row of one grade only
    size = place.new_zeros(place.shape).scatter_add(1, group, place.new_ones(place.shape))
    return (size.cumsum(1) - size).gather(1, group) + 1


def doublings_of(classes: Number) -> int:
    """How often 1 is to be doubled until no class lies further away; in a graph, where C is free, far more often than any row needs."""
    return (classes - 1).bit_length() if isinstance(classes, int) else 32
