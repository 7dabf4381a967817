"""How many fields a protobuf message has, counted before it is parsed: parsing makes forty bytes of an empty field's two.

A message of a megabyte of tensors has a few dozen fields; one of a megabyte of crumbs has hundreds of thousands, and is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from service.errors import MalformedRequest

MOST_FIELDS = 200_000
SMALL_BYTES = 1 << 20  # crumbs of no more than this do no harm
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
LONGEST_VARINT = 10

Kind = Mapping[int, Any]
LEAF: Kind = {}
PARAMETERS: Kind = {2: LEAF}
# The messages in a ModelInferRequest, by the numbers of their fields.
REQUEST: Kind = {4: PARAMETERS, 5: {4: PARAMETERS, 5: LEAF}, 6: {2: PARAMETERS}}


def refuse_crumbs(data: bytes) -> None:
    """Raise MalformedRequest for a ModelInferRequest of very many fields, or one that is cut short."""
    if len(data) <= SMALL_BYTES:
        return
    left, todo = MOST_FIELDS, [(memoryview(data), REQUEST)]
    while todo:
        message, kind = todo.pop()
        for number, content in fields(message):
            left -= 1
            if left < 0:
                raise MalformedRequest(f"the message has more than {MOST_FIELDS} fields; send tensors in raw_input_contents")
            if content is not None and number in kind:
                todo.append((content, kind[number]))


def fields(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """The fields of a message: the number of each, and its content where that has a length."""
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        length = {FIXED_64: 8, FIXED_32: 4}.get(tag & 7, 0)
        if tag & 7 == VARINT:
            _, place = varint(data, place)
        elif tag & 7 == LENGTH:
            length, place = varint(data, place)
        elif not length:
            raise MalformedRequest(f"the message is no protobuf: wire type {tag & 7}")
        if place + length > len(data):
            raise MalformedRequest("the message is no protobuf: it ends within a field")
        yield tag >> 3, data[place : place + length] if tag & 7 == LENGTH else None
        place += length


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(LONGEST_VARINT):
        if place + shift >= len(data):
            break
        byte = data[place + shift]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, place + shift + 1
    raise MalformedRequest("the message is no protobuf: a number does not end")
