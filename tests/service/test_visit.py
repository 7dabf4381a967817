"""A deadline, memory, and a client that leaves: what has not begun never does, and what runs keeps its memory until it is done."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from models.errors import DeviceFault
from service.codec import Order
from service.engine import Engine
from service.errors import BatchTooLarge, ClientGone, DeadlinePassed, NotReady, Overloaded
from service.memory import COST, KEPT
from service.open_inference import models
from service.statistics import Statistics
from service.visit import Visit
from tests.service.test_engine import Waiting, job


async def engine(runtime: Waiting | None = None, jobs: int = 1, memory_bytes: int = 1 << 20) -> Engine:
    """An engine that is warm."""
    made = Engine({"pytorch": runtime or Waiting()}, "pytorch", jobs, 4, memory_bytes, (10, 1 << 20))
    await made.warm_up()
    return made


def visit(engine: Engine, timeout_s: float = 10, gone: Callable[[], Awaitable[None]] | None = None) -> Visit:
    """A request."""
    return Visit(engine, Statistics(models()), timeout_s, gone)


def test_a_deadline_ends_a_request_that_waits_and_what_waits_with_it_never_begins() -> None:
    async def late() -> None:
        made, may_end, began = await engine(), threading.Event(), []
        first = made.submit(lambda: may_end.wait(5))
        with pytest.raises(DeadlinePassed, match="within 50 ms"):
            async with visit(made, 0.05) as each:
                await each.spend("run", False, lambda: began.append(1))
        assert made.unfinished == 0
        may_end.set()
        first.result(5)
        made.close()
        assert began == []

    asyncio.run(late())


def test_what_runs_on_behind_a_deadline_keeps_its_place_and_memory_until_it_is_done() -> None:
    async def late() -> None:
        made, may_end = await engine(), threading.Event()
        with pytest.raises(DeadlinePassed):
            async with visit(made, 0.05) as each:
                await each.take(100)
                await each.spend("run", False, lambda: may_end.wait(5))
        assert (made.unfinished, made.memory.taken, made.running) == (1, 100 * COST, 1)
        may_end.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not made.unfinished:
                break
        assert (made.unfinished, made.memory.taken, made.running) == (0, 0, 0)
        made.close()

    asyncio.run(late())


def test_a_client_that_leaves_takes_its_waiting_work_along() -> None:
    async def leave() -> None:
        made, may_end, left, began = await engine(), threading.Event(), asyncio.Event(), []
        made.submit(lambda: may_end.wait(5))

        async def gone() -> None:
            await left.wait()

        asyncio.get_running_loop().call_later(0.05, left.set)
        with pytest.raises(ClientGone):
            async with visit(made, gone=gone) as each:
                await each.spend("run", False, lambda: began.append(1))
        may_end.set()
        made.close()
        assert (began, made.unfinished) == ([], 0)

    asyncio.run(leave())


def test_a_client_that_stays_gets_its_result_and_errors() -> None:
    async def stay() -> None:
        made = await engine()

        async def gone() -> None:
            await asyncio.Event().wait()

        async with visit(made, gone=gone) as each:
            assert await each.spend("run", False, lambda: 7) == 7
            with pytest.raises(ZeroDivisionError):
                await each.spend("run", False, lambda: 1 / 0)
        made.close()

    asyncio.run(stay())


def test_memory_that_a_body_turns_out_to_need_is_taken_or_refused_and_all_given_back() -> None:
    async def grow() -> None:
        made = await engine(memory_bytes=100 * COST)
        async with visit(made) as first, visit(made) as second:
            await first.take(60)
            second.grow(40)
            with pytest.raises(Overloaded, match="memory"):
                second.grow(1)
            with pytest.raises(Overloaded):
                first.grow(1)
        assert made.memory.taken == 0
        async with visit(made) as alone:
            await alone.take(60)
            alone.grow(1000)  # nobody else is there: it may have all of it
        assert made.memory.taken == 0
        made.close()

    asyncio.run(grow())


def test_a_batch_of_too_many_rows_is_refused_by_the_limits_name() -> None:
    async def refuse() -> None:
        made = await engine(Waiting())
        made.most = (0, 10)
        with pytest.raises(BatchTooLarge, match=r"1 rows; the limit is 0, which GRADWIRE_MAX_ROWS sets"):
            async with visit(made) as each:
                await each.run(Order(job(), None))
        made.most = (10, 0)
        with pytest.raises(BatchTooLarge, match="GRADWIRE_MAX_CLASSES"):
            async with visit(made) as each:
                await each.run(Order(job(), None))
        made.close()

    asyncio.run(refuse())


def test_a_device_that_fails_for_good_makes_the_service_not_ready_until_it_is_started_again() -> None:
    class Broken(Waiting):
        def run(self, job: object) -> None:  # type: ignore[override]
            raise DeviceFault("cuda: an illegal memory access was encountered")

    async def fault() -> None:
        made, told = await engine(Broken()), []
        made.on_fault = lambda: told.append(1)
        for _ in range(2):
            with pytest.raises(NotReady, match="has failed"):
                async with visit(made) as each:
                    await each.run(Order(job(), None))
        assert (told, made.ready) == ([1], False)
        made.close()

    asyncio.run(fault())


def test_memory_of_a_reply_is_held_until_it_has_gone_out() -> None:
    async def run() -> None:
        made = await engine()
        async with visit(made) as each:
            await each.take(100)
            each.keep(300 // KEPT)
        assert (made.unfinished, made.memory.taken) == (0, 300)
        each.sent()
        each.sent()
        assert made.memory.taken == 0
        async with visit(made) as each:
            await each.take(10)
            each.keep(10_000)
        assert made.memory.taken == 10 * COST, "no more than was taken"
        each.sent()
        assert made.memory.taken == 0
        made.close()

    asyncio.run(run())


def test_memory_for_a_region_is_waited_for_by_who_has_little_and_refused_to_who_has_much() -> None:
    async def besides() -> None:
        made = await engine(memory_bytes=100 * COST)
        async with visit(made) as small, visit(made) as large, visit(made) as other:
            await small.take(5)
            await large.take(20)
            await other.take(70)
            with pytest.raises(Overloaded):
                await large.take_besides(30, 10)
            assert large.nbytes == 20 * COST, "its body is there, and counts"
            waiting = asyncio.ensure_future(small.take_besides(30, 10))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            made.memory.give(other.nbytes)
            other.nbytes = 0
            await waiting
            assert small.nbytes == 35 * COST
        assert made.memory.taken == 0
        made.close()

    asyncio.run(besides())
