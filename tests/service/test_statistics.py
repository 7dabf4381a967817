"""What became of the requests for each model, by the stages that they went through."""

import asyncio
import time

import pytest

from models.errors import InvalidJob
from service.engine import Engine
from service.errors import NotReady
from service.open_inference_models import statistics
from service.statistics import Statistics
from service.visit import Visit
from tests.service.test_engine import Waiting


def test_time_is_counted_where_it_is_spent() -> None:
    async def visit() -> Statistics:
        found = Statistics(["a", "b"])
        engine = Engine({"pytorch": Waiting()}, "pytorch", jobs=1, queue=1, memory_bytes=1 << 20)
        await engine.warm_up()
        async with Visit(engine, found, 10, model="a") as each:
            other = asyncio.create_task(engine.in_thread(time.sleep, 0.05))
            await asyncio.sleep(0)
            await each.spend("run", False, time.sleep, 0.02)  # behind the other, in the only thread
            await each.spend("encode", True, time.sleep, 0.01)
            await other
        engine.close()
        return found

    about = statistics("a", asyncio.run(visit()).of["a"])["inference_stats"]
    ms = {name: total["ns"] / 1e6 for name, total in about.items()}
    assert about["success"]["count"] == 1 and about["fail"] == {"count": 0, "ns": 0}
    assert ms["queue"] > 20 and ms["compute_infer"] >= 20 and ms["compute_output"] >= 10 and ms["compute_input"] == 0
    assert ms["success"] >= ms["queue"] + ms["compute_infer"] + ms["compute_output"]


def test_a_request_that_fails_is_counted_apart_and_one_that_has_no_place_not_at_all() -> None:
    async def visit() -> Statistics:
        found = Statistics(["a"])
        engine = Engine({"pytorch": Waiting()}, "pytorch", jobs=1, queue=0, memory_bytes=1 << 20)
        with pytest.raises(NotReady):
            async with Visit(engine, found, 10, model="a"):
                pass
        await engine.warm_up()
        for model in ("a", "", "unknown"):
            with pytest.raises(InvalidJob):
                async with Visit(engine, found, 10, model=model):
                    raise InvalidJob
        assert engine.unfinished == 0
        engine.close()
        return found

    found = asyncio.run(visit()).of
    assert set(found) == {"a"}
    assert (found["a"].fail.count, found["a"].success.count, found["a"].last_ms) == (1, 0, 0)
