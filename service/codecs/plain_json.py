"""application/json, as people and every language write it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from models.checks import BFLOAT16, Array
from models.contract import Result
from models.errors import InvalidTargets, Problem
from models.labels import Labels
from service.codec import Bytes, Codec, Part, text_of
from service.json_arrays import Kind, Numbers, counted, described, fits, numbers, wrong
from service.json_object import members, short_list
from service.json_outline import outline

MATRICES = frozenset({"scores", "targets", "mask", "element_weight"})
VECTORS = frozenset({"class_weight", "sample_weight"})
LABELS = frozenset({"labels", "label_weights"})
NUMBER_OR_ARRAY = frozenset({"pos_weight", "grad_output"})
ARRAYS = MATRICES | VECTORS | LABELS | NUMBER_OR_ARRAY
KINDS: dict[str, Kind] = {"labels": "integer", "mask": "flag"}
NUMBERS_A_PIECE = 1 << 16


def read(given: Bytes, headers: Mapping[str, str], most_elements: int) -> dict[str, Any]:
    """Bytes -> the fields of a request; arrays in full precision."""
    body = text_of(given)
    cut = outline(body)
    fields: dict[str, Any] = {}
    arrays: dict[str, Numbers] = {}
    for name, value in members(cut).items():
        span = cut.spans.get(value) if isinstance(value, str) else None
        if name not in ARRAYS or value is None:
            fields[name] = value if span is None else short_list(body, span)
        elif span is not None:
            arrays[name] = numbers(body, span, name, KINDS.get(name, "number"), most_elements)
        elif name in NUMBER_OR_ARRAY and not isinstance(value, list):
            fields[name] = plain_number(name, value)
        else:
            arrays[name] = counted(value, name, KINDS.get(name, "number"))
    return fields | shaped(arrays)


def plain_number(name: str, value: Any) -> float:
    """A number where an array may stand too."""
    if not fits(value, "number"):
        raise wrong(name, "", f"expected a number or a list, found {described(value)}")
    return float(value)


def shaped(arrays: dict[str, Numbers]) -> dict[str, Any]:
    """Arrays in the shapes that a job takes them in."""
    fields: dict[str, Any] = {}
    for name, each in arrays.items():
        if name in MATRICES or (name == "grad_output" and each.counts is not None):
            fields[name] = matrix(name, each)
        elif name not in LABELS:
            fields[name] = vector(name, each)
    if "labels" in arrays:
        fields["labels"] = labels(arrays["labels"], arrays.get("label_weights"))
    elif "label_weights" in arrays:
        raise InvalidTargets(Problem("/label_weights", "belongs to labels, and there are none"))
    return fields


def matrix(name: str, given: Numbers) -> Array:
    """A list of lists of the same length -> [rows, columns]."""
    if given.counts is None:
        raise wrong(name, "/0" if len(given.values) else "", "expected a list of lists of numbers")
    ragged = given.counts != given.counts[0]
    if ragged.any():
        row = int(ragged.argmax())
        raise wrong(name, f"/{row}", f"has {given.counts[row]} numbers; row 0 has {given.counts[0]}")
    return given.values.reshape(len(given.counts), -1) if len(given.values) else np.empty((len(given.counts), 0))


def vector(name: str, given: Numbers) -> Array:
    """A list of numbers."""
    if given.counts is not None:
        raise wrong(name, "/0", "expected a number, found a list")
    return given.values


def labels(indices: Numbers, weights: Numbers | None) -> Labels:
    """Lists of indices or one index a row, and weights nested alike."""
    flat = indices.counts is None
    counts = np.ones(len(indices.values), np.int64) if indices.counts is None else indices.counts
    if weights is not None:
        nested_alike(counts, flat, weights)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Labels(indices=indices.values, offsets=offsets, weights=None if weights is None else weights.values, flat=flat)


def nested_alike(counts: Array, flat: bool, weights: Numbers) -> None:
    """A weight for each label."""
    if flat != (weights.counts is None) and len(counts):
        raise wrong("label_weights", "", "must be nested like labels: " + ("one number a row" if flat else "a list a row"))
    found = np.ones(len(weights.values), np.int64) if weights.counts is None else weights.counts
    if len(found) != len(counts):
        raise wrong("label_weights", "", f"has {len(found)} rows; labels has {len(counts)}")
    differs = found != counts
    if differs.any():
        row = int(differs.argmax())
        raise wrong("label_weights", f"/{row}", f"has {found[row]} weights; labels has {counts[row]} in this row")


def write(result: Result) -> list[Part]:
    """The reply: numbers in the shortest form that reads back as the same number of their precision."""
    parts: list[Part] = [b'{"loss":', *printed(result.loss)]
    return [*parts, b"}"] if result.grad is None else [*parts, b',"grad":', *printed(result.grad), b"}"]


def printed(array: Array) -> list[bytes]:
    """An array as JSON, in pieces that each take a few milliseconds."""
    array = np.asarray(array, np.float32 if array.dtype == BFLOAT16 else None)  # in which any bfloat16 is the same number
    if array.ndim == 0:
        return [orjson.dumps(array[()], option=orjson.OPT_SERIALIZE_NUMPY)]
    if array.ndim > 1 and array.shape[1] > NUMBERS_A_PIECE:
        texts = [part for row in array for part in (b",", *printed(row))]
    else:
        rows = max(1, NUMBERS_A_PIECE // array[0].size)
        texts = [part for start in range(0, len(array), rows) for part in (b",", dumped(array[start : start + rows]))]
    return [b"[", *texts[1:], b"]"]


def dumped(rows: Array) -> bytes:
    """Some rows, without the outer brackets."""
    return orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


CODEC = Codec("application/json", read, write, is_text=True)
