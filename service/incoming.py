"""A request's body on its way from the socket straight to where it is wanted: the system writes it there, and nobody copies it again.

uvicorn would hand it on in pieces of 64 KiB, each copied four times. Here the connection (`service.protocol`) reads into a view of the
buffer that the body will be in, for as long as there is one; ASGI knows nothing of it but an extension of the request's scope.
"""

import asyncio
from typing import Protocol

from starlette.requests import ClientDisconnect

EXTENSION = "gradwire.incoming"
MOST_DIGITS = 19
READS_UNSEEN = 1000  # after which whoever waits has a look at how small they are


def length_of(digits: str) -> int:
    """What Content-Length says; 0 where that is no number, and a number that no limit admits where it is longer than any is."""
    if not (digits.isascii() and digits.isdigit()):
        return 0
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) <= MOST_DIGITS else 10**MOST_DIGITS


class Cycle(Protocol):
    """What uvicorn knows of a request: how much of its body came already, and whether its client has left."""

    body: bytearray
    disconnected: bool


class Connection(Protocol):
    """What reads."""

    def receive_into(self, incoming: "Incoming") -> None:
        """Have what comes next of the body put where it is wanted."""


class Incoming:
    """The body of one request, `length` bytes of it; `reads` counts how often some of it came, `taken` how much of it is in its place."""

    def __init__(self, connection: Connection, cycle: Cycle, length: int) -> None:
        self.connection, self.cycle, self.length = connection, cycle, length
        self.view: memoryview | None = None  # where the next bytes are to be
        self.moved = asyncio.Event()
        self.reads = self.taken = 0

    @property
    def is_full(self) -> bool:
        """Whether there is no place for what comes next."""
        return not self.view

    def aim(self, view: memoryview) -> None:
        """Have the next bytes put here; those that came with the head are here already."""
        came = self.cycle.body
        count = min(len(came), len(view))
        view[:count] = came[:count]
        del came[:count]
        self.taken += count
        self.view = view[count:]
        self.moved.clear()
        if not self.is_full:
            self.connection.receive_into(self)

    def advance(self, count: int) -> None:
        """So many bytes have been put there."""
        assert self.view is not None
        self.view = self.view[count:]
        self.taken += count
        self.reads += 1
        if self.is_full or self.reads % READS_UNSEEN == 0:
            self.moved.set()

    async def moves(self) -> None:
        """Wait until there is no more place, or something is to be looked at; raises ClientDisconnect where nothing more will come."""
        await self.moved.wait()
        self.moved.clear()
        if self.cycle.disconnected:
            raise ClientDisconnect

    def stop(self) -> None:
        """Put nothing there any more."""
        self.view = None
