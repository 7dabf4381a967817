"""gzip and deflate: request bodies, never unpacked beyond the limit, and replies."""

import zlib
from collections.abc import Callable, Sequence

from service.errors import BodyTooLarge, MalformedRequest

SLICE_BYTES = 1 << 16  # packed; zlib copies what it has not used
MOST_MEMBERS = 1000  # of a gzip body: one costs a copy of what follows it, however little it holds
PIECE_BYTES = 1 << 20  # unpacked
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = ("gzip", "x-gzip", "deflate", "identity")
REPLY_CODINGS = ("gzip", "deflate")
FAST = 1  # numbers hardly become smaller by trying harder


def unpacked(body: bytearray | memoryview, coding: str, limit: int, grow: Callable[[int], None] = lambda _: None) -> bytearray:
    """The body before it was compressed; `grow` is told of every piece of memory that this takes.

    Raises BodyTooLarge as soon as there is more of it than the limit, MalformedRequest where it is not what it says, or not whole.
    """
    try:
        return members(memoryview(body), GZIP if coding != "deflate" else deflate_form(body), limit, grow)
    except zlib.error as error:
        raise MalformedRequest(f"the body is not {coding}: {error}") from None


def deflate_form(body: bytearray | memoryview) -> int:
    """HTTP's deflate has zlib's header (RFC 9110, 8.4.1.2); some clients leave it out."""
    has_header = len(body) >= 2 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    return ZLIB if has_header else RAW


def members(packed: memoryview, form: int, limit: int, grow: Callable[[int], None]) -> bytearray:
    """Everything that is packed, one member after another: a gzip body may have several."""
    body = bytearray()
    member = zlib.decompressobj(form)
    left = MOST_MEMBERS
    for start in range(0, len(packed), SLICE_BYTES):
        rest: bytes | memoryview = packed[start : start + SLICE_BYTES]
        while len(rest):
            if member.eof:
                left -= 1
                if form != GZIP or not left:
                    raise MalformedRequest("the compressed body goes on behind its end")
                member = zlib.decompressobj(form)
            rest = unpack_into(body, member, rest, limit, grow)
    if not member.eof:
        raise MalformedRequest("the compressed body is not whole")
    return body


def unpack_into(body: bytearray, member: "zlib._Decompress", data: bytes | memoryview, limit: int, grow: Callable[[int], None]) -> bytes:
    """Add what the data unpacks to; returns what of it lies behind the member's end."""
    while True:
        room = min(PIECE_BYTES, limit + 1 - len(body))
        piece = member.decompress(data, room)
        grow(len(piece))
        body += piece
        if len(body) > limit:
            raise BodyTooLarge(limit)
        data = member.unconsumed_tail
        if member.eof or (not data and len(piece) < room):
            return member.unused_data


def packed(parts: Sequence[bytes | memoryview], coding: str) -> list[bytes | memoryview]:
    """The pieces of a reply, compressed."""
    packer = zlib.compressobj(FAST, zlib.DEFLATED, GZIP if coding == "gzip" else ZLIB)
    return [piece for piece in (*map(packer.compress, parts), packer.flush()) if piece]
