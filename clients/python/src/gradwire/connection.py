"""Connections whose replies come within a time, however slowly their bytes do: urllib3's own timeouts begin anew with every byte."""

import io
import socket
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse


class TimedReader(io.RawIOBase):
    """What comes on a socket until the deadline, a time of time.monotonic(); raises TimeoutError then."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline = sock, deadline
        self.inner = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait no longer than there is time."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(left)
        return self.inner.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self.inner.close()
        super().close()


class TimedSocket:
    """A socket whose file is a TimedReader."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline = sock, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client reads a reply from."""
        return io.BufferedReader(TimedReader(self.sock, self.deadline), 1 << 16)


class TimedHTTPConnection(HTTPConnection):
    """The timeout that is left when the request has been sent is that of the whole reply."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        """As it is, from a socket with a deadline."""
        kept = self.sock
        self.sock = TimedSocket(kept, time.monotonic() + (self.timeout or 0))
        try:
            return super().getresponse()
        finally:
            if self.sock is not None:  # http.client has not closed it
                self.sock = kept


class TimedHTTPSConnection(TimedHTTPConnection, HTTPSConnection):
    """The same over TLS."""


def pool_for(scheme: str, host: str, port: int | None, most: int) -> HTTPConnectionPool:
    """Connections to one host, which are kept, and as many of them as there are calls at once."""
    kind = HTTPSConnectionPool if scheme == "https" else HTTPConnectionPool
    pool = kind(host, port, maxsize=most, block=False, retries=False)
    pool.ConnectionCls = TimedHTTPSConnection if scheme == "https" else TimedHTTPConnection
    return pool
