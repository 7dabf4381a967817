"""The memory that requests in flight may take: each waits until there is room, so that many large ones never end the process."""

import asyncio
import threading
from collections import deque

COST = 8  # bytes that computing takes for each byte of a body, measured: docs/deployment.md has the table
KEPT = 2  # and that holding a reply takes for each of its bytes, with the holes that it leaves in the heap: tests/chaos measures it


class Memory:
    """Bytes, given out in the order in which they are asked for; more than all of them are given when nothing else is out."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0
        self.waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.lock = threading.Lock()  # bodies are unpacked in threads

    async def take(self, nbytes: int) -> int:
        """Wait for so many bytes; returns how many were taken, which are to be given back."""
        nbytes = min(nbytes, self.total)
        if not self.waiting and self.try_take(nbytes):
            return nbytes
        turn = asyncio.get_running_loop().create_future()
        entry = nbytes, turn
        self.waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self.waiting.remove(entry)
                self.give(0)  # those behind it need not wait for it any more
            else:
                self.give(nbytes)  # it was this request's turn, just as it gave up
            raise
        return nbytes

    def try_take(self, nbytes: int) -> bool:
        """Take so many bytes if they are there; may be called from any thread."""
        with self.lock:
            if self.taken + nbytes > self.total:
                return False
            self.taken += nbytes
            return True

    def give(self, nbytes: int) -> None:
        """Give bytes back, and wake those whose turn it is; called from the event loop."""
        with self.lock:
            self.taken -= nbytes
        while self.waiting:
            wanted, turn = self.waiting[0]
            if turn.cancelled():
                return  # its own task is about to go on from here
            if not self.try_take(wanted):
                return
            self.waiting.popleft()
            turn.set_result(None)
