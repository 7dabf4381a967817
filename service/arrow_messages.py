"""The messages of an Arrow IPC stream, looked at before pyarrow has them, by a walker that believes nothing.

pyarrow verifies where everything lies. But a few bytes may ask it to decompress, or to copy, terabytes before it returns.
"""

import struct
from collections.abc import Iterator
from itertools import chain, repeat
from struct import unpack_from
from typing import Any, NamedTuple

import pyarrow as pa

from service.errors import MalformedRequest

PREFIX_BYTES = 8  # what a message begins with, and what it is padded to
CONTINUATION = 2**32 - 1
MOST_HEADER_BYTES = 1 << 20
MOST_BATCHES = 1 << 14
MOST_FIELDS = 64  # columns, and what they are lists of
MOST_ENTRIES = 256  # of one list in a header: columns, or pairs of metadata
PAIR_BYTES = 16  # what a pair of metadata takes beside its text, at least
HEADERS = ("message of no type", "schema", "dictionary batch", "record batch", "tensor", "sparse tensor")


class Table(NamedTuple):
    """A table of a flatbuffer, verified or not; its members by their numbers in Arrow's Message.fbs and Schema.fbs."""

    data: memoryview
    place: int = 0

    def member(self, number: int) -> int:
        """Where a member lies, 0 where it is not there."""
        vtable = self.place - unpack_from("<i", self.data, self.place)[0]
        entry, end = vtable + 4 + 2 * number, vtable + unpack_from("<H", self.data, vtable)[0]
        offset = unpack_from("<H", self.data, entry)[0] if entry < end else 0
        return int(offset and self.place + offset)

    def byte(self, number: int) -> int:
        """The lowest byte of an integer; 0 where it is not there."""
        place = self.member(number)
        return self.data[place] if place else 0

    def table(self, place: int) -> "Table":
        """What the reference at this place leads to."""
        return Table(self.data, place + int(unpack_from("<I", self.data, place)[0]))

    def items(self, number: int, item_bytes: int) -> range:
        """Where the items of a vector lie."""
        if not self.member(number):
            return range(0)
        place = self.table(self.member(number)).place
        count = min(unpack_from("<I", self.data, place)[0], len(self.data) // item_bytes)
        return range(place + 4, place + 4 + count * item_bytes, item_bytes)

    def tables(self, number: int) -> list["Table"]:
        """The tables of a vector, which are few; raises MalformedRequest."""
        places = self.items(number, 4)
        if len(places) > MOST_ENTRIES:
            raise MalformedRequest(f"the header of an Arrow message has a list of {len(places)} entries; expected at most {MOST_ENTRIES}")
        return [self.table(place) for place in places]

    def text(self, number: int) -> memoryview:
        """A string."""
        items = self.items(number, 1)
        return self.data[items.start : items.stop]

    def pairs(self, number: int) -> list[tuple[memoryview, memoryview]]:
        """Metadata."""
        return [(each.text(0), each.text(1)) for each in self.tables(number)]


def messages(body: bytearray | memoryview) -> Iterator[tuple[Table, Any]]:
    """A Schema, and then nothing but RecordBatches: each as the walker sees it, and as pyarrow has verified it."""
    if bytes(body[:6]) == b"ARROW1":
        raise MalformedRequest("the body is an Arrow file; expected an Arrow stream")
    source = pa.BufferReader(pa.py_buffer(body))
    for expected in chain(["schema"], repeat("record batch", MOST_BATCHES), [f"end, behind {MOST_BATCHES} record batches"]):
        metadata = framed(memoryview(body), source.tell())
        if metadata is None and expected != "schema":
            return
        if metadata is None:
            raise MalformedRequest("the body is no Arrow stream: it has no schema")
        try:
            found = modest(Table(metadata).table(0), expected)
        except (struct.error, IndexError) as error:
            raise MalformedRequest(f"the header of an Arrow message leads out of itself: {error}") from None
        yield found, pa.ipc.read_message(source)


def framed(body: memoryview, place: int) -> memoryview | None:
    """The metadata of the message that begins at this place, None where the stream ends."""
    if place == len(body):
        return None
    begin = place + PREFIX_BYTES
    marker, length = unpack_from("<Ii", body, place) if begin <= len(body) else (0, 0)
    if marker != CONTINUATION or not 0 <= length <= min(MOST_HEADER_BYTES, len(body) - begin) or (place | length) % PREFIX_BYTES:
        raise MalformedRequest(f"at byte {place} of {len(body)} no message of an Arrow stream begins")
    if not length and begin < len(body):
        raise MalformedRequest(f"{len(body) - begin} bytes lie behind the end of the Arrow stream")
    return body[begin : begin + length] if length else None


def modest(message: Table, expected: str) -> Table:
    """The Schema or RecordBatch of a message, which asks for no more than what it is long; raises MalformedRequest."""
    kind = dict(enumerate(HEADERS)).get(message.byte(1), HEADERS[0])
    if kind != expected or not message.member(2):
        raise MalformedRequest(f"found a {kind} in the Arrow stream; expected the {expected}")
    found = message.table(message.member(2))
    if message.member(4):
        raise MalformedRequest(f"the message of a {kind} has metadata of its own; expected it in the schema")
    if kind == "record batch" and found.member(3):
        raise MalformedRequest("a record batch is compressed; expected plain buffers (Content-Encoding can compress the body)")
    if kind == "schema" and found.byte(0):
        raise MalformedRequest("the Arrow stream is big-endian; expected little-endian")
    if kind == "schema":
        without_overlaps(found)
    return found


def without_overlaps(schema: Table) -> None:
    """The schema has few fields, and no metadata that lies over itself; raises MalformedRequest."""
    left = len(schema.data)
    queue = [(schema, 1, 2)]
    for table, children, metadata in queue:
        queue += [(each, 5, 6) for each in table.tables(children)]
        left -= sum(PAIR_BYTES + len(name) + len(text) for name, text in table.pairs(metadata))
        if left < 0 or len(queue) > 1 + MOST_FIELDS:
            raise MalformedRequest(f"the schema has more than {MOST_FIELDS} fields, or metadata that lies over itself")
