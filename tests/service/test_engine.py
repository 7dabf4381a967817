"""Jobs run off the event loop, a bounded number at a time; the rest is refused with Retry-After."""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.catalogue import find
from models.contract import Job, Result
from models.errors import DeviceFault, UnknownRuntime
from service.app import create_app
from service.codec import Order
from service.engine import Engine
from service.errors import DeadlinePassed, NotReady, Overloaded
from service.open_inference import models
from service.settings import Settings
from service.statistics import Statistics
from service.visit import Visit
from tests.conftest import wait_until_ready
from tests.service.problems import GOOD, assert_problem

LARGE = {"scores": [[0.5] * 10_000] * 2, "labels": [0, 1]}
MEMORY = 1 << 30
QUICK = 1 << 14  # numbers that this runtime computes at once
BCE = find("bce")


async def placed(engine: Engine, job: Job, runtime: str | None) -> Result:
    """Run a job as a request does: in a place of its own."""
    async with Visit(engine, Statistics(models()), 10) as visit:
        return await visit.run(Order(job, runtime))


class Waiting:
    """A runtime that computes when it is told to, and remembers in which threads."""

    name = "pytorch"
    device = "cpu"

    def __init__(self, *, warm: bool = True, broken: bool = False) -> None:
        self.may_warm, self.may_run, self.running = threading.Event(), threading.Event(), threading.Semaphore(0)
        self.threads: list[str] = []
        self.broken = broken
        if warm:
            self.may_warm.set()

    def warm_up(self) -> None:
        assert self.may_warm.wait(10)
        if self.broken:
            raise RuntimeError("no such device")

    def quick(self, job: Job) -> bool:
        return job.scores.size <= QUICK

    def run(self, job: Job) -> Result:
        self.threads.append(threading.current_thread().name)
        self.running.release()
        if not self.quick(job):
            assert self.may_run.wait(10)
        return Result(loss=np.float32(1))


def settings(jobs: int = 1, queue: int = 0) -> Settings:
    """Settings for one waiting runtime."""
    return Settings(_env_file=None, jobs=jobs, queue=queue, runtimes=("pytorch",))  # type: ignore[call-arg]


def job(classes: int = 1) -> Job:
    """A job of one row."""
    return Job(loss=BCE, scores=np.zeros((1, classes)), targets=np.zeros((1, classes)))


def test_small_jobs_run_at_once_and_large_ones_in_a_thread() -> None:
    runtime = Waiting()
    runtime.may_run.set()

    async def both() -> None:
        engine = Engine({"pytorch": runtime}, "pytorch", jobs=1, queue=0, memory_bytes=MEMORY)
        await engine.warm_up()
        await placed(engine, job(), None)
        await placed(engine, job(QUICK + 1), "pytorch")
        engine.close()

    asyncio.run(both())
    assert [name.startswith("job") for name in runtime.threads] == [False, True]


def test_an_engine_that_is_not_warm_or_closed_refuses() -> None:
    async def refused() -> None:
        engine = Engine({"pytorch": Waiting()}, "pytorch", jobs=1, queue=0, memory_bytes=MEMORY)
        with pytest.raises(NotReady):
            await placed(engine, job(), None)
        await engine.warm_up()
        await placed(engine, job(), None)
        engine.close()
        with pytest.raises(NotReady):
            await placed(engine, job(), None)

    asyncio.run(refused())


def test_an_unknown_runtime_is_refused_with_those_that_run() -> None:
    async def refused() -> None:
        engine = Engine({"pytorch": Waiting()}, "pytorch", jobs=1, queue=0, memory_bytes=MEMORY)
        await engine.warm_up()
        with pytest.raises(UnknownRuntime, match="no runtime named 'tpu' here; running: pytorch"):
            await placed(engine, job(), "tpu")
        engine.close()

    asyncio.run(refused())


@pytest.mark.parametrize(("jobs", "queue"), [(1, 0), (1, 2), (2, 1)])
def test_just_as_many_jobs_are_taken_as_the_settings_say(jobs: int, queue: int) -> None:
    runtime = Waiting()

    async def overload() -> None:
        engine = Engine({"pytorch": runtime}, "pytorch", jobs, queue, MEMORY)
        await engine.warm_up()
        taken = [asyncio.create_task(placed(engine, job(QUICK + 1), None)) for _ in range(jobs + queue)]
        await asyncio.sleep(0.05)
        assert len(runtime.threads) == jobs
        with pytest.raises(Overloaded):
            await placed(engine, job(), None)
        runtime.may_run.set()
        assert len(await asyncio.gather(*taken)) == jobs + queue
        await placed(engine, job(), None)
        assert engine.unfinished == 0
        engine.close()

    asyncio.run(overload())


def test_a_job_that_fails_makes_room_again() -> None:
    class Failing(Waiting):
        def run(self, job: Job) -> Result:
            raise ZeroDivisionError

    async def fail() -> None:
        engine = Engine({"pytorch": Failing()}, "pytorch", jobs=1, queue=0, memory_bytes=MEMORY)
        await engine.warm_up()
        for classes in (1, QUICK, 1):
            with pytest.raises(ZeroDivisionError):
                await placed(engine, job(classes), None)
        assert engine.unfinished == 0
        engine.close()

    asyncio.run(fail())


def test_a_full_queue_is_429_with_retry_after_and_the_rest_of_the_service_answers() -> None:
    runtime = Waiting()
    with TestClient(create_app(settings(), {"pytorch": runtime})) as client, ThreadPoolExecutor(1) as other:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        first = other.submit(client.post, "/loss", json=LARGE)
        assert runtime.running.acquire(timeout=5)
        reply = client.post("/loss", json=GOOD)
        assert_problem(reply, 429)
        assert int(reply.headers["retry-after"]) >= 1
        assert client.get("/health/live").status_code == client.get("/losses").status_code == 200
        runtime.may_run.set()
        assert first.result(10).json() == {"loss": 1.0}
        assert client.post("/loss", json=GOOD).status_code == 200


def test_a_service_that_is_not_warm_is_503_with_retry_after() -> None:
    runtime = Waiting(warm=False)
    with TestClient(create_app(settings(), {"pytorch": runtime})) as client:
        for reply in (client.get("/health/ready"), client.post("/grad", json=GOOD), client.post("/loss", json=GOOD)):
            assert_problem(reply, 503, "starting")
            assert int(reply.headers["retry-after"]) >= 1
        assert client.get("/health/live").status_code == 200
        assert_problem(client.post("/grad", content=b"{"), 503)
        runtime.may_warm.set()
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        assert client.post("/loss", json=GOOD).status_code == 200


def test_a_runtime_that_cannot_warm_up_leaves_the_service_not_ready_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "gradwire")
    with TestClient(create_app(settings(), {"pytorch": Waiting(broken=True)})) as client:
        wait_until_ready(lambda: "no such device" in caplog.text)
        assert_problem(client.get("/health/ready"), 503)
        assert_problem(client.post("/grad", json=GOOD), 503)
        assert client.get("/health/live").status_code == 200


def test_an_error_of_the_service_itself_is_a_problem_and_not_a_stack_trace(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Waiting):
        def run(self, job: Job) -> Result:
            raise ZeroDivisionError("secret")

    with TestClient(create_app(settings(), {"pytorch": Failing()}), raise_server_exceptions=False) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        reply = client.post("/grad", json=GOOD, headers={"x-request-id": "mine"})
        problem = assert_problem(reply, 500)
        assert reply.headers["x-request-id"] == "mine"
        assert "secret" not in str(problem)
        assert "secret" in caplog.text


def test_a_deadline_of_the_header_or_the_setting_is_504_and_the_place_is_kept_until_the_job_ends() -> None:
    runtime = Waiting()
    with TestClient(create_app(settings(jobs=1, queue=1), {"pytorch": runtime})) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        reply = client.post("/loss", json=LARGE, headers={"x-request-timeout-ms": "100"})
        assert_problem(reply, 504, "100 ms")
        assert client.get("/metrics").text.count("gradwire_running_jobs 1.0") == 1
        runtime.may_run.set()
        wait_until_ready(lambda: "gradwire_running_jobs 0.0" in client.get("/metrics").text)
        assert client.post("/loss", json=LARGE, headers={"x-request-timeout-ms": "100000"}).status_code == 200
        for odd in ("0", "-1", "1.5", "x", "9" * 20):
            assert_problem(client.post("/loss", json=GOOD, headers={"x-request-timeout-ms": odd}), 400, "X-Request-Timeout-Ms")


@pytest.mark.parametrize("large", [False, True])
def test_memory_that_is_not_there_is_503_and_the_next_request_is_answered(large: bool) -> None:
    class Short(Waiting):
        def run(self, job: Job) -> Result:
            if not self.threads:
                self.threads.append("once")
                raise MemoryError
            return Result(loss=np.float32(1))

    with TestClient(create_app(settings(), {"pytorch": Short()}), raise_server_exceptions=False) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        reply = client.post("/loss", json=LARGE if large else GOOD)
        assert_problem(reply, 503, "memory")
        assert reply.headers["retry-after"] == "1"
        assert client.post("/loss", json=GOOD).status_code == 200


def test_the_timeout_of_tritons_clients_is_kept_in_microseconds_and_their_priority_is_not_minded() -> None:
    runtime = Waiting()
    scores = {"name": "scores", "datatype": "FP32", "shape": [2, 10_000], "data": [0.5] * 20_000}
    request = {"inputs": [scores, {"name": "labels", "datatype": "INT64", "shape": [2], "data": [0, 1]}]}
    with TestClient(create_app(settings(jobs=1, queue=1), {"pytorch": runtime})) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        url = "/v2/models/softmax/infer"
        assert_problem(client.post(url, json=request | {"parameters": {"timeout": 300_000, "priority": 1}}), 504, "300 ms")
        runtime.may_run.set()
        assert client.post(url, json=request | {"parameters": {"timeout": 10_000_000, "priority": 2}}).status_code == 200
        for odd in (0, -1, 1.5, "x", True):
            assert_problem(client.post(url, json=request | {"parameters": {"timeout": odd}}), 422, "/parameters/timeout")


def test_work_without_a_body_has_a_place_and_a_deadline() -> None:
    async def run() -> None:
        made, may_end = Engine({"pytorch": Waiting()}, "pytorch", 1, 0, 1 << 20), threading.Event()
        await made.warm_up()
        with pytest.raises(DeadlinePassed, match="within 50 ms"):
            await made.at_a_place(0.05, may_end.wait, 5)
        assert made.unfinished == 0
        may_end.set()
        assert await made.at_a_place(5, int, "7") == 7
        made.close()

    asyncio.run(run())


def test_a_device_that_fails_while_it_is_warmed_up_ends_the_service() -> None:
    class Broken(Waiting):
        def warm_up(self) -> None:
            raise DeviceFault("an illegal memory access")

    async def run() -> None:
        made, faults = Engine({"pytorch": Broken()}, "pytorch", 1, 0, 1 << 20), []
        made.on_fault = lambda: faults.append(1)
        with pytest.raises(DeviceFault):
            await made.warm_up()
        assert faults == [1] and not made.ready
        made.close()

    asyncio.run(run())
