"""What is fuzzed: one function a decoder. Whatever the bytes are, it returns; anything it raises is a finding.

A few of the first bytes say what no body does: whether the gradient is wanted, which model is asked, how long a header is.
"""

from collections.abc import Callable
from unittest import mock

from service import compression
from service.codecs import safetensors
from service.errors import MalformedRequest
from tests.fuzz import arrow_target, headers, nearly_valid
from tests.fuzz.json_targets import json_body, json_in_pieces, json_nearly_valid, small_json, wants_grad
from tests.fuzz.judge import answered, decoded, naming
from tests.fuzz.v2_targets import WHOLE, v2_binary, v2_binary_nearly_valid, v2_grpc, v2_grpc_nearly_valid, v2_json

MOST_UNPACKED_BYTES = 1 << 12
MOST_REPEATED_BYTES = 1 << 17
SMALL_SLICES = {"SLICE_BYTES": 16, "PIECE_BYTES": 32, "MOST_MEMBERS": 4}


def safetensors_body(data: bytes) -> None:
    """application/vnd.safetensors: its header as long as bytes 1 and 2 leave it, or as it says itself."""
    behind, body = int.from_bytes(data[1:3], "little"), data[3:]
    length = b"" if behind == WHOLE else max(0, len(body) - behind).to_bytes(8, "little")
    answered(lambda: decoded(safetensors.CODEC, length + body, wants_grad(data)))


def safetensors_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    body = nearly_valid.safetensors(data[1:])
    with naming(body):
        answered(lambda: decoded(safetensors.CODEC, body, wants_grad(data)))


def compressed_body(data: bytes) -> None:
    """A compressed body, as it is or in small slices."""
    coding = ("gzip", "deflate", "x-gzip")[(data or b"\0")[0] % 3]
    answered(lambda: unpacked(data[1:], coding))
    with mock.patch.multiple(compression, **SMALL_SLICES):
        answered(lambda: unpacked(data[1:], coding))


def packed_body(data: bytes) -> None:
    """What our own packing makes of the bytes comes out as they were; not where it is cut short, or goes on."""
    coding = ("gzip", "deflate", "x-gzip")[(data or b"\0")[0] % 3]
    packed = b"".join(compression.packed([data[1:]], coding.removeprefix("x-")))
    assert unpacked(packed, coding) == data[1:]
    with mock.patch.multiple(compression, **SMALL_SLICES):
        assert unpacked(packed, coding) == data[1:]
        answered(lambda: unpacked(packed + data[1:], coding))
    try:
        unpacked(packed[: -1 - (data or b"\0")[0] % 8], coding)
    except MalformedRequest:
        return
    raise AssertionError("a body that was cut short is taken for whole")


def unpacked(body: bytes, coding: str) -> bytearray:
    """A body within the limit."""
    found = compression.unpacked(bytearray(body), coding, MOST_UNPACKED_BYTES)
    assert len(found) <= MOST_UNPACKED_BYTES
    return found


def request_headers(data: bytes) -> None:
    """Headers, a line each, and the names in a URL."""
    for call in headers.calls(data):
        answered(call)


def repeated(data: bytes) -> None:
    """A body of which one piece comes over and over: neither time nor memory nor what is said of it may grow much faster."""
    target = REPEATABLE[(data or b"\0")[0] % len(REPEATABLE)]
    begin, length, body = int.from_bytes(data[1:3], "little"), 1 + int.from_bytes(data[3:4]), data[4:]
    piece = body[begin : begin + length] or b" "
    whole = body[:begin] + piece * (MOST_REPEATED_BYTES // len(piece)) + body[begin + length :]
    with naming(whole[:1000]):
        target(whole)


REPEATABLE = (json_body, safetensors_body, v2_json, v2_grpc)
EVERY = (
    *(json_body, json_nearly_valid, json_in_pieces, small_json, safetensors_body, safetensors_nearly_valid),
    *(v2_json, v2_binary, v2_binary_nearly_valid, v2_grpc, v2_grpc_nearly_valid, compressed_body, packed_body, request_headers),
    repeated,
    *([arrow_target.arrow_body] if arrow_target.is_there() else []),
)
TARGETS: dict[str, Callable[[bytes], None]] = {each.__name__: each for each in EVERY}
