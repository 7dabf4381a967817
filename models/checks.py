"""Checks on arrays, each raising with a pointer to the first offending value; what passes is returned in the form jobs hold."""

import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from models.errors import InvalidJob, InvalidParameters, InvalidScores, InvalidTargets, NumericOverflow, Problem, shortened

Array = npt.NDArray[Any]
FLOAT_BYTES = 4
PIECE = 1 << 16  # numbers, which stay in the cache from one look to the next
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def reals(
    value: Any,
    pointer: str,
    shape: tuple[int, ...] | None,
    dtype: str,
    *,
    error: type[InvalidJob] = InvalidScores,
    minus_infinity: bool = False,
) -> Array:
    """Finite numbers of the given shape, rounded once to the job's dtype."""
    return reals_and_finite(value, pointer, shape, dtype, error, minus_infinity)[0]


def reals_and_finite(
    value: Any, pointer: str, shape: tuple[int, ...] | None, dtype: str, error: type[InvalidJob], minus_infinity: bool
) -> tuple[Array, bool]:
    """The same, and whether all of them are finite: not where there is a -inf that may be."""
    array = numbers(value, pointer, error)
    if shape is not None:
        has_shape(array, pointer, shape, error)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.asarray(array, dtype=dtype, order="C")
    is_finite = all_finite(rounded)
    if not is_finite:
        finite(array, rounded, pointer, error, minus_infinity)
    return rounded, is_finite


def numbers(value: Any, pointer: str, error: type[InvalidJob]) -> Array:
    """An array of real numbers: integers or floats, not booleans, strings or objects."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" and array.dtype != BFLOAT16:
        raise error(Problem(pointer, f"expected numbers, found {array.dtype.name}"))
    return array


def has_shape(array: Array, pointer: str, shape: tuple[int, ...], error: type[InvalidJob]) -> None:
    """The array has just this shape."""
    if array.shape != shape:
        raise error(Problem(pointer, f"has shape {list(array.shape)}; expected {list(shape)}"))


def all_finite(array: Array) -> bool:
    """Without a temporary, and in half the time of a sum: NaN is the largest and the smallest of any numbers that it is among."""
    if array.ndim == 0:
        return math.isfinite(array)
    if array.dtype.itemsize < FLOAT_BYTES or not array.flags.c_contiguous:
        return bool(np.isfinite(array).all())
    flat = array.reshape(-1)
    pieces = (flat[at : at + PIECE] for at in range(0, flat.size, PIECE))
    return all(math.isfinite(each.max()) and math.isfinite(each.min()) for each in pieces)


def finite(array: Array, rounded: Array, pointer: str, error: type[InvalidJob], minus_infinity: bool) -> None:
    """Name the first number that is not finite, and whether it was sent so or is too large for the dtype."""
    with np.errstate(invalid="ignore"):  # a signalling NaN signals
        wrong = ~np.isfinite(rounded)
        if minus_infinity:
            wrong &= ~np.isneginf(array)
    if not wrong.any():
        return
    place = first(wrong)
    value = array[place]
    where = at(pointer, place)
    if math.isfinite(value):
        raise NumericOverflow(Problem(where, f"{value!s} does not fit {rounded.dtype.name}; use dtype float64"))
    raise error(Problem(where, f"found {value!s}; expected a finite number" + (" or -inf" if minus_infinity else "")))


def fits(value: float, dtype: str, pointer: str) -> None:
    """A parameter that this dtype holds: neither too large for it, nor so small that it would be 0."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = float(np.asarray(value, dtype))
    if not np.isfinite(rounded) or (rounded == 0.0) != (value == 0.0):
        raise NumericOverflow(Problem(pointer, f"{value!r} does not fit {dtype}; use dtype float64"))


def booleans(value: Any, pointer: str, shape: tuple[int, ...]) -> Array:
    """A mask of 0 and 1, or of booleans, of the given shape."""
    array = np.asarray(value)
    if array.dtype.kind != "b":
        array = numbers(array, pointer, InvalidScores)
    has_shape(array, pointer, shape, InvalidScores)
    if array.dtype.kind != "b":
        none_of((array != 0) & (array != 1), array, pointer, "0 or 1", InvalidScores)
    return array.astype(bool)


def at_least_zero(array: Array, pointer: str) -> None:
    """No weight is negative."""
    none_of(array < 0, array, pointer, "a weight of at least 0", InvalidScores)


def none_of(wrong: Array, array: Array, pointer: str, expected: str, error: type[InvalidJob]) -> None:
    """Raise for the first value that is wrong."""
    if wrong.any():
        place = first(wrong)
        raise error(Problem(at(pointer, place), f"found {shortened(array[place].item())}; expected {expected}"))


def first(wrong: Array) -> tuple[int, ...]:
    """The index of the first True, in row order."""
    return tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))


def at(pointer: str, place: tuple[int, ...]) -> str:
    """/scores, (3, 0) -> /scores/3/0."""
    return "/".join([pointer, *map(str, place)])


def integers(value: Any, pointer: str) -> Array:
    """A vector of 64-bit signed integers."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InvalidTargets(Problem(pointer, f"expected a vector of integers, found {array.dtype.name}{list(array.shape)}"))
    if array.dtype == np.uint64:
        array = np.minimum(array, np.iinfo(np.int64).max)  # out of any range, and not wrapped to -1
    return array.astype(np.int64, copy=False)


def one_of(value: Any, known: tuple[str, ...], pointer: str) -> None:
    """The value is one of the known words."""
    if value not in known:
        raise InvalidParameters(Problem(pointer, f"found {shortened(value)}; expected one of {', '.join(map(repr, known))}"))


RANGES = {
    "real": "any number",
    "unit": "0 to 1",
    "binary": "0 or 1",
    "single": "0 or 1, one 1 a row",
    "distribution": "0 to 1, with the sum 1 a row",
    "scores": "scores, those of a teacher",
}
SUM_TOLERANCE = {"float32": 1e-5, "float64": 1e-10}  # of a row of labels that sum to 1


def outside(labels: Array, kind: str) -> Array:
    """True where a label has no meaning for a loss that takes this kind."""
    if kind in ("real", "scores"):
        return np.zeros(labels.shape, bool)
    return (labels != 0) & (labels != 1) if kind in ("binary", "single") else (labels < 0) | (labels > 1)
