"""What is right, whatever the bytes are: a reply, or an error of the service's own that can be told; and little memory for either."""

import contextlib
import json
import resource
import sys
from collections.abc import Callable, Iterator

import numpy as np

from models.contract import Job, Result
from models.errors import JobError
from service.codec import Codec, Order
from service.codecs import plain_json
from service.errors import RequestError
from service.negotiation import CODECS
from service.reply import problem_reply

MOST_ELEMENTS = 128
MOST_GROWTH_BYTES = 64 << 20  # of this process, while one small body is answered
MOST_REFUSAL_BYTES = 20_000
FORESEEN = (ValueError, RecursionError, OSError, NotImplementedError)  # what parsers raise; anything else is a mistake


def answered(call: Callable[[], object]) -> None:
    """Whatever the call is, it ends in a result or in an error that can be sent, and takes little memory."""
    before = peak_bytes()
    try:
        call()
    except (JobError, RequestError) as error:
        refused(error)
    assert peak_bytes() - before < MOST_GROWTH_BYTES, f"memory grew from {before} to {peak_bytes()} bytes"


@contextlib.contextmanager
def naming(body: bytes) -> Iterator[None]:
    """Say which body it was, where that is not what the target was given."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the body: bytes.fromhex({body.hex()!r})")
        raise


def refused(error: Exception) -> None:
    """The error can be told in a few words; a mistake of our own, or memory that is not there, is no fault of the body."""
    if error.__cause__ is not None and not isinstance(error.__cause__, FORESEEN):
        raise error.__cause__
    reply = problem_reply(error)
    assert 400 <= reply.status_code < 500
    assert len(reply.body) < MOST_REFUSAL_BYTES, f"a refusal of {len(reply.body)} bytes"
    said = json.loads(reply.body)
    assert said["detail"]
    assert all(each["pointer"] == "" or each["pointer"][0] == "/" for each in said.get("errors", [])), said


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def decoded(codec: Codec, body: bytes, wants_grad: bool) -> Order:
    """The order that a body gives; a reply to it can be written in every form, and read where that is JSON."""
    order = codec.decode(bytearray(body), {}, wants_grad, MOST_ELEMENTS)
    result = result_of(order.job)
    for each in CODECS.values():
        each.encode(order, result, "gzip" if wants_grad else "identity")
    said, meant = json.loads(b"".join(plain_json.CODEC.encode(order, result).parts)), order.reply(result)
    assert said["loss"] == meant.loss.astype(float).tolist()
    assert meant.grad is None or said["grad"] == meant.grad.astype(float).tolist()
    return order


def result_of(job: Job) -> Result:
    """A result of the right shape, which nobody computed; half precision holds its numbers too."""
    shape = job.loss_shape if job.reduction == "none" else ()
    return Result(loss=numbered(shape, job.dtype), grad=numbered(job.shape, job.dtype) if job.wants_grad else None)


def numbered(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers that tell where they are."""
    return (np.arange(np.prod(shape, dtype=int), dtype=dtype) / 4 - 1).reshape(shape)
