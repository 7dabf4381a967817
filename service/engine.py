"""Runs jobs off the event loop, a bounded number at a time; refuses when the queue is full."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from models.contract import Runtime
from models.errors import UnknownRuntime
from service.errors import NotReady, Overloaded

P = ParamSpec("P")
T = TypeVar("T")
SMALL_BYTES = 1 << 16  # work on so little takes less than handing it to another thread
log = logging.getLogger("gradwire")


class Engine:
    """The runtimes, and the threads they run in; `ready` once each has computed something."""

    def __init__(self, runtimes: Mapping[str, Runtime], default: str, jobs: int, queue: int) -> None:
        self.runtimes, self.default = runtimes, default
        self.limit = jobs + queue
        self.unfinished = 0
        self.ready = False
        self.threads = ThreadPoolExecutor(jobs, thread_name_prefix="job")

    async def warm_up(self) -> None:
        """Compute something real on every runtime, then be ready."""
        for name, runtime in self.runtimes.items():
            began = time.perf_counter()
            await self.in_thread(runtime.warm_up)
            log.info("%s is warm on %s after %.2f s", name, runtime.device, time.perf_counter() - began)
        self.ready = True

    def enter(self) -> None:
        """Take a place among the requests that run or wait; raises NotReady or Overloaded where none is to be had."""
        self.is_ready()
        if self.unfinished >= self.limit:
            raise Overloaded(f"{self.unfinished} requests are running or waiting, as many as this service takes")
        self.unfinished += 1

    def is_ready(self) -> None:
        """Raise NotReady until every runtime is warm."""
        if not self.ready:
            raise NotReady("the service is starting: its runtimes are not warm yet")

    def leave(self) -> None:
        """Give the place back."""
        self.unfinished -= 1

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place, from before a body is read until its reply is written."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def runtime(self, name: str | None) -> Runtime:
        """The runtime of this name, or the default; raises UnknownRuntime."""
        name = name or self.default
        if name not in self.runtimes:
            raise UnknownRuntime(name, self.runtimes)
        return self.runtimes[name]

    async def aside(self, nbytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work at once if it is on few bytes, and in a thread otherwise."""
        return work(*args, **kwargs) if nbytes <= SMALL_BYTES else await self.in_thread(work, *args, **kwargs)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self.ready = False
        self.threads.shutdown(wait=True, cancel_futures=True)
