"""HTTP by the standard library alone, so that raw bytes, headers and the reuse of a connection are in our hands."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.case import Unmet, expect, member

JSON = {"Content-Type": "application/json"}
TIMEOUT_S = 30


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unmet(f"{self.status} with a body that is not JSON: {self.body[:100]!r}") from None

    def ok(self) -> "Reply":
        """Itself, if the status is 200."""
        expect(self.status == 200, f"{self.status} instead of 200: {self.body[:200]!r}")
        return self

    def refusal(self) -> "Reply":
        """Itself, if it is an error status with an error message."""
        expect(self.status >= 400, f"{self.status} instead of an error status: {self.body[:200]!r}")
        expect(member(self.json(), "error", str), '"error" is empty')
        return self


class ExactResponse(HTTPResponse):
    """Reads no byte beyond its own, so that one that the server should not have sent spoils the next reply."""

    def __init__(self, sock: Any, *more: Any, **named: Any) -> None:
        super().__init__(sock, *more, **named)
        self.fp.close()
        self.fp = sock.makefile("rb", 1)


class Connection:
    """One connection to the server, kept as long as the server keeps it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.http = kind(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)
        self.http.response_class = ExactResponse
        self.prefix = parts.path.rstrip("/")
        self.drops = 0

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send bytes as they are, anything else as JSON; where the server has dropped the connection unannounced, count that and reopen."""
        is_json = body is not None and not isinstance(body, bytes)
        content = json.dumps(body).encode() if is_json else body
        headers = dict(headers if headers is not None else JSON if body is not None else {})
        reused = self.http.sock is not None
        try:
            return self.exchange(method, path, content, headers)
        except (ConnectionError, HTTPException) as broken:
            self.http.close()
            if not reused or not isinstance(broken, ConnectionError):
                raise Unmet(f"no HTTP answer: {broken!r}") from broken
            self.drops += 1
            return self.exchange(method, path, content, headers)
        except OSError as broken:
            raise Unmet(f"no answer: {broken!r}") from broken

    def exchange(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        """One request and its reply."""
        self.http.request(method, self.prefix + path, content, headers)
        with self.http.getresponse() as response:
            return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """A new connection, closed at the end."""
    opened = Connection(url)
    try:
        yield opened
    finally:
        opened.http.close()
