"""JSON."""

import json
from typing import Any, NoReturn

import numpy as np

from gradwire.errors import BadReply
from gradwire.job import Array, Job

MEDIA_TYPE = "application/json"


def write(job: Job) -> bytes:
    """A request; NaN and infinities as bare tokens, which the service refuses by name."""
    return json.dumps(job.lists(), separators=(",", ":")).encode()


def read(body: bytes, dtype: np.dtype[Any]) -> dict[str, Array]:
    """The arrays of a reply; raises BadReply."""
    try:
        fields = json.loads(body, parse_constant=refuse)
        return {name: numbers(value, dtype) for name, value in fields.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadReply(f"{body[:40]!r}, {error}", "JSON with loss, and grad where it was asked for") from error


def refuse(token: str) -> NoReturn:
    """A reply never holds one."""
    raise ValueError(f"the bare token {token}")


def numbers(value: Any, dtype: np.dtype[Any]) -> Array:
    """Numbers, or lists of them, all of the same length."""
    array = np.asarray(value)
    if array.dtype.kind not in "fi":
        raise TypeError(f"{str(value)[:40]!r} is no array of numbers")
    return array.astype(dtype)
