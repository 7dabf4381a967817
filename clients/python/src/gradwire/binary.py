"""safetensors: 8 bytes of header length, a JSON header, and the tensors one after another, little-endian."""

import json
import math
from typing import Any

import numpy as np

from gradwire.errors import BadReply
from gradwire.job import Array, Job

MEDIA_TYPE = "application/vnd.safetensors"
NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{letter}{bits}" for sign, letter in (("", "I"), ("u", "U")) for bits in (8, 16, 32, 64)},
}
TEXTS = ("loss", "reduction", "mean_over", "dtype", "runtime")
LENGTH_BYTES = 8


def write(job: Job) -> bytes:
    """A request; raises NoTensor where this form cannot hold it, TypeError where no form can."""
    arrays = sorted(job.tensors().items(), key=lambda each: -each[1].dtype.itemsize)  # so that each begins where its numbers may
    header: dict[str, Any] = {"__metadata__": {name: text(name, value) for name, value in job.options().items()}}
    reached = 0
    for name, array in arrays:
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": array.shape, "data_offsets": (reached, reached + array.nbytes)}
        reached += array.nbytes
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % LENGTH_BYTES)
    return b"".join([len(head).to_bytes(LENGTH_BYTES, "little"), head, *(little(array) for _, array in arrays)])


def little(array: Array) -> Any:
    """The bytes of an array, row by row."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


def text(name: str, value: Any) -> str:
    """An option as a string: itself, or as JSON has it."""
    return value if name in TEXTS and isinstance(value, str) else json.dumps(value, default=plain)


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's own."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"cannot send {value!r} of type {type(value).__name__}; expected numbers, strings, and lists of them")


def read(body: bytes, dtype: np.dtype[Any]) -> dict[str, Array]:
    """The tensors of a reply, all of this dtype; raises BadReply."""
    length = int.from_bytes(body[:LENGTH_BYTES], "little")
    data = memoryview(body)[LENGTH_BYTES + length :]
    try:
        if len(body) < LENGTH_BYTES + length:
            raise ValueError(f"a header of {length} bytes in a reply of {len(body)}")
        header = json.loads(body[LENGTH_BYTES : LENGTH_BYTES + length])
        return {name: tensor(about, data, dtype) for name, about in header.items() if name != "__metadata__"}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadReply(f"{body[:40]!r}, {error or type(error).__name__}", "safetensors") from error


def tensor(about: dict[str, Any], data: memoryview, dtype: np.dtype[Any]) -> Array:
    """One tensor, with memory of its own."""
    if about["dtype"] != NAMES[dtype.name]:
        raise ValueError(f"a tensor of {about['dtype']}, not of {NAMES[dtype.name]}")
    shape, (begin, end) = about["shape"], about["data_offsets"]
    if not 0 <= begin <= end <= len(data) or min(shape, default=0) < 0 or end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"bytes {begin} to {end} of {len(data)} for {about['dtype']} {shape}")
    return np.frombuffer(data[begin:end], dtype.newbyteorder("<")).astype(dtype).reshape(shape)
