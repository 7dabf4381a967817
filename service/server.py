"""uvicorn's server, ending in two steps: after TERM the service is not ready and still answers for a while; then it finishes what runs."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

ENDED_AT_ONCE = 128 + signal.SIGTERM
BROKEN = 3


class Server(uvicorn.Server):
    """A second TERM, or INT, ends the process where it stands."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None], drain_s: float) -> None:
        super().__init__(config)
        self.drain, self.drain_s = drain, drain_s
        self.stop_at: float | None = None
        self.exit_code = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: be not ready, and stop after the drain time. INT, from a terminal: stop now. Again: end at once."""
        if self.stop_at is not None:
            os._exit(ENDED_AT_ONCE)  # threads that compute would keep the interpreter alive
        self.drain()
        self.stop_at = time.monotonic() + (self.drain_s if sig == signal.SIGTERM else 0)

    def give_up(self) -> None:
        """End as soon as what runs is done, and say to whoever watches that this process was broken."""
        self.exit_code, self.stop_at = BROKEN, time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop."""
        self.should_exit = self.stop_at is not None and time.monotonic() >= self.stop_at
        return await super().on_tick(counter)
