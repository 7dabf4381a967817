"""A JSON object with its arrays cut out: what is left is small, and the arrays can be read without Python's parser."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from service.json_scan import count

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
    for start, end in arrays(body, depth):
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


def arrays(body: bytes | bytearray, depth: Depth) -> Iterator[tuple[int, int]]:
    """Where an array without strings or objects follows a key of an object at this depth, and where it ends."""
    position, braces, brackets = 0, 0, 0
    for _ in range(MOST_STRINGS):
        quote = body.find(b'"', position)
        string = STRING.match(body, quote, quote + LONGEST_STRING_BYTES) if quote >= 0 else None
        if string is None:
            return
        braces += count(body, b"{", position, quote) - count(body, b"}", position, quote)
        brackets += count(body, b"[", position, quote) - count(body, b"]", position, quote)
        position = string.end()
        opens = OPENS_ARRAY.match(body, position)
        if opens is not None and (braces, brackets) == depth and (end := end_of_array(body, opens.end())):
            yield opens.end(), end
            position = end  # all that was opened in between is closed


def end_of_array(body: bytes | bytearray, start: int) -> int:
    """Behind the last bracket before a string or the end of an object; 0 if the array does not end there, or has objects in it."""
    quote = body.find(b'"', start)
    stop = quote if quote >= 0 else len(body)
    brace = body.find(b"}", start, stop)
    end = body.rfind(b"]", start, brace if brace >= 0 else stop) + 1
    if body.find(b"{", start, end) >= 0 or count(body, b"[", start, end) != count(body, b"]", start, end):
        return 0
    return end
