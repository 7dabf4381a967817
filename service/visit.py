"""One request on its way from bytes to bytes: its place, its memory, its deadline, and the time it spends in each stage."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, get_args

from models.contract import Result
from models.errors import DeviceFault, OutOfMemory
from service.codec import Order
from service.engine import Engine
from service.errors import ClientGone, DeadlinePassed, NotReady, Overloaded
from service.memory import COST, KEPT
from service.statistics import Stage, Statistics

P = ParamSpec("P")
T = TypeVar("T")
Gone = Callable[[], Awaitable[None]]  # returns when the client has left


class Visit:
    """A place in the engine for as long as a request needs it; whatever it came to is added to the statistics of its `model`.

    What a thread still works at when the request has ended (its deadline passed, or its client left) keeps its memory until it is done.
    """

    def __init__(self, engine: Engine, statistics: Statistics, timeout_s: float, gone: Gone | None = None, model: str = "") -> None:
        self.engine, self.statistics, self.model = engine, statistics, model
        self.timeout_s, self.deadline, self.gone = timeout_s, asyncio.timeout(timeout_s), gone
        self.spent_ns: dict[Stage, int] = dict.fromkeys(get_args(Stage), 0)
        self.nbytes = 0  # of memory that is taken
        self.kept = 0  # of it, for a reply that is on its way
        self.rows = 0
        self.work: Future[Any] | None = None

    async def __aenter__(self) -> Self:
        self.began_ns = time.perf_counter_ns()
        self.engine.enter()
        await self.deadline.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.statistics.add(self.model, error is None, time.perf_counter_ns() - self.began_ns, self.spent_ns)
        if self.work is not None and not self.work.cancel() and not self.work.done():  # it runs
            loop = asyncio.get_running_loop()
            self.work.add_done_callback(lambda _: loop.call_soon_threadsafe(self.leave))
        else:
            self.leave()
        try:
            await self.deadline.__aexit__(kind, error, trace)
        except TimeoutError:
            raise DeadlinePassed(self.timeout_s) from None

    def leave(self) -> None:
        """Give back the place, and the memory but for what is kept."""
        self.engine.leave()
        self.engine.memory.give(self.nbytes - self.kept)

    def keep(self, nbytes: int) -> None:
        """Hold memory for a reply of this size until it is `sent`: whoever reads slowly makes us hold it."""
        self.kept = min(nbytes * KEPT, self.nbytes)

    def sent(self) -> None:
        """The reply has gone out, or never will."""
        kept, self.kept = self.kept, 0
        self.engine.memory.give(kept)

    def within(self, timeout_s: float | None) -> None:
        """The request itself asks for less time, from its beginning."""
        if timeout_s is not None and timeout_s < self.timeout_s:
            spent_s = (time.perf_counter_ns() - self.began_ns) / 1e9
            self.timeout_s = timeout_s
            self.deadline.reschedule(asyncio.get_running_loop().time() + timeout_s - spent_s)

    async def take(self, body_bytes: int) -> None:
        """Wait for the memory that a body of this size takes, read and computed with."""
        began = time.perf_counter_ns()
        self.nbytes += await self.engine.memory.take(body_bytes * COST)
        self.spent_ns["wait"] += time.perf_counter_ns() - began

    async def take_besides(self, nbytes: int, little: int) -> None:
        """Memory for so many bytes more, of a caller's region: waited for by who has a `little` body; else as `grow` does.

        Who waits gives back what it has, or two could wait for each other.
        """
        if self.nbytes > little * COST:
            self.grow(nbytes)
            return
        held, self.nbytes = self.nbytes, 0
        self.engine.memory.give(held)
        await self.take(held // COST + nbytes)

    def grow(self, body_bytes: int) -> None:
        """Take more memory, for a body whose size could not be known; raises Overloaded where there is none."""
        nbytes = body_bytes * COST
        if self.nbytes + nbytes > self.engine.memory.total and self.engine.memory.taken == self.nbytes:
            return  # alone, it may have all there is
        if not self.engine.memory.try_take(nbytes):
            raise Overloaded("other requests take the memory that this one would need")
        self.nbytes += nbytes

    async def spend(self, stage: Stage, quick: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work of one stage: at once if it is quick, and in a thread otherwise, for which it may have to wait."""
        asked = time.perf_counter_ns()

        def timed() -> T:
            began = time.perf_counter_ns()
            self.spent_ns["wait"] += began - asked
            try:
                return work(*args, **kwargs)
            finally:
                self.spent_ns[stage] += time.perf_counter_ns() - began

        if quick:
            return timed()
        future = self.engine.submit(timed)
        self.work = future
        return await self.unless_gone(asyncio.wrap_future(future))

    async def unless_gone(self, work: "asyncio.Future[T]") -> T:
        """Wait for the work, and give it up if the client leaves: if it has not begun, it never will."""
        if self.gone is None:
            return await work
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be there to see it, and it may quote labels
        leaving = asyncio.ensure_future(self.gone())
        try:
            await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if not work.done():
            raise ClientGone
        return work.result()

    async def run(self, order: Order) -> Result:
        """Compute; raises UnknownRuntime, or what the runtime raises."""
        self.model, self.rows = order.model, order.job.shape[0]
        self.engine.fits(order.job.shape)
        runtime = self.engine.runtime(order.runtime)
        try:
            return await self.spend("run", runtime.quick(order.job), runtime.run, order.job)
        except MemoryError:
            raise OutOfMemory("the service has not the memory for this batch; send fewer rows at a time") from None
        except DeviceFault as error:
            self.engine.fail(error)
            raise NotReady(self.engine.unavailable) from error
