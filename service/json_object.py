"""A JSON object whose number arrays were cut out: small enough for Python's own parser, which is strict about names."""

import json
from typing import Any

from models.errors import InvalidJob, Problem, shortened
from service.errors import MalformedRequest
from service.json_arrays import any_integer, described
from service.json_outline import Outline, byte_offset

MOST_BYTES_BESIDE_ARRAYS = 8 << 20
SHORT = 4096


def members(cut: Outline) -> dict[str, Any]:
    """The members of the object that is left when the arrays are cut out."""
    if len(cut.text) > MOST_BYTES_BESIDE_ARRAYS and cut.text.rstrip().endswith(b"}"):
        raise InvalidJob(Problem("", f"more than {MOST_BYTES_BESIDE_ARRAYS} bytes of the request are not arrays of numbers"))
    if len(cut.text) > MOST_BYTES_BESIDE_ARRAYS:
        raise MalformedRequest("the body is not application/json: it does not end with a brace")
    try:
        value = json.loads(cut.text.decode("utf-8-sig"), parse_int=any_integer, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise MalformedRequest(f"the body is not application/json: {error.msg} at byte {byte_offset(cut, error.pos)}") from None
    if not isinstance(value, dict):
        raise InvalidJob(Problem("", f"expected an object, found {described(value)}"))
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name is there twice."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise MalformedRequest(f"the body is ambiguous: {shortened(name)} is there twice")
        members[name] = value
    return members


def short_list(body: bytes | bytearray, span: tuple[int, int]) -> Any:
    """A list that was cut out, where it is not one of numbers that belong to a batch; a long one as an empty list."""
    return json.loads(body[slice(*span)], parse_int=any_integer) if span[1] - span[0] < SHORT else []


def literal(text: str) -> Any:
    """A JSON value, or the text itself where it is none; raises MalformedRequest where an object has a name twice."""
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return text
