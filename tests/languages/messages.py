"""HTTP/1.1 as the misbehaving server speaks it: requests are read from a socket, replies are bytes that a fault may cut anywhere."""

import http
import secrets
import socket
from dataclasses import dataclass, field, replace
from io import BufferedIOBase

MOST_LINE_BYTES = 1 << 16


class Closed(Exception):
    """The client has left, or speaks no HTTP."""


@dataclass(frozen=True)
class Message:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def keeps(self) -> bool:
        """Whether the client wants the connection kept."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True)
class Reply:
    """A reply, before it is decided how it is sent."""

    status: int
    media_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def with_headers(self, **headers: str) -> "Reply":
        """The same with these besides."""
        return replace(self, headers={**self.headers, **headers})

    def head(self, message: Message, length: str | None = None) -> bytes:
        """Status and headers."""
        request_id = message.headers.get("x-request-id") or secrets.token_hex(8)
        headers = {
            "Content-Type": self.media_type,
            **({"Content-Length": str(len(self.body))} if length is None else {"Transfer-Encoding": length}),
            "X-Request-ID": request_id,
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    def whole(self, message: Message) -> bytes:
        """All of it."""
        return self.head(message) + self.body

    def in_chunks(self, message: Message, size: int) -> bytes:
        """All of it, the body in chunks."""
        chunks = [self.body[begin : begin + size] for begin in range(0, len(self.body), size)]
        framed = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in [*chunks, b""])
        return self.head(message, "chunked") + framed


def read_message(stream: BufferedIOBase, connection: socket.socket) -> Message:
    """The next request; raises Closed where none comes."""
    method, path, *_ = [*line(stream).split(" "), "", ""]
    headers: dict[str, str] = {}
    while text := line(stream):
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    body = chunks(stream) if is_chunked else exactly(stream, int(headers.get("content-length", "0")))
    return Message(method, path, headers, body)


def line(stream: BufferedIOBase) -> str:
    """A line of a head."""
    text = stream.readline(MOST_LINE_BYTES)
    if not text.endswith(b"\n"):
        raise Closed
    return text.decode("latin-1").rstrip("\r\n")


def exactly(stream: BufferedIOBase, count: int) -> bytes:
    """So many bytes."""
    body = stream.read(count)
    if len(body) < count:
        raise Closed
    return body


def chunks(stream: BufferedIOBase) -> bytes:
    """A body that does not say how long it is."""
    body = b""
    while count := int(line(stream).split(";")[0], 16):
        body += exactly(stream, count)
        line(stream)
    while line(stream):
        pass
    return body
