"""The targets themselves: alive in the ordinary suite, without atheris, and able to fail. scripts/fuzz is what really fuzzes."""

import random
import re
from typing import Any

import pytest

from service.errors import MalformedRequest
from tests.fuzz import judge
from tests.fuzz.seeds import SEEDS, TOKENS
from tests.fuzz.targets import TARGETS

MUTATIONS = 300
BREAKS = {
    "repeated": "service.codecs.plain_json.outline",
    "arrow_body": "service.codec.guarded",
    "json_body": "service.codec.order",
    "json_nearly_valid": "service.codec.find",
    "json_in_pieces": "service.json_arrays.Numbers",
    "small_json": "service.body.problem",
    "safetensors_body": "service.codec.order",
    "safetensors_nearly_valid": "service.codecs.safetensors.raw",
    "v2_json": "service.codecs.open_inference_json.printed",
    "v2_binary": "service.codecs.open_inference_binary.inference",
    "v2_binary_nearly_valid": "service.codecs.open_inference_binary.put",
    "v2_grpc": "service.codecs.open_inference_grpc.inference",
    "v2_grpc_nearly_valid": "service.codecs.open_inference_grpc.described",
    "compressed_body": "service.compression.members",
    "packed_body": "service.compression.deflate_form",
    "request_headers": "service.negotiation.all_of",
}


def mutated(random: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with a few changes: a byte, a piece that goes or comes again, a word, the end of another seed."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 4)):
        begin, end = sorted(random.randint(0, len(data)) for _ in range(2))
        change = random.randrange(5)
        if change == 0:
            data[begin : begin + 1] = random.randbytes(1)
        elif change == 1:
            data[begin : min(end, begin + 8)] = b""
        elif change == 2:
            data[begin:begin] = data[begin:end]
        elif change == 3:
            data[begin:begin] = random.choice(TOKENS).encode()
        else:
            data[begin:] = random.choice(seeds)[begin:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_and_hundreds_of_mutations_of_it_are_answered(name: str) -> None:
    chance = random.Random(name)
    for data in [*SEEDS[name], *(mutated(chance, SEEDS[name]) for _ in range(MUTATIONS))]:
        try:
            TARGETS[name](data)
        except BaseException as error:
            error.add_note(f"{name}(bytes.fromhex({data.hex()!r}))")
            raise


def replay(name: str) -> None:
    """Every seed of a target."""
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_fails_where_what_it_calls_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(BREAKS[name], broken)
    with pytest.raises(KeyError, match="a bug"):
        replay(name)


def test_a_target_tells_what_is_taken_from_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = []
    monkeypatch.setattr(judge, "refused", errors.append)
    TARGETS["json_body"](b'g{"scores":[[1,2]],"labels":[[0]]}')
    assert not errors
    TARGETS["json_body"](b'g{"scores":[[1,2]],"labels":[[0]]')
    assert [type(each) for each in errors] == [MalformedRequest]


def test_a_row_that_is_lost_between_two_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.json_pieces.BETWEEN_ROWS", re.compile(rb",[^,]*,[^,]*,"))
    with pytest.raises(AssertionError):
        replay("json_in_pieces")


def test_memory_that_a_body_takes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = [judge.peak_bytes() + judge.MOST_GROWTH_BYTES, judge.peak_bytes()]
    monkeypatch.setattr(judge, "peak_bytes", lambda: peaks.pop() if len(peaks) > 1 else peaks[0])
    with pytest.raises(AssertionError, match="memory grew"):
        judge.answered(bytes)


def test_memory_that_is_not_there_is_no_fault_of_the_body() -> None:
    def asks_for_too_much() -> None:
        raise MalformedRequest("the body is not JSON") from MemoryError()

    with pytest.raises(MemoryError):
        judge.answered(asks_for_too_much)
