"""HTTP/1.1 that stays HTTP/1.1, and connections that cannot be held for ever.

Java's HttpClient, and curl --http2, offer with every first request to go on in HTTP/2. A server may ignore such an offer (RFC 9110, 7.8),
but httptools ends the message where it sees one, and the body of a POST is lost. So the offer is renamed before it is parsed.

A reply may be complete while the body of its request still comes: a refusal, mostly. The rest is read for a moment and thrown away,
for to close at once would have the client's system throw away the reply too (RFC 9112, 9.6).

A body whose length was announced is read straight to where it is wanted (`service.incoming`), past the parser, which begins anew behind it.
"""

import asyncio
import re
import threading

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.incoming import EXTENSION, Incoming, length_of

OFFER = re.compile(rb"(?<=\r\n)upgrade(?=[ \t]*:)", re.IGNORECASE)
LAST_MOMENT_S = 0.5
MOST_HEAD_BYTES = 1 << 16
LEAST_READ_BYTES = 1 << 16  # of a reply, in the time for a piece of it
MOST_REST_BYTES = 32 << 20  # of a body whose request has been answered, and the connection closed
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"


class Lingering:
    """The transport as a request's cycle sees it: to close it is to say that no more comes, and to go when the other side is done."""

    def __init__(self, protocol: "HttpProtocol") -> None:
        self.protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """Close now where the request is whole, and a little later where more of it comes."""
        transport = self.protocol.transport
        if self.protocol.in_head or transport.is_closing():
            transport.close()
        else:
            self.protocol.last = True
            transport.write_eof()


class Room(threading.local):
    """For what is read on any connection of a thread's loop, until the same moment's `buffer_updated` takes it out."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(1 << 16))


ROOM = Room()


class Reader(asyncio.BufferedProtocol):
    """What the transport sees of a connection: where to put the bytes that it reads."""

    def __init__(self, protocol: "HttpProtocol") -> None:
        self.protocol, self.room = protocol, ROOM.view
        self.pause_writing, self.resume_writing = protocol.pause_writing, protocol.resume_writing  # type: ignore[method-assign]
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the body is wanted, if one comes; else a place for all."""
        return self.protocol.place or self.room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were put there."""
        if self.protocol.place:
            self.protocol.body_received(nbytes)
        else:
            self.protocol.data_received(bytes(self.room[:nbytes]))


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, deaf to offers of another protocol."""

    head_s: float = 15  # for a request's head: who sends it a byte at a time holds a connection no longer
    in_head = True
    head_bytes = 0
    head_timer: asyncio.TimerHandle | None = None
    reply_s: float = 30  # for a piece of a reply to be read: who does not read makes us hold it
    reply_timer: asyncio.TimerHandle | None = None
    rest_s: float = 15  # for the rest of a body whose request has been answered
    rest_timer: asyncio.TimerHandle | None = None
    rest_bytes = 0
    last = False  # the connection is not used for another request
    incoming: Incoming | None = None  # a body that the parser does not see to its end
    body_bytes = 0  # of the body, that came so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection, which has a while to send a request's head."""
        super().connection_made(transport)
        self.lingering = Lingering(self)
        transport.set_protocol(Reader(self))
        self.expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.head_came()
        self.reply_moves()
        self.rest_came()
        super().connection_lost(exc)
        if self.incoming is not None:
            self.incoming.moved.set()

    @property
    def place(self) -> memoryview | None:
        """Where the next bytes of a body are wanted."""
        return None if self.incoming is None else self.incoming.view

    def receive_into(self, incoming: Incoming) -> None:
        """Read what comes next of a body straight to its place."""
        self.incoming = incoming
        if self.cycle.disconnected:
            incoming.moved.set()
        if self.cycle.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(CONTINUE)
            self.cycle.waiting_for_100_continue = False
        self.flow.resume_reading()

    def body_received(self, count: int) -> None:
        """So many bytes of a body have been read to their place."""
        assert self.incoming is not None
        self.incoming.advance(count)
        self.body_bytes += count
        if self.body_bytes == self.incoming.length:
            self.body_is_whole()
        elif self.incoming.is_full:
            self.flow.pause_reading()

    def rest_of_body(self, data: bytes) -> bytes:
        """Bytes behind those that were read to their place: what nobody wants any more of the body, and then something else."""
        assert self.incoming is not None
        self._unset_keepalive_if_required()
        body = data[: self.incoming.length - self.body_bytes]
        self.on_body(body)
        if self.body_bytes == self.incoming.length:
            self.body_is_whole()
        return data[len(body) :]

    def body_is_whole(self) -> None:
        """What comes next is a head, for a parser that has not seen this body's beginning."""
        self.incoming = None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.on_message_complete()

    def expect_head(self) -> None:
        """Close the connection unless a whole head comes within the time for one."""
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(self.head_s, self.head_is_late)

    def head_is_late(self) -> None:
        """Go, but not before a reply that is on its way: a client may send the next head early."""
        self.head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.expect_head()

    def head_came(self) -> None:
        """Stop waiting for it."""
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self.expect_reading()

    def expect_reading(self) -> None:
        """Cut the client off unless it reads something within the time for that."""
        self.reply_timer = self.loop.call_later(self.reply_s, self.look_at_reading, self.transport.get_write_buffer_size())

    def look_at_reading(self, left: int) -> None:
        """Go on waiting for a client that reads, however slowly a large piece goes."""
        if left - self.transport.get_write_buffer_size() >= min(left, LEAST_READ_BYTES):
            self.expect_reading()
        else:
            self.transport.abort()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.reply_moves()
        super().resume_writing()

    def reply_moves(self) -> None:
        """Stop waiting for the client to read."""
        if self.reply_timer is not None:
            self.reply_timer.cancel()
            self.reply_timer = None

    def shutdown(self) -> None:
        """The service stops: a connection on which nothing was asked yet has a moment left, for its request may be on its way."""
        if self.cycle is None:
            self.loop.call_later(LAST_MOMENT_S, super().shutdown)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Bytes of the connection: of a request's head, its body, or both."""
        if self.in_head:
            self.expect_head()
            self.head_bytes += len(data)
            if self.head_bytes > MOST_HEAD_BYTES and END_OF_HEAD not in data:
                self.transport.abort()  # nothing that reads such a head is to be answered
                return
            head, end, rest = data.partition(END_OF_HEAD)
            data = OFFER.sub(b"declined", head) + end + rest if OFFER.search(head) else data
        elif self.last:
            self.rest_bytes += len(data)
            if self.rest_bytes > MOST_REST_BYTES:
                self.transport.close()
                return
        if self.incoming is not None:
            rest = self.rest_of_body(data)
            if rest:
                self.data_received(rest)
        else:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """What follows is the body."""
        self.in_head, self.head_bytes, self.body_bytes = False, 0, 0
        self.head_came()
        super().on_headers_complete()
        self.cycle.transport = self.lingering  # type: ignore[assignment]
        length = next((length_of(value.decode("latin-1")) for name, value in self.headers if name == b"content-length"), 0)
        if length and not self.parser.should_upgrade():  # an offer that was not seen as one ends the message here, to httptools
            self.scope["extensions"] = {EXTENSION: Incoming(self, self.cycle, length)}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        """Some of it, which came with the head or is sent without its length."""
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows is the next head."""
        self.in_head = True
        self.rest_came()
        super().on_message_complete()
        if self.last:
            self.transport.close()

    def on_response_complete(self) -> None:
        """The reply has been written; its request may still be coming."""
        super().on_response_complete()
        if not self.in_head and self.cycle.response_complete and not self.transport.is_closing():
            self.rest_timer = self.loop.call_later(self.rest_s, self.transport.close)

    def rest_came(self) -> None:
        """Stop waiting for it."""
        self.rest_bytes = 0
        if self.rest_timer is not None:
            self.rest_timer.cancel()
            self.rest_timer = None
