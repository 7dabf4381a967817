"""A long array of numbers as several: of whole rows or, where a row is long too, of parts of it. Each piece is JSON if the whole is."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from service.json_scan import count

PIECE_BYTES = 1 << 18  # with what the parser makes of it, it stays in a core's cache, and in memory that is there already
LONG_ROW_BYTES = 1 << 19  # a longer row is read in parts
BETWEEN_ROWS = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*(?=\[)")
COMMA = re.compile(rb"(?<=[\w\]])[ \t\r\n]*,[ \t\r\n]*(?=[-\w\[])")  # between two numbers, or lists


class Piece(NamedTuple):
    """The text of an array, how many lists begin in it, and whether the last of them goes on in the next piece."""

    text: bytes
    lists: int
    goes_on: bool


class Cut(NamedTuple):
    """Where a piece ends, how many lists begin in it, where the next begins, and whether that is inside a row (1) or not (0)."""

    end: int
    lists: int
    following: int
    inside: int


def pieces(body: bytes | bytearray, start: int, end: int) -> Iterator[Piece]:
    """The array in pieces; the rest of it in one where the text between rows is not what it should be."""
    position, stop, inside = start + 1, end - 1, 0
    while stop - position > PIECE_BYTES and (cut := next_cut(body, position, stop, inside)) is not None:
        text = b"".join((b"[" * (1 + inside), memoryview(body)[position : cut.end], b"]" * (1 + cut.inside)))
        yield Piece(text, inside + cut.lists, bool(cut.inside))
        position, inside = cut.following, cut.inside
    text = b"".join((b"[" * (1 + inside), memoryview(body)[position:stop], b"]"))
    yield Piece(text, inside + count(body, b"[", position, stop), False)


def next_cut(body: bytes | bytearray, start: int, stop: int, inside: int) -> Cut | None:
    """A piece further on: where a row ends, or at a comma where none does soon; None where there is no good place."""
    end, lists = end_of_row(body, start, min(stop, start + LONG_ROW_BYTES), inside)
    if end:
        between = BETWEEN_ROWS.match(body, end, stop)
        return Cut(end, lists, between.end(), 0) if between else None
    comma = COMMA.search(body, start + PIECE_BYTES, stop)
    if comma is None:
        return None
    lists = count(body, b"[", start, comma.start())
    inside += lists - count(body, b"]", start, comma.start())
    return Cut(comma.start(), lists, comma.end(), inside) if inside in (0, 1) else None


def end_of_row(body: bytes | bytearray, start: int, stop: int, inside: int) -> tuple[int, int]:
    """Behind the first closing bracket a piece further on that leaves nothing open, and the lists before; 0 where there is none."""
    end = body.find(b"]", start + PIECE_BYTES, stop) + 1
    lists = count(body, b"[", start, end)
    opened = inside + lists - count(body, b"]", start, end)
    while end and opened > 0:  # only where lists are nested deeper than they should be
        following = body.find(b"]", end, stop) + 1
        more = count(body, b"[", end, following)
        lists, opened, end = lists + more, opened + more - 1, following
    return end, lists
