"""HTTP/1.1 that stays HTTP/1.1.

Java's HttpClient, and curl --http2, offer with every first request to go on in HTTP/2. A server may ignore such an offer (RFC 9110, 7.8),
but httptools ends the message where it sees one, and the body of a POST is lost. So the offer is renamed before it is parsed.
"""

import asyncio
import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

OFFER = re.compile(rb"(?<=\r\n)upgrade(?=[ \t]*:)", re.IGNORECASE)
LAST_MOMENT_S = 0.5
MOST_HEAD_BYTES = 1 << 16
END_OF_HEAD = b"\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, deaf to offers of another protocol."""

    head_s: float = 15  # for a request's head: who sends it a byte at a time holds a connection no longer
    in_head = True
    head_bytes = 0
    head_timer: asyncio.TimerHandle | None = None
    reply_s: float = 30  # for a piece of a reply to be read: who does not read makes us hold it
    reply_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection, which has a while to send a request's head."""
        super().connection_made(transport)
        self.expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.head_came()
        self.reply_moves()
        super().connection_lost(exc)

    def expect_head(self) -> None:
        """Close the connection unless a whole head comes within the time for one."""
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(self.head_s, self.transport.close)

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
        if self.transport.get_write_buffer_size() < left:
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
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """What follows is the body."""
        self.in_head, self.head_bytes = False, 0
        self.head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What follows is the next head."""
        self.in_head = True
        super().on_message_complete()
