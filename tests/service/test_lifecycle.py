"""From start to stop: draining, a second TERM, several workers, a port for the cluster, and connections that never say anything."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import threading
import time
from pathlib import Path

import grpc
import httpx2
import pytest

from service.server import TWICE_S
from tests.conftest import answers, free_port, running_service, wait_until_ready
from tests.service.problems import GOOD
from tests.service.test_live import started

BODY = json.dumps(GOOD).encode()


def status(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        return httpx2.get(url, timeout=5).status_code
    except httpx2.TransportError:
        return 0


def large() -> bytes:
    """A request that takes a second or so."""
    return json.dumps({"scores": [[0.5] * 2000] * 2000, "labels": [0] * 2000}).encode()


def test_after_term_the_service_is_not_ready_and_answers_until_the_drain_time_is_over() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_DRAIN_S="2") as (url, process, log):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        assert status(f"{url}/health/ready") == 503
        assert status(f"{url}/v2/health/ready") == 503
        assert status(f"{url}/health/live") == 200
        answered = 0
        while time.monotonic() - began < 1:
            assert httpx2.post(f"{url}/grad", json=GOOD).status_code == 200
            answered += 1
        assert answered > 5
        assert process.wait(timeout=10) == 0
        assert "Traceback" not in log.read_text()


def test_a_second_term_ends_the_service_at_once() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_DRAIN_S="60") as (url, process, _):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        process.send_signal(signal.SIGTERM)
        time.sleep(2 * TWICE_S)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=3) == 128 + signal.SIGTERM


def test_the_management_port_has_health_and_metrics_and_the_other_no_metrics() -> None:
    port = free_port()
    with running_service(GRADWIRE_RUNTIMES="onnx", GRADWIRE_MANAGEMENT_PORT=str(port)) as service:
        inside = f"http://127.0.0.1:{port}"
        assert httpx2.post(f"{service.url}/grad", json=GOOD).status_code == 200
        assert (status(f"{service.url}/metrics"), status(f"{inside}/metrics")) == (404, 200)
        assert (status(f"{inside}/health/ready"), status(f"{inside}/health/live"), status(f"{inside}/losses")) == (200, 200, 404)
        assert (
            'gradwire_requests_total{loss="softmax_cross_entropy",route="/grad",status="200"} 1.0' in httpx2.get(f"{inside}/metrics").text
        )


def children(pid: int) -> list[int]:
    """The processes that a process has started, without those that have ended."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found if "resource_tracker" not in Path(f"/proc/{each}/cmdline").read_text()]


def total(text: str) -> float:
    """All requests of the metrics."""
    return sum(float(each) for each in re.findall(r'^gradwire_requests_total\{.*route="/grad".*\} (\S+)$', text, re.MULTILINE))


def test_several_workers_share_a_port_and_their_metrics_and_one_that_dies_is_replaced() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_WORKERS="2", GRADWIRE_DRAIN_S="0.5") as (url, process, log):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        wait_until_ready(lambda: log.read_text().count("onnx is warm") == 2)
        for _ in range(20):
            assert httpx2.post(f"{url}/grad", json=GOOD).status_code == 200
        assert total(httpx2.get(f"{url}/metrics").text) == 20
        wait_until_ready(lambda: "\ngradwire_ready 2.0" in httpx2.get(f"{url}/metrics").text)  # both, whichever of them answers
        first, second = children(process.pid)
        os.kill(first, signal.SIGKILL)
        wait_until_ready(lambda: log.read_text().count("onnx is warm") == 3)
        assert len(set(children(process.pid)) - {first}) == 2 and second in children(process.pid)
        for _ in range(10):
            assert httpx2.post(f"{url}/grad", json=GOOD).status_code == 200
        assert total(httpx2.get(f"{url}/metrics").text) == 30, "what a dead worker counted is kept"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def test_workers_whose_settings_cannot_work_end_the_service_with_2() -> None:
    with started(GRADWIRE_WORKERS="2", GRADWIRE_DEVICE="cuda:63") as (_, process, log):
        assert process.wait(timeout=60) == 2
        assert "GRADWIRE_DEVICE" in log.read_text()


def milliseconds(url: str, count: int = 60) -> float:
    """The median of a small request over one connection that is kept."""
    taken = []
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/grad", BODY, {"Content-Type": "application/json"})
            assert connection.getresponse().read()
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def test_several_workers_are_not_slower_by_a_delayed_acknowledgement() -> None:
    """Without TCP_NODELAY every kept connection waits 40 ms a request: far more than any noise here."""
    with running_service(GRADWIRE_RUNTIMES="onnx") as one, running_service(GRADWIRE_RUNTIMES="onnx", GRADWIRE_WORKERS="2") as two:
        single, several = milliseconds(one.url), milliseconds(two.url)
    print(f"one worker {single:.2f} ms, two {several:.2f} ms")
    assert several < 10 * single + 10


def test_a_connection_that_never_sends_a_head_is_closed_and_one_that_waits_for_its_reply_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_HEAD_S="1") as (url, _, _):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        address = (httpx2.URL(url).host, httpx2.URL(url).port or 80)
        silent, slow = socket.create_connection(address, timeout=10), socket.create_connection(address, timeout=10)
        slow.sendall(b"POST /grad HTTP/1.1\r\nHost: x\r\n")
        with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as busy:
            busy.request("POST", "/grad", large(), {"Content-Type": "application/json"})
            assert silent.recv(1) == b""
            assert slow.recv(1) == b""
            assert busy.getresponse().status == 200
        silent.close()
        slow.close()


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5, 3.0])
def test_term_while_workers_start_ends_them_all(after_s: float) -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_WORKERS="3", GRADWIRE_DRAIN_S="0") as (url, process, log):
        wait_until_ready(lambda: "gradwire on" in log.read_text())
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        wait_until_ready(lambda: left_of(url) == [])
        assert "Traceback" not in log.read_text()


def left_of(url: str) -> list[str]:
    """What runs of a service, wherever it hangs in the tree of processes."""
    found, port = [], url.rpartition(":")[2]
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"GRADWIRE_PORT={port}\0".encode() in each.read_bytes():
                found.append(each.parent.name)
    return found


def slow_request(url: str) -> http.client.HTTPConnection:
    """One whose reply is on its way for a while."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("POST", "/grad", large(), {"Content-Type": "application/json"})
    return connection


def test_a_signal_to_every_process_of_the_group_is_one_signal() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_WORKERS="2", GRADWIRE_DRAIN_S="1") as (url, process, log):
        wait_until_ready(lambda: log.read_text().count("onnx is warm") == 2)
        with contextlib.closing(slow_request(url)) as busy:
            time.sleep(0.1)
            for each in [process.pid, *children(process.pid)]:
                os.kill(each, signal.SIGTERM)
            assert busy.getresponse().status == 200
        assert process.wait(timeout=15) == 0


def test_workers_end_with_the_process_that_started_them() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_WORKERS="2", GRADWIRE_DRAIN_S="0") as (url, process, log):
        wait_until_ready(lambda: log.read_text().count("onnx is warm") == 2)
        orphans = children(process.pid)
        process.kill()
        process.wait(timeout=5)
        wait_until_ready(lambda: not any(Path(f"/proc/{each}").exists() for each in orphans))
        assert status(f"{url}/health/live") == 0


def test_an_idle_stream_and_a_watcher_of_health_do_not_delay_the_end() -> None:
    with running_service(GRADWIRE_RUNTIMES="onnx", GRADWIRE_DRAIN_S="0") as service:
        may_end = threading.Event()
        with grpc.insecure_channel(service.grpc) as channel:
            idle = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")(iter(may_end.wait, True))
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            next(watch)
            began = time.monotonic()
            service.process.terminate()
            assert service.process.wait(timeout=15) == 0
            assert time.monotonic() - began < 5
            with pytest.raises(grpc.RpcError, match="about to stop"):
                next(idle)
            may_end.set()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket_serves_the_same_and_goes_with_the_service(workers: str, tmp_path: Path) -> None:
    path = tmp_path / "gradwire.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_UNIX_SOCKET=str(path), GRADWIRE_WORKERS=workers, GRADWIRE_DRAIN_S="0") as (
        url,
        process,
        log,
    ):
        wait_until_ready(lambda: log.read_text().count("onnx is warm") == int(workers))
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://here") as client:
            assert client.post("/grad", json=GOOD).content == httpx2.post(f"{url}/grad", json=GOOD).content
        with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_UNIX_SOCKET=str(path)) as (_, other, reason):
            assert other.wait(timeout=20) == 2
            assert "GRADWIRE_UNIX_SOCKET" in reason.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        assert not path.exists()
