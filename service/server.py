"""uvicorn's server, ending in two steps: after TERM the service is not ready and still answers for a while; then it finishes what runs."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

import uvicorn

ENDED_AT_ONCE = 128 + signal.SIGTERM
BROKEN = 3
TWICE_S = 0.5  # within which a second signal is the first again: sent to every process of a group, and passed on by the first of them
TICKS = 10  # of the server in a second


def nothing() -> None:
    """Do nothing."""


class Life(NamedTuple):
    """What is to be done when."""

    drain: Callable[[], None] = nothing  # the service is to end soon: be not ready
    end: Callable[[], None] = nothing  # it ends: take nothing more
    each_second: Callable[[], None] = nothing


class Server(uvicorn.Server):
    """A second TERM, or INT, ends the process where it stands."""

    def __init__(self, config: uvicorn.Config, life: Life, drain_s: float) -> None:
        super().__init__(config)
        self.life, self.drain_s = life, drain_s
        self.told_at: float | None = None
        self.stop_at = float("inf")
        self.exit_code = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: be not ready, and stop after the drain time. INT, from a terminal: stop now. Again: end at once."""
        now = time.monotonic()
        if self.told_at is None:
            self.told_at = now
            self.life.drain()
            self.stop_at = min(self.stop_at, now + (self.drain_s if sig == signal.SIGTERM else 0))
        elif now - self.told_at > TWICE_S:
            os._exit(ENDED_AT_ONCE)  # threads that compute would keep the interpreter alive

    def give_up(self) -> None:
        """End as soon as what runs is done, and say to whoever watches that this process was broken."""
        self.exit_code, self.stop_at = BROKEN, time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop."""
        if counter % TICKS == 0:
            self.life.each_second()
        if time.monotonic() >= self.stop_at and not self.should_exit:
            self.should_exit = True
            self.life.end()
        return await super().on_tick(counter)
