"""The oracle of last digits: each loss written literally from its equation, in 400 decimal digits.

Nothing here is clever. mpmath's exponent has no bound, so e^x is e^x at any score, and 400 digits leave room for
1 + e^-700. The gradient is a central difference of that same forward, never a formula: at a step of 1e-40 its
truncation error is near 1e-80 relative and its rounding error near 1e-356 absolute, so even the smallest double comes
back right. That costs about a tenth of a millisecond an exponential, and C² of them a row: keep C near ten.

Sources, by way of the design's table of core losses: Mahajan 2018 arXiv:1805.00932 (multi-label softmax), Lin 2017
arXiv:1708.02002 (focal), Ridnik 2021 arXiv:2009.14119 (asymmetric), Su 2022 arXiv:2208.02955 (ZLPR).

Kinks. Three things are piecewise: the margin's max(0, .), the asymmetric loss's clip and its floor eps. Which piece
holds is decided once, at the undisturbed scores (`at`), and a score exactly on a kink belongs to the flat side: its
derivative is 0. The differences therefore never straddle a kink, where they would give half a slope. The same `at`
carries `detach_weight`: a detached weight is evaluated there, and stays what it is while the scores are disturbed.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from mpmath import exp, log, mp, mpf  # type: ignore[import-untyped]
from numpy.typing import ArrayLike, NDArray

DIGITS = 400
STEP_EXPONENT = -40  # the step is 10^-40

Number = Any  # an mpmath.mpf; mpmath has no types
Vector = Sequence[Number]


@dataclass(frozen=True)
class Row:
    """What a row loss sees beside the scores: labels and weights of the classes that are not masked, and C itself."""

    targets: Vector
    weights: Vector
    columns: int
    classes: Sequence[int] = ()  # those that are not masked: what a parameter of one number a class is looked up at


def sigmoid(x: Number) -> Number:
    """σ(x); the table's q = 1 - σ(x) is sigmoid(-x), so that no digit of a tail is lost."""
    return 1 / (1 + exp(-x))


def cross_entropy(x: Number, y: Number, pos_weight: Number) -> Number:
    """pos_weight y softplus(-x) + (1-y) softplus(x): the element that four of the losses share."""
    return pos_weight * y * log(1 + exp(-x)) + (1 - y) * log(1 + exp(x))


# Row losses: (x, at, row) -> loss of the row; x the scores as disturbed, at the undisturbed ones.


def normalised(targets: Vector, normalize: str) -> Vector:
    """The labels' share of the loss: y/k, y/Σy or y. Called for rows with labels only."""
    divisor = {"count": sum(1 for y in targets if y != 0), "sum": sum(targets), "none": 1}[normalize]
    return [y / divisor for y in targets]


def softmax_cross_entropy(
    x: Vector, at: Vector, row: Row, *, normalize: str = "count", label_smoothing: Number = 0, temperature: Number = 1
) -> Number:
    """-Σ w t log p, p = softmax(x/temperature); a row without labels has loss 0, smoothing or not."""
    if all(y == 0 for y in row.targets):
        return mpf(0)
    t = [(1 - label_smoothing) * t + label_smoothing / row.columns for t in normalised(row.targets, normalize)]
    powers = [exp(value / temperature) for value in x]
    total = sum(powers)
    return -sum(w * t_c * log(power / total) for w, t_c, power in zip(row.weights, t, powers, strict=True))


def zlpr(x: Vector, at: Vector, row: Row) -> Number:
    """log(1 + Σ w(1-y)e^x) + log(1 + Σ w y e^-x); with 0/1 labels the sums are those over N and over P."""
    terms = list(zip(x, row.targets, row.weights, strict=True))
    negatives = sum(w * (1 - y) * exp(value) for value, y, w in terms)
    positives = sum(w * y * exp(-value) for value, y, w in terms)
    return log(1 + negatives) + log(1 + positives)


def multilabel_soft_margin(x: Vector, at: Vector, row: Row) -> Number:
    """Binary cross-entropy averaged over all C columns, masked ones included in C."""
    terms = zip(x, row.targets, row.weights, strict=True)
    return sum(w * cross_entropy(value, y, 1) for value, y, w in terms) / row.columns


def multilabel_margin(x: Vector, at: Vector, row: Row) -> Number:
    """(1/C) Σ_{j in P, i not in P} w_j max(0, 1 - x_j + x_i); at a difference of exactly 1 a pair is idle."""
    positives = [j for j, y in enumerate(row.targets) if y != 0]
    negatives = [i for i, y in enumerate(row.targets) if y == 0]
    active = [(j, i) for j in positives for i in negatives if 1 - at[j] + at[i] > 0]
    return sum(row.weights[j] * (1 - x[j] + x[i]) for j, i in active) / row.columns


# Element losses: (x, at, y, pos_weight) -> loss of the element, before its class weight.


def binary_cross_entropy(x: Number, at: Number, y: Number, pos_weight: Number, *, label_smoothing: Number = 0) -> Number:
    """Cross-entropy with the label y(1-ε) + ε/2."""
    return cross_entropy(x, y * (1 - label_smoothing) + label_smoothing / mpf(2), pos_weight)


def focal(
    x: Number,
    at: Number,
    y: Number,
    pos_weight: Number,
    *,
    gamma: Number = 2,
    alpha: Number | None = 0.25,
    soft: str = "arithmetic",
) -> Number:
    """a u^γ BCE, u = y q + (1-y)σ, a = αy + (1-α)(1-y); `geometric` replaces u^γ by q^(γy) σ^(γ(1-y))."""
    balance = mpf(1) if alpha is None else mpf(alpha) * y + (1 - mpf(alpha)) * (1 - y)
    q, sigma = sigmoid(-x), sigmoid(x)
    modulators = {
        "arithmetic": (y * q + (1 - y) * sigma) ** gamma,
        "geometric": q ** (gamma * y) * sigma ** (gamma * (1 - y)),
    }
    return balance * modulators[soft] * cross_entropy(x, y, pos_weight)


def asymmetric(
    x: Number,
    at: Number,
    y: Number,
    pos_weight: Number,
    *,
    gamma_neg: Number = 4,
    gamma_pos: Number = 1,
    clip: Number = 0.05,
    eps: Number = 1e-8,
    detach_weight: bool = False,
) -> Number:
    """-y q^γ₊ log max(σ, eps) - (1-y) m^γ₋ log max(1-m, eps), m = max(σ - clip, 0), 1-m = min(1 - σ + clip, 1)."""
    clip, eps = mpf(clip), mpf(eps)
    beyond = sigmoid(at) > clip  # on the kink itself the negative is off

    def shifted(score: Number) -> Number:
        return sigmoid(score) - clip if beyond else mpf(0)

    def rest(score: Number) -> Number:
        return sigmoid(-score) + clip if beyond else mpf(1)

    weighed = at if detach_weight else x
    positive = sigmoid(-weighed) ** gamma_pos * (log(sigmoid(x)) if sigmoid(at) > eps else log(eps))
    negative = shifted(weighed) ** gamma_neg * (log(rest(x)) if rest(at) > eps else log(eps))
    return -pos_weight * y * positive - (1 - y) * negative


ROW: dict[str, Callable[..., Number]] = {
    loss.__name__: loss for loss in (softmax_cross_entropy, zlpr, multilabel_soft_margin, multilabel_margin)
}
ELEMENT: dict[str, Callable[..., Number]] = {loss.__name__: loss for loss in (binary_cross_entropy, focal, asymmetric)}
BATCH: dict[str, Callable[..., Number]] = {}  # (x, at, targets, **params), each a list of rows; what is masked is None


def exact(
    name: str,
    scores: ArrayLike,
    targets: ArrayLike,
    *,
    class_weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    **params: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """scores, targets [N, C] as given by the caller -> unreduced loss [N] or [N, C], grad [N, C] of its sum; float64.

    Every input is the binary double it is, not the decimal it was written as. Masked (mask 0, or a score of -inf) is
    absent. class_weight [C] and pos_weight ([C] or a number, element losses only) as in docs/semantics.md.
    """
    if name not in ELEMENT and pos_weight is not None:
        raise ValueError(f"pos_weight belongs to element losses; {name} is none")
    x, y = np.array(scores, dtype=np.float64), np.array(targets, dtype=np.float64)
    kept = np.isfinite(x) if mask is None else np.isfinite(x) & np.asarray(mask, dtype=bool)
    weights = np.broadcast_to(np.asarray(1.0 if class_weight is None else class_weight, dtype=np.float64), x.shape)
    positive_weights = np.broadcast_to(np.asarray(1.0 if pos_weight is None else pos_weight, dtype=np.float64), x.shape)
    with mp.workdps(DIGITS):
        params = {key: binary_exact(value) for key, value in params.items()}
        if name in ROW:
            return over_rows(ROW[name], x, y, kept, weights, params)
        if name in BATCH:
            return over_batch(BATCH[name], x, y, kept, params)
        return over_elements(ELEMENT[name], x, y, kept, weights, positive_weights, params)


def binary_exact(value: Any) -> Any:
    """A number as the mpf of its double; True, None and words as they are."""
    if isinstance(value, list):
        return mpfs(value)
    return value if value is None or isinstance(value, bool | str) else mpf(float(value))


def over_rows(
    loss: Callable[..., Number],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kept: NDArray[np.bool_],
    weights: NDArray[np.float64],
    params: dict[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each row by itself, its masked classes taken out -> loss [N], grad [N, C]."""
    values, grad = np.zeros(len(x)), np.zeros(x.shape)
    for n, classes in enumerate(map(np.flatnonzero, kept)):
        at = mpfs(x[n, classes])
        row = Row(mpfs(y[n, classes]), mpfs(weights[n, classes]), x.shape[1], [int(c) for c in classes])
        values[n] = float(loss(at, at, row, **params))
        for place, c in enumerate(classes):
            grad[n, c] = slope(partial(loss, at=at, row=row, **params), at, place)
    return values, grad


def over_batch(
    loss: Callable[..., Number], x: NDArray[np.float64], y: NDArray[np.float64], kept: NDArray[np.bool_], params: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The whole batch at once -> loss [], grad [N, C]."""
    places = [(int(n), int(c)) for n, c in np.argwhere(kept)]
    labels = [[mpf(float(each)) for each in row] for row in y]

    def rows(values: Vector) -> list[list[Number | None]]:
        found: list[list[Number | None]] = [[None] * x.shape[1] for _ in x]
        for (n, c), value in zip(places, values, strict=True):
            found[n][c] = value
        return found

    at = mpfs([x[place] for place in places])

    def forward(moved: Vector) -> Number:
        return loss(rows(moved), rows(at), labels, **params)

    grad = np.zeros(x.shape)
    for i, place in enumerate(places):
        grad[place] = slope(forward, at, i)
    return np.asarray(float(forward(at))), grad


def over_elements(
    loss: Callable[..., Number],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kept: NDArray[np.bool_],
    weights: NDArray[np.float64],
    positive_weights: NDArray[np.float64],
    params: dict[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each element that is not masked by itself, or with its row's labels if the loss asks for `row` -> loss [N, C], grad [N, C]."""
    values, grad = np.zeros(x.shape), np.zeros(x.shape)
    of_row = "row" in inspect.signature(loss).parameters
    for n, c in np.argwhere(kept):
        at, label, weight, positive_weight = mpfs([x[n, c], y[n, c], weights[n, c], positive_weights[n, c]])

        of_class = {key: each[c] if isinstance(each, list) else each for key, each in params.items()}
        if of_row:  # and for the numbers of all classes, and for which of them is its own
            classes = [int(each) for each in np.flatnonzero(kept[n])]
            row = Row(mpfs(y[n, classes]), mpfs(weights[n, classes]), x.shape[1], classes)
            of_class = {**params, "row": row, "place": int(c)}

        def element(
            moved: Vector, at: Any = at, y: Any = label, w: Any = weight, pos: Any = positive_weight, own: Any = of_class
        ) -> Number:
            return w * loss(moved[0], at, y, pos, **own)

        values[n, c] = float(element([at]))
        grad[n, c] = slope(element, [at], 0)
    return values, grad


def mpfs(numbers: Any) -> list[Number]:
    """Doubles as they are, digit for digit."""
    return [mpf(float(number)) for number in numbers]


def slope(forward: Callable[[Vector], Number], at: Vector, place: int) -> float:
    """The central difference of forward in one of its scores, rounded once to a double."""
    step = mpf(10) ** STEP_EXPONENT

    def moved(distance: Number) -> Number:
        return forward([x + distance if i == place else x for i, x in enumerate(at)])

    return float((moved(step) - moved(-step)) / (2 * step))
