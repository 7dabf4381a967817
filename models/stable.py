"""The pieces that equations share, in the form that keeps every digit at ±1e4 and beyond.

1 − σ is never formed by subtraction, no exponential of a positive number is taken, and 0 · (−inf) is 0. Only operations that ONNX
Runtime computes exactly in both precisions are used: its float32 Sigmoid is 17% off at −15 and 0 below −18, and it has no float64
Softplus.
"""

import math
from typing import NamedTuple

from models.tensor import Number, Tensor

NEAR_ONE = 0.75  # from here on 1 − p would lose more than two bits; only one class of a row can be this probable


class Logistic(NamedTuple):
    """σ(x) and q = σ(−x) = 1 − σ(x), both to the last digit."""

    sigma: Tensor
    q: Tensor


def logistic(x: Tensor) -> Logistic:
    """Any shape -> σ(x) and 1 − σ(x)."""
    u = (-x.abs()).exp()
    v = u + 1.0
    return Logistic(u.where(x < 0.0, 1.0) / v, u.where(x >= 0.0, 1.0) / v)


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), without a linear cut-off."""
    return x.clamp(min=0.0) + (-x.abs()).exp().log1p()


def times(weight: Tensor, value: Tensor) -> Tensor:
    """weight · value, and 0 where the weight is 0 even if the value is infinite."""
    return (weight * value).where(weight.ne(0.0), 0.0)


class Softmax(NamedTuple):
    """log softmax is shifted − log_total; p is the softmax."""

    shifted: Tensor
    log_total: Tensor
    p: Tensor


def softmax(x: Tensor, temperature: Number = 1.0) -> Softmax:
    """[N, C] -> shifted [N, C], log_total [N, 1], p [N, C] of x / temperature.

    A class at −inf has p = 0, also in a row that holds nothing else. The division comes after the subtraction: before it, it would
    round large scores, and the difference would be off by as much.
    """
    shifted = cooled(lowered(x), temperature)
    e = shifted.exp()
    total = e.sum(1, keepdim=True)
    total = total.where(total > 0.0, 1.0)
    return Softmax(shifted, total.log(), e / total)


def others(p: Tensor) -> Tensor:
    """[N, C], each row a softmax -> 1 − p, as the sum of the other classes wherever the difference would lose digits."""
    return p.where(p < NEAR_ONE, 0.0).sum(1, keepdim=True).where(p >= NEAR_ONE, 1.0 - p)


def log_softmax(parts: Softmax, rest: Tensor) -> Tensor:
    """log p [N, C], with its digits also where p is near 1; rest is `others(p)`."""
    return (-rest).log1p().where(parts.p >= NEAR_ONE, parts.shifted - parts.log_total)


def lowered(x: Tensor) -> Tensor:
    """[N, C] -> each row less its largest, which rounds once; a row of nothing but −inf as it is."""
    top = x.amax(1, keepdim=True)
    return x - top.where(top > -math.inf, 0.0)


def difference(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a − b, and what rounding took from it, exactly (Knuth's two-sum); nothing from an infinite one."""
    rounded = a - b
    back = rounded - a
    lost = (a - (rounded - back)) - (b + back)
    return rounded, lost.where(rounded.abs() < math.inf, 0.0)


def cooled(x: Tensor, temperature: Number) -> Tensor:
    """x / temperature, without a pass over memory for the usual 1."""
    return x if isinstance(temperature, float) and temperature == 1.0 else x / temperature


def log_of(value: Number) -> Number:
    """The logarithm of a parameter; −inf for 0."""
    return value.log() if not isinstance(value, float) else math.log(value) if value > 0.0 else -math.inf


def is_zero(value: Number) -> bool:
    """Whether a parameter is the plain number 0, and not one that a graph reads at run time (never 0: see `models.trace`)."""
    return isinstance(value, float) and value == 0.0
