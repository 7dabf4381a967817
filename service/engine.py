"""Runs jobs off the event loop, a bounded number at a time, within a bounded memory; refuses when the queue is full."""

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from models.contract import Runtime
from models.errors import DeviceFault, UnknownRuntime
from service.errors import BatchTooLarge, DeadlinePassed, NotReady, Overloaded
from service.memory import Memory

T = TypeVar("T")
STARTING = "the service is starting: its runtimes are not warm yet"
DRAINING = "the service is about to stop"
FAULTY = "a device of the service has failed; it is about to be started again"
log = logging.getLogger("gradwire")


class Engine:
    """The runtimes, and the threads they run in.

    `unavailable` is why requests are refused (empty: they are not); `draining` that the service is about to stop, and answers until then.
    """

    def __init__(
        self,
        runtimes: Mapping[str, Runtime],
        default: str,
        jobs: int,
        queue: int,
        memory_bytes: int,
        most: tuple[float, float] = (math.inf, math.inf),
    ) -> None:
        self.runtimes, self.default, self.most = runtimes, default, most
        self.limit = jobs + queue
        self.unfinished = 0
        self.running = 0  # pieces of work in threads
        self.memory = Memory(memory_bytes)
        self.unavailable = STARTING
        self.draining = False
        self.on_fault: Callable[[], None] = lambda: None
        self.threads = ThreadPoolExecutor(jobs, thread_name_prefix="job")

    @property
    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return not self.unavailable and not self.draining

    async def warm_up(self) -> None:
        """Compute something real on every runtime, then be ready."""
        for name, runtime in self.runtimes.items():
            began = time.perf_counter()
            try:
                await self.in_thread(runtime.warm_up)
            except DeviceFault as error:
                self.fail(error)
                raise
            log.info("%s is warm on %s after %.2f s", name, runtime.device, time.perf_counter() - began)
        self.unavailable = ""

    def is_ready(self) -> None:
        """Raise NotReady where requests are not welcome."""
        if not self.ready:
            raise NotReady(self.unavailable or DRAINING)

    def enter(self) -> None:
        """Take a place among the requests that run or wait; raises NotReady or Overloaded where none is to be had."""
        if self.unavailable:
            raise NotReady(self.unavailable)
        if self.unfinished >= self.limit:
            raise Overloaded(f"{self.unfinished} requests are running or waiting, as many as this service takes")
        self.unfinished += 1

    def leave(self) -> None:
        """Give the place back."""
        self.unfinished -= 1

    async def at_a_place(self, timeout_s: float, work: Callable[..., T], *args: Any) -> T:
        """Do the work of a request that has no body; raises DeadlinePassed, or as `enter` does."""
        self.enter()
        try:
            async with asyncio.timeout(timeout_s):
                return await self.in_thread(work, *args)
        except TimeoutError:
            raise DeadlinePassed(timeout_s) from None
        finally:
            self.leave()

    @property
    def queue_length(self) -> int:
        """How many requests wait for memory or for a thread."""
        return len(self.memory.waiting) + self.threads._work_queue.qsize()

    def fits(self, shape: tuple[int, int]) -> None:
        """Raise BatchTooLarge for more rows or classes than the limits."""
        for found, most, what in zip(shape, self.most, ("rows", "classes"), strict=True):
            if found > most:
                raise BatchTooLarge(found, int(most), what)

    def runtime(self, name: str | None) -> Runtime:
        """The runtime of this name, or the default; raises UnknownRuntime."""
        name = name or self.default
        if name not in self.runtimes:
            raise UnknownRuntime(name, self.runtimes)
        return self.runtimes[name]

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have the work done in one of the threads."""
        return self.threads.submit(self.counted, work)

    def counted(self, work: Callable[[], T]) -> T:
        """Do the work, and be seen doing it."""
        self.running += 1
        try:
            return work()
        finally:
            self.running -= 1

    async def in_thread(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do the work in one of the threads, and wait for it."""
        return await asyncio.wrap_future(self.submit(functools.partial(work, *args, **kwargs)))

    def fail(self, error: Exception) -> None:
        """A device is broken for good: refuse everything from now on."""
        log.critical("a device has failed, and the process must be started again: %s", error)
        self.unavailable = FAULTY
        self.on_fault()

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self.unavailable = self.unavailable or DRAINING
        self.threads.shutdown(wait=True, cancel_futures=True)
