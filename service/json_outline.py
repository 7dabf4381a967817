"""A JSON object with its arrays cut out: what is left is small, and the arrays can be read without Python's parser."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_STRING_BYTES = 1 << 20
MOST_STRINGS = 1000  # of a request that has so many, the rest is not searched for arrays
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)  # possessive: no memory for a way back that there is not
OPENS_ARRAY = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")
MARK = secrets.token_hex(8)  # a string that no request can hold by chance, or by guessing


class Depth(NamedTuple):
    """How many braces and brackets are open."""

    braces: int
    brackets: int


OUTERMOST = Depth(1, 0)
IN_A_LIST = Depth(2, 1)  # an object of a list that is a value of the outermost object


@dataclass(frozen=True)
class Outline:
    """The text without its arrays, each replaced by a string that `mark` gives; and where they stood."""

    text: bytes
    spans: dict[str, tuple[int, int]]


def outline(body: bytes | bytearray, depth: Depth = OUTERMOST) -> Outline:
    """Cut out the values of the objects at this depth that are arrays without strings or objects in them."""
    pieces: list[bytes] = []
    spans: dict[str, tuple[int, int]] = {}
    kept_to = 0
    for start in array_starts(body, depth):
        quote = body.find(b'"', start)
        stop = quote if quote >= 0 else len(body)
        brace = body.find(b"}", start, stop)
        end = body.rfind(b"]", start, brace if brace >= 0 else stop) + 1
        if end <= start or body.count(b"[", start, end) != body.count(b"]", start, end) or body.find(b"{", start, end) >= 0:
            continue
        mark = f"{MARK}{len(spans)}"
        spans[mark] = (start, end)
        pieces += [bytes(body[kept_to:start]), f'"{mark}"'.encode()]
        kept_to = end
    return Outline(b"".join([*pieces, bytes(body[kept_to:])]), spans)


def byte_offset(cut: Outline, position: int) -> int:
    """Where in the whole text a position in what is left of it lies."""
    for mark, (start, end) in cut.spans.items():
        if position > start:
            position += end - start - len(f'"{mark}"')
    return position


def array_starts(body: bytes | bytearray, depth: Depth) -> Iterator[int]:
    """Where an array follows a key of an object at this depth."""
    position, braces, brackets = 0, 0, 0
    for _ in range(MOST_STRINGS):
        quote = body.find(b'"', position)
        string = STRING.match(body, quote, quote + LONGEST_STRING_BYTES) if quote >= 0 else None
        if string is None:
            return
        braces += body.count(b"{", position, quote) - body.count(b"}", position, quote)
        brackets += body.count(b"[", position, quote) - body.count(b"]", position, quote)
        position = string.end()
        opens = OPENS_ARRAY.match(body, position)
        if opens is not None and (braces, brackets) == depth:
            yield opens.end()
