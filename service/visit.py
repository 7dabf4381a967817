"""One request on its way from bytes to bytes, and the time it spends in each stage."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, get_args

from models.contract import Result
from service.codec import Order
from service.engine import Engine
from service.statistics import Stage, Statistics

P = ParamSpec("P")
T = TypeVar("T")


class Visit:
    """A place in the engine for as long as a request needs it; whatever it came to is added to the statistics of its `model`."""

    def __init__(self, engine: Engine, statistics: Statistics, model: str = "") -> None:
        self.engine, self.statistics, self.model = engine, statistics, model
        self.spent_ns: dict[Stage, int] = dict.fromkeys(get_args(Stage), 0)

    def __enter__(self) -> Self:
        self.began_ns = time.perf_counter_ns()
        self.engine.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.engine.leave()
        self.statistics.add(self.model, error is None, time.perf_counter_ns() - self.began_ns, self.spent_ns)

    async def spend(self, stage: Stage, nbytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work of one stage: at once if it is on few bytes, and in a thread otherwise, for which it may have to wait."""
        asked = time.perf_counter_ns()

        def timed() -> T:
            began = time.perf_counter_ns()
            self.spent_ns["wait"] += began - asked
            try:
                return work(*args, **kwargs)
            finally:
                self.spent_ns[stage] += time.perf_counter_ns() - began

        return await self.engine.aside(nbytes, timed)

    async def run(self, order: Order) -> Result:
        """Compute; raises UnknownRuntime, or what the runtime raises."""
        self.model = order.model
        runtime = self.engine.runtime(order.runtime)
        return await self.spend("run", order.job.scores.nbytes, runtime.run, order.job)
