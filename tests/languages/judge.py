"""Whether a request holds what a golden job holds: the same fields, types, shapes and numbers, in either form.

Both forms become one: the job as `cases.json` has it, where `dtype` is the precision of the computation, whether it was said or is that of
the scores. Integers may be of any width, and weights of any float, for the service rounds them once to that precision; so does this.
"""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Job = dict[str, Any]
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BOOL": "?",
    **{f"{sign}{8 * size}": f"<{sign.lower()}{size}" for sign in "IU" for size in (1, 2, 4, 8)},
}
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16"}
TEXTS = {"loss", "reduction", "mean_over", "dtype", "runtime"}
INTEGERS = {"labels", "ignore_index"}
PADDING = -1


class Wrong(Exception):
    """The request is not what it should be; says what was found and what was expected."""


def differences(body: bytes, form: str, golden: Job) -> str:
    """What differs between a request and the golden job; empty: nothing."""
    try:
        found = READERS[form](body)
        expected = {"dtype": "float32", **golden}
        same_fields(found, expected)
        for name, value in expected.items():
            same(found[name], value, expected["dtype"], f"/{name}", name in INTEGERS)
    except Wrong as wrong:
        return str(wrong)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"the body is not of this form: {error!r}"
    return ""


def same_fields(found: Job, expected: Job) -> None:
    """Every field is there, and no other: what is left out is not sent."""
    for name in sorted(found.keys() ^ expected.keys()):
        raise Wrong(f"/{name}: " + ("is there, and was not asked for" if name in found else "is missing"))


def same(found: Any, expected: Any, precision: str, where: str, integers: bool = False) -> None:
    """Equal, as numbers are once they are rounded; raises Wrong at the first place that differs."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            raise Wrong(f"{where}: found {brief(found)}; expected a list of {len(expected)}")
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, precision, f"{where}/{i}", integers)
    elif isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            raise Wrong(f"{where}: found {brief(found)}; expected {expected}")
        for name, value in expected.items():
            same(found[name], value, "float64", f"{where}/{name}")
    elif isinstance(expected, int | float):  # booleans too, which a mask may have as 0 and 1
        kinds = int if integers else int | float
        if not isinstance(found, kinds) or not equal(found, expected, precision):
            raise Wrong(f"{where}: found {brief(found)}; expected {expected}")
    elif found != expected or type(found) is not type(expected):
        raise Wrong(f"{where}: found {brief(found)}; expected {expected!r}")


def equal(found: float, expected: float, precision: str) -> bool:
    """The same number of this precision, or both NaN."""
    one, other = (np.dtype(precision).type(each) for each in (found, expected))
    return bool(one == other) or bool(np.isnan(one) and np.isnan(other))


def brief(value: object) -> str:
    """A value in at most a line."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:79]}…"


def unique(pairs: list[tuple[str, Any]]) -> Job:
    """A JSON object whose members all have names of their own."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise Wrong(f"a name stands twice in {brief([name for name, _ in pairs])}")
    return dict(pairs)


def loaded(text: bytes | str) -> Any:
    """JSON, with the bare tokens NaN and Infinity."""
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"this is not JSON: {error}; found {brief(text)}") from None


def read_json(body: bytes) -> Job:
    """A job from JSON."""
    job = loaded(body)
    if not isinstance(job, dict):
        raise Wrong(f"found {brief(job)}; expected an object")
    return {"dtype": "float32", **job}


def read_safetensors(body: bytes) -> Job:
    """A job from tensors and the strings beside them."""
    length = int.from_bytes(body[:8], "little")
    if len(body) < 8 or length > len(body) - 8:
        raise Wrong(f"a header of {length} bytes in a body of {len(body)}")
    header, data = loaded(body[8 : 8 + length]), body[8 + length :]
    metadata = header.pop("__metadata__", {})
    without_gaps(header, len(data))
    arrays = {name: array(name, about, data) for name, about in header.items()}
    if "scores" not in header or header["scores"]["dtype"] not in FLOATS:
        raise Wrong(f"/scores: found {header.get('scores')}; expected a tensor of floats")
    job = {"dtype": FLOATS[header["scores"]["dtype"]]} | {name: option(name, text) for name, text in metadata.items()}
    return job | listed_labels(arrays) | {name: each.tolist() for name, each in arrays.items()}


def without_gaps(header: dict[str, Any], length: int) -> None:
    """Every byte belongs to just one tensor."""
    reached = 0
    for begin, end in sorted(about["data_offsets"] for about in header.values()):
        if begin != reached:
            raise Wrong(f"a tensor begins at byte {begin}; the one before it ends at {reached}")
        reached = end
    if reached != length:
        raise Wrong(f"the tensors end at byte {reached} of {length}")


def array(name: str, about: dict[str, Any], data: bytes) -> np.ndarray[Any, Any]:
    """One tensor."""
    if about["dtype"] not in DTYPES:
        raise Wrong(f"/{name}: the dtype {about['dtype']}; expected one of {', '.join(DTYPES)}")
    begin, end = about["data_offsets"]
    dtype = np.dtype(DTYPES[about["dtype"]])
    if end - begin != math.prod(about["shape"]) * dtype.itemsize:
        raise Wrong(f"/{name}: {end - begin} bytes for {about['dtype']} {about['shape']}")
    if name in ("labels", "label_offsets") and dtype.kind not in "iu":
        raise Wrong(f"/{name}: holds {about['dtype']}; expected integers")
    return np.frombuffer(data[begin:end], dtype).reshape(about["shape"])


def option(name: str, text: Any) -> Any:
    """What a string of the metadata says."""
    if not isinstance(text, str):
        raise Wrong(f"/__metadata__/{name}: found {brief(text)}; expected a string")
    return text if name in TEXTS else loaded(text)


def listed_labels(arrays: dict[str, np.ndarray[Any, Any]]) -> Job:
    """Labels as lists of indices, or as one index a row, and weights nested alike; takes their tensors out."""
    names = [name for name in ("labels", "label_weights") if name in arrays]
    found = {name: arrays.pop(name) for name in names}
    offsets = arrays.pop("label_offsets", None)
    if offsets is not None:
        return {name: rows(each, offsets) for name, each in found.items()}
    if "labels" in found and found["labels"].ndim == 2:
        there = found["labels"] != PADDING
        return {name: [row[kept].tolist() for row, kept in zip(each, there, strict=True)] for name, each in found.items()}
    return {name: each.tolist() for name, each in found.items()}


def rows(values: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> list[list[Any]]:
    """Values one after another -> a list a row."""
    steps = np.diff(offsets.astype(np.int64))
    if offsets.ndim != 1 or values.ndim != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(values) or (steps < 0).any():
        raise Wrong(f"/label_offsets: found {brief(offsets.tolist())}; expected them to rise from 0 to {len(values)}")
    return [values[begin:end].tolist() for begin, end in itertools.pairwise(offsets)]


READERS: dict[str, Callable[[bytes], Job]] = {"json": read_json, "safetensors": read_safetensors}
