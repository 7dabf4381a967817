"""Tensors by name, as every binary form has them: bytes become arrays, and arrays the fields of a request."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.checks import Array
from models.contract import HALF
from models.errors import InvalidJob, InvalidParameters, InvalidScores, InvalidTargets, Problem, few_unknown, problem, shortened
from models.labels import Labels
from service.errors import MalformedRequest, TensorTooLarge

BOOL = np.dtype(np.bool_)
FLOATS = (*HALF, np.dtype("<f4"), np.dtype("<f8"))
LABEL_TENSORS = ("labels", "label_offsets", "label_weights")
NUMBERS = ("targets", "class_weight", "pos_weight", "sample_weight", "element_weight", "mask", "grad_output")
TENSORS = ("scores", *NUMBERS, *LABEL_TENSORS)
OPTIONS_TOO = ("class_weight", "pos_weight", "grad_output")  # where they are one number, or a form has no place for a vector
MOST_DIMENSIONS = 8
LARGEST_DIMENSION = 2**31 - 1
PADDING = -1


def viewed(data: bytes | bytearray | memoryview, dtype: np.dtype[Any], shape: Sequence[int], name: str, most_elements: int) -> Array:
    """Bytes, little-endian and row by row, as an array that shares their memory; booleans as uint8.

    Raises MalformedRequest where they are not as many as the shape takes, TensorTooLarge where there are more numbers than may be.
    """
    count = size(shape, name)
    if len(data) != count * dtype.itemsize:
        found = f"{dtype.name} {list(shape)} takes {count * dtype.itemsize} bytes, found {len(data)}"
        raise MalformedRequest(f"/{name}: {found}")
    if count > most_elements:
        raise TensorTooLarge(name, most_elements)
    array = np.frombuffer(data, np.uint8 if dtype == BOOL else dtype)
    if dtype == BOOL and array.max(initial=0) > 1:
        raise MalformedRequest(f"/{name}: a boolean is a byte 0 or 1, found {array.max()}")
    return array.reshape(shape)


def raw(array: Array) -> memoryview:
    """The bytes of an array, row by row, which share its memory where it lies so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def size(shape: Sequence[int], name: str) -> int:
    """How many numbers a tensor of this shape has; raises MalformedRequest where that is no shape."""
    if len(shape) > MOST_DIMENSIONS or not all(type(each) is int and 0 <= each <= LARGEST_DIMENSION for each in shape):
        expected = f"at most {MOST_DIMENSIONS} dimensions, integers from 0 to {LARGEST_DIMENSION}"
        raise MalformedRequest(f"/{name}: {shortened(list(shape[: MOST_DIMENSIONS + 1]))} is no shape; expected {expected}")
    return math.prod(shape)


def fields(tensors: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request, from its tensors and its options; the precision is that of the scores where no option says otherwise.

    Raises InvalidJob, naming the tensor that is unknown, or of the wrong type.
    """
    known = few_unknown(tensors, TENSORS)
    if len(known) > sum(name in TENSORS for name in tensors):
        unknown = ({"type": "extra_forbidden", "loc": (name,)} for name in known if name not in TENSORS)
        raise InvalidJob(*(problem(each, "", TENSORS) for each in unknown))
    misplaced = [name for name in options if name in TENSORS and (name in tensors or name not in OPTIONS_TOO)]
    if misplaced:
        raise InvalidParameters(*(Problem(f"/{name}", "is a tensor, and stands among the options") for name in misplaced))
    arrays: dict[str, Any] = {name: array for name, array in tensors.items() if name in ("scores", *NUMBERS)}
    if "scores" in arrays and arrays["scores"].dtype not in FLOATS:
        raise InvalidScores(Problem("/scores", f"holds {arrays['scores'].dtype.name}; expected float16, bfloat16, float32 or float64"))
    if any(name in tensors for name in LABEL_TENSORS):
        arrays["labels"] = labels(tensors, options.get("ignore_index"))
    if "grad_output" in arrays and arrays["grad_output"].shape == (1,) and options.get("reduction", "mean") != "none":
        arrays["grad_output"] = arrays["grad_output"].reshape(())  # one number, in the shape that some protocols have for it
    is_double = "scores" in arrays and arrays["scores"].dtype == np.float64
    return ({"dtype": "float64"} if is_double else {}) | dict(options) | arrays


def labels(tensors: Mapping[str, Array], ignore_index: Any) -> Labels:
    """Labels as [L] indices and [N + 1] offsets, as [N, K] indices padded with -1, or as one index a row, [N]."""
    if "labels" not in tensors:
        alone = next(each for each in LABEL_TENSORS if each in tensors)
        raise InvalidTargets(Problem(f"/{alone}", "belongs to labels, and there are none"))
    indices, weights = tensors["labels"], tensors.get("label_weights")
    for name in ("labels", "label_offsets"):
        if name in tensors and tensors[name].dtype.kind not in "iu":
            raise InvalidTargets(Problem(f"/{name}", f"holds {tensors[name].dtype.name}; expected integers"))
    if weights is not None and weights.shape != indices.shape:
        raise InvalidTargets(Problem("/label_weights", f"has shape {list(weights.shape)}; labels has {list(indices.shape)}"))
    if indices.ndim > 2 or (indices.ndim == 2 and "label_offsets" in tensors):
        expected = "[L] with label_offsets" if "label_offsets" in tensors else "[N, K] padded with -1, or [N]"
        raise InvalidTargets(Problem("/labels", f"has shape {list(indices.shape)}; expected {expected}"))
    if "label_offsets" in tensors:
        return Labels(indices=indices, offsets=tensors["label_offsets"], weights=weights)
    if indices.ndim < 2:
        return Labels(indices=indices, offsets=np.arange(indices.size + 1), weights=weights, flat=True)
    return without_padding(indices, weights, ignore_index)


def without_padding(indices: Array, weights: Array | None, ignore_index: Any) -> Labels:
    """Labels [N, K] in which a -1 is no label; where -1 is the ignore_index, a row of nothing else holds just that."""
    there = indices != PADDING
    if ignore_index == PADDING and indices.shape[1]:
        there[:, 0] |= ~there.any(1)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(there.sum(1))])
    return Labels(indices=indices[there], offsets=offsets, weights=None if weights is None else weights[there])
