"""The outputs of a reply, and what must hold between their members."""

import math
import struct
from typing import Any

from tests.conformance.case import Unmet, expect, member
from tests.conformance.rest import Reply
from tests.conformance.tensor import DATATYPES, Tensor, flat, from_bytes, size_bytes


def head_and_tail(reply: Reply) -> tuple[Any, bytes]:
    """The JSON of a reply, and the binary data after it."""
    length = reply.headers.get("inference-header-content-length")
    if length is None:
        return reply.json(), b""
    expect(length.isdigit() and int(length) <= len(reply.body), f"Inference-Header-Content-Length {length} of {len(reply.body)} bytes")
    return Reply(reply.status, {}, reply.body[: int(length)]).json(), reply.body[int(length) :]


def outputs_of(reply: Reply) -> dict[str, Tensor]:
    """Every output by its name, with values as many as its shape says and all bytes accounted for."""
    head, tail = head_and_tail(reply)
    found = {}
    for each in member(head, "outputs", list):
        name, datatype, shape = member(each, "name", str), member(each, "datatype", str), member(each, "shape", list)
        expect(datatype in DATATYPES, f"{name}: datatype {datatype} is not in the table")
        expect(all(isinstance(size, int) and size >= 0 for size in shape), f"{name}: shape {shape}")
        expect(name not in found, f"{name} comes twice")
        size = (each.get("parameters") or {}).get("binary_data_size")
        if size is None:
            values = flat(member(each, "data", list))
            expect(len(values) == math.prod(shape), f"{name}: {len(values)} values for shape {shape}")
            found[name] = Tensor(name, datatype, shape, values)
        else:
            expect("data" not in each, f'{name}: both "data" and "binary_data_size"')
            found[name] = binary_output(name, datatype, shape, size, tail[:size])
            tail = tail[size:]
    expect(not tail, f"{len(tail)} bytes after the last binary output")
    return found


def binary_output(name: str, datatype: str, shape: list[int], size: Any, raw: bytes) -> Tensor:
    """One output from its bytes."""
    expect(isinstance(size, int) and len(raw) == size, f"{name}: binary_data_size {size}, but {len(raw)} bytes are there")
    if datatype != "BYTES":
        expect(size == math.prod(shape) * size_bytes(datatype), f"{name}: {size} bytes for {datatype} {shape}")
    try:
        return from_bytes(name, datatype, shape, raw)
    except (struct.error, UnicodeDecodeError) as broken:
        raise Unmet(f"{name}: {broken}") from None


def expect_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """The same outputs, in any order."""
    expect(found.keys() == expected.keys(), f"outputs {sorted(found)} instead of {sorted(expected)}")
    for name, tensor in found.items():
        expect(tensor.close_to(expected[name]), f"{tensor} instead of {expected[name]}"[:300])
