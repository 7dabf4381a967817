"""application/vnd.safetensors: 8 bytes of header length, a JSON header, and the tensors one after another, little-endian.

Written here and not taken from the safetensors package, which copies every tensor on its way in and out; it judges these in the tests.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from models.checks import BFLOAT16, Array
from models.contract import Result
from models.errors import escaped, shortened
from service.codec import BINARY_BYTES, Bytes, Codec, Part
from service.errors import MalformedRequest
from service.json_object import unique
from service.metadata import AS_JSON, parsed
from service.tensors import BOOL, fields, raw, viewed

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "BOOL": BOOL,
    **{f"{sign}{8 * size}": np.dtype(f"<{sign.lower()}{size}") for sign in "IU" for size in (1, 2, 4, 8)},
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 1 << 20
SHORT_HEADER_BYTES = 1 << 13
METADATA = "__metadata__"
WRITTEN_BY_OTHERS = {"format"}  # metadata that libraries add, and that says nothing of a loss


def read(body: Bytes, headers: Mapping[str, str], most_elements: int) -> dict[str, Any]:
    """Bytes -> the fields of a request; tensors as views of them."""
    data = memoryview(body)
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if len(data) < LENGTH_BYTES or length > min(len(data) - LENGTH_BYTES, MOST_HEADER_BYTES):
        raise MalformedRequest(f"the body is not safetensors: a header of {length} bytes, in a body of {len(data)}")
    header = described(bytes(data[LENGTH_BYTES : LENGTH_BYTES + length]))
    metadata = header.pop(METADATA, {})
    data = data[LENGTH_BYTES + length :]
    tensors = {name: tensor(name, about, data, most_elements) for name, about in header.items()}
    without_gaps(header, len(data))
    return fields(tensors, options(metadata))


def described(text: bytes) -> dict[str, Any]:
    """The header: what each tensor is and where it lies."""
    header = json.loads(text.decode(), object_pairs_hook=unique)
    if not isinstance(header, dict):
        raise MalformedRequest("the body is not safetensors: its header is no JSON object")
    return header


def tensor(name: str, about: Any, data: memoryview, most_elements: int) -> Array:
    """One tensor, as a view of the data."""
    name = escaped(name)
    if not isinstance(about, dict) or set(about) != {"dtype", "shape", "data_offsets"} or not isinstance(about["shape"], list):
        raise MalformedRequest(f"/{name}: a tensor has just a dtype, a shape and data_offsets; found {shortened(about)}")
    dtype = DTYPES.get(about["dtype"]) if isinstance(about["dtype"], str) else None
    if dtype is None:
        raise MalformedRequest(f"/{name}: the dtype {shortened(about['dtype'])} is not among {', '.join(DTYPES)}")
    offsets = about["data_offsets"]
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(each) is int for each in offsets):
        raise MalformedRequest(f"/{name}: data_offsets are two integers, found {shortened(offsets)}")
    begin, end = offsets
    if not 0 <= begin <= end <= len(data):
        raise MalformedRequest(f"/{name}: bytes {begin} to {end} do not lie in the {len(data)} bytes behind the header")
    return viewed(data[begin:end], dtype, about["shape"], name, most_elements)


def without_gaps(header: Mapping[str, Any], length: int) -> None:
    """Every byte belongs to just one tensor."""
    reached = 0
    for name, (begin, end) in sorted(((name, about["data_offsets"]) for name, about in header.items()), key=lambda each: each[1]):
        if begin != reached:
            what = "overlap" if begin < reached else "leave a gap"
            raise MalformedRequest(f"/{escaped(name)}: the tensors {what} at byte {min(begin, reached)} behind the header")
        reached = end
    if reached != length:
        raise MalformedRequest(f"the body is not safetensors: {length - reached} bytes lie behind its last tensor")


def options(metadata: Any) -> dict[str, Any]:
    """What is no tensor, from strings: JSON where the field is an object or a number."""
    if not isinstance(metadata, dict) or not all(isinstance(each, str) for each in metadata.values()):
        raise MalformedRequest(f"/{METADATA}: expected an object of strings, found {shortened(metadata)}")
    given = {name: text for name, text in metadata.items() if name not in WRITTEN_BY_OTHERS}
    return {name: parsed(name, text) if name in AS_JSON else text for name, text in given.items()}


def write(result: Result) -> list[Part]:
    """The reply: the gradient first, for it begins where any number may."""
    arrays = {"loss": result.loss} if result.grad is None else {"grad": result.grad, "loss": result.loss}
    header, reached, parts = {}, 0, []
    for name, array in arrays.items():
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [reached, reached + array.nbytes]}
        reached += array.nbytes
        parts.append(raw(array))
    text = orjson.dumps(header)
    text += b" " * (-len(text) % LENGTH_BYTES)
    return [len(text).to_bytes(LENGTH_BYTES, "little") + text, *parts]


def quickly_read(body: Bytes) -> bool:
    """Whether the body is small, and its header too: what is in that takes longer."""
    return len(body) <= BINARY_BYTES and int.from_bytes(body[:LENGTH_BYTES], "little") <= SHORT_HEADER_BYTES


CODEC = Codec("application/vnd.safetensors", read, write, aliases=("application/x-safetensors",), quickly_read=quickly_read)
