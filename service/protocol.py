"""HTTP/1.1 that stays HTTP/1.1.

Java's HttpClient, and curl --http2, offer with every first request to go on in HTTP/2. A server may ignore such an offer (RFC 9110, 7.8),
but httptools ends the message where it sees one, and the body of a POST is lost. So the offer is renamed before it is parsed.
"""

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

OFFER = re.compile(rb"(?<=\r\n)upgrade(?=[ \t]*:)", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, deaf to offers of another protocol."""

    in_head = True

    def data_received(self, data: bytes) -> None:
        """Bytes of the connection: of a request's head, its body, or both."""
        if self.in_head:
            head, end, rest = data.partition(END_OF_HEAD)
            data = OFFER.sub(b"declined", head) + end + rest if OFFER.search(head) else data
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """What follows is the body."""
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What follows is the next head."""
        self.in_head = True
        super().on_message_complete()
