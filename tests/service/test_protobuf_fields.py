"""Fields are counted before they are parsed; a message that is made of crumbs is refused for little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MalformedRequest
from service.protobuf_fields import MOST_FIELDS, fields, refuse_crumbs, varint
from service.protos import open_inference_pb2 as pb

LARGE = np.ones(1 << 19, np.float32)


def nested(outer: int, crumb: bytes, count: int) -> bytes:
    """A field of very many crumbs."""
    content = crumb * count
    length, left = b"", len(content)
    while left >= 0x80:
        length, left = length + bytes([left & 0x7F | 0x80]), left >> 7
    return bytes([outer << 3 | 2]) + length + bytes([left]) + content


@pytest.mark.parametrize(
    "data",
    [
        b"\x2a\x00" * (1 << 20),
        b"\x3a\x00" * (1 << 20),
        b"\x32\x00" * (1 << 20),
        b"\x20\x00" * (1 << 20),
        nested(5, b"\x22\x00", 1 << 20),
        nested(5, nested(5, b"\x42\x00", 1 << 20), 1),
        nested(6, b"\x12\x00", 1 << 20),
        nested(4, b"\x12\x00", 1 << 20),
    ],
)
def test_a_message_of_crumbs_is_refused_before_it_is_parsed(data: bytes) -> None:
    with pytest.raises(MalformedRequest, match=f"more than {MOST_FIELDS} fields"):
        refuse_crumbs(data)


def test_large_tensors_are_few_fields() -> None:
    message = pb.ModelInferRequest(model_name="x", raw_input_contents=[LARGE.tobytes()] * 3)
    message.inputs.add(name="scores", shape=[1 << 19]).contents.fp32_contents.extend(LARGE)
    refuse_crumbs(message.SerializeToString())
    assert len(list(fields(memoryview(message.SerializeToString())))) == 5


@given(st.binary(max_size=100))
def test_whatever_is_no_protobuf_is_malformed(data: bytes) -> None:
    try:
        found = list(fields(memoryview(data)))
    except MalformedRequest:
        return
    assert all(number >= 0 for number, _ in found)


def test_a_message_that_ends_early_is_malformed() -> None:
    whole = pb.ModelInferRequest(raw_input_contents=[LARGE.tobytes()]).SerializeToString()
    with pytest.raises(MalformedRequest, match="ends within a field"):
        refuse_crumbs(whole[:-1])
    with pytest.raises(MalformedRequest, match="does not end"):
        varint(memoryview(b"\xff" * 20), 0)
