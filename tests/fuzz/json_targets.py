"""JSON: what is taken is JSON to Python too, says the same there, and does so in however many pieces it is read."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from starlette.requests import Request

from models.contract import Job
from models.errors import JobError
from models.labels import Labels
from service import json_pieces
from service.body import small_body
from service.codecs import plain_json
from service.errors import RequestError
from service.open_inference_schema import IndexRequest, RegionRequest
from tests.fuzz import nearly_valid
from tests.fuzz.judge import MOST_ELEMENTS, answered, decoded, naming

SETTINGS = SimpleNamespace(timeout_ms=60_000)  # all of them that a body is read by; their own packages are not in the fuzzer's environment
SMALL_PIECES = {"PIECE_BYTES": 8, "LONG_ROW_BYTES": 24}


def wants_grad(data: bytes) -> bool:
    """From the first byte."""
    return data[:1] < b"h"


def json_body(data: bytes) -> None:
    """application/json."""

    def check() -> None:
        job = decoded(plain_json.CODEC, data[1:], wants_grad(data)).job
        fields = json.loads(data[1:].decode("utf-8-sig"))
        assert np.array_equal(job.scores, np.array(fields["scores"], np.float64).astype(job.dtype))
        if isinstance(job.labels, Labels) and job.ignore_index is None:
            rows = [row if isinstance(row, list) else [row] for row in fields["labels"]]
            assert [list(each) for each in np.split(job.labels.indices, job.labels.offsets[1:-1])] == rows

    answered(check)


def json_nearly_valid(data: bytes) -> None:
    """The same with arrays that fit together, nearly."""
    body = nearly_valid.plain_json(data[1:])
    with naming(body):
        json_body(data[:1] + body)


def json_in_pieces(data: bytes) -> None:
    """The same as a large body is read and its reply is written: what comes of it does not depend on the pieces.

    Only where a body is not JSON, what is wrong before that may be found first.
    """
    whole = outcome(data)
    with small_pieces():
        json_body(data)
        in_pieces = outcome(data)
    assert whole == in_pieces or {type(whole), type(in_pieces)} == {str, type(None)}, f"{in_pieces}, and read as a whole {whole}"


@contextlib.contextmanager
def small_pieces() -> Iterator[None]:
    """As if everything were large."""
    with mock.patch.multiple(json_pieces, **SMALL_PIECES), mock.patch.object(plain_json, "NUMBERS_A_PIECE", 4):
        yield


def outcome(data: bytes) -> Any:
    """A job as what can be compared, the place where something is wrong with it, or None where the body cannot be read."""
    try:
        return compared(plain_json.CODEC.decode(bytearray(data[1:]), {}, wants_grad(data), MOST_ELEMENTS).job)
    except JobError as error:
        return " ".join(each.pointer for each in getattr(error, "problems", ()))
    except RequestError:
        return None


def compared(job: Job) -> list[Any]:
    """Every array of a job, and its parameters."""
    labels = [] if job.labels is None else [job.labels.indices, job.labels.offsets, job.labels.weights]
    weights = [job.class_weight, job.pos_weight, job.sample_weight, job.element_weight, job.mask, job.grad_output]
    arrays = [job.scores, job.targets, *labels, *weights]
    return [job.params, *(None if each is None else np.asarray(each).tolist() for each in arrays)]


def small_json(data: bytes) -> None:
    """A small body of the Open Inference Protocol's other methods."""
    model = RegionRequest if wants_grad(data) else IndexRequest
    answered(lambda: asyncio.run(small_body(request(data[1:]), model)))


def request(body: bytes) -> Request:
    """A request with this body."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": [], "state": {"settings": SETTINGS}}, receive)
