"""What is right, whatever the bytes are: a result, or an error of the service's own that can be told; and little memory for either."""

import json
import resource
import sys
from collections.abc import Callable

from models.errors import JobError
from service.errors import RequestError
from service.reply import problem_reply

MOST_GROWTH_BYTES = 64 << 20  # of this process, while one small body is answered
MOST_REFUSAL_BYTES = 20_000


def answered(call: Callable[[], object]) -> None:
    """Whatever the call is, it ends in a result or in an error that can be sent, and takes little memory."""
    before = peak_bytes()
    try:
        call()
    except (JobError, RequestError) as error:
        refused(error)
    assert peak_bytes() - before < MOST_GROWTH_BYTES, f"memory grew from {before} to {peak_bytes()} bytes"


def refused(error: Exception) -> None:
    """The error can be told over HTTP and over gRPC, in a few words."""
    if isinstance(error.__cause__, MemoryError):
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
