"""Tried to break, on this machine and bounded: whatever happens, every valid reply is right, nothing is lost, and the service goes on.

CHAOS_SECONDS (20) is how long the mixed traffic runs; docs/reliability.md has the results of ten minutes.
"""

import contextlib
import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import safetensors.numpy

from tests.chaos.traffic import REFUSED, SAFETENSORS, batch, bomb, connection, half, hostile, post, resident_bytes, right
from tests.conftest import answers, wait_until_ready
from tests.service.test_live import started

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
HEAD = b"POST /grad HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def assert_well(url: str, seed: int = 0) -> None:
    """The service answers, and right."""
    with connection(url) as to:
        body, headers, expected = batch(random.Random(seed), 3, 4)
        assert right(*post(to, body, headers), headers, expected)


def test_term_under_load_loses_nothing_that_was_begun() -> None:
    with started(GRADWIRE_DRAIN_S="1") as (url, process, log):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        lost: list[str] = []
        done, withdrawn = [0], threading.Event()

        def balance() -> None:
            """What a load balancer does: no more requests for who is not ready."""
            while answers(f"{url}/health/ready"):
                time.sleep(0.1)
            withdrawn.set()

        def ask(seed: int) -> None:
            chance = random.Random(seed)
            while not withdrawn.is_set():
                body, headers, expected = batch(chance, 200, 100)
                try:
                    with connection(url) as to:
                        reply = post(to, body, headers)
                except OSError as error:
                    lost.append(repr(error))
                    return
                if not right(*reply, headers, expected):
                    lost.append(f"{reply[0]}: {reply[1][:200]!r}")
                done[0] += 1

        with ThreadPoolExecutor(9) as crowd:
            asked = [crowd.submit(balance), *(crowd.submit(ask, seed) for seed in range(8))]
            time.sleep(1.5)
            process.send_signal(signal.SIGTERM)
            for each in asked:
                each.result(60)
        assert process.wait(timeout=30) == 0
        assert done[0] > 20
        assert lost == []
        assert "Traceback" not in log.read_text()


def test_two_hundred_clients_on_a_queue_of_eight_are_answered_or_told_to_come_again() -> None:
    with started(GRADWIRE_QUEUE="8", GRADWIRE_JOBS="1", GRADWIRE_RUNTIMES="onnx") as (url, process, _):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        at_once = threading.Barrier(200)

        def ask(seed: int) -> int:
            body, headers, expected = batch(random.Random(seed), 100, 200)
            with connection(url, 60) as to:
                to.connect()
                at_once.wait(60)
                status, reply = post(to, body, headers)
            assert status == 429 or right(status, reply, headers, expected)
            return status

        with ThreadPoolExecutor(200) as crowd:
            statuses = list(crowd.map(ask, range(200)))
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= 9
        assert_well(url)
        assert process.poll() is None


def test_a_thousand_half_open_connections_disturb_nobody_and_are_closed() -> None:
    with started(GRADWIRE_RUNTIMES="onnx", GRADWIRE_HEAD_S="3") as (url, _, _):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        idle = [half(url, b"" if i % 2 else b"POST /grad HTTP/1.1\r\nHost: x\r\n") for i in range(1000)]
        assert_well(url)
        deadline = time.monotonic() + 20
        for each in idle:
            each.settimeout(max(0.1, deadline - time.monotonic()))
            assert each.recv(1) == b""
            each.close()
        assert_well(url)


def test_a_body_cut_off_anywhere_and_clients_that_leave_harm_nobody_else() -> None:
    with started(GRADWIRE_RUNTIMES="onnx") as (url, process, log):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        body = json.dumps({"scores": [[1.0, 2.0]], "labels": [0]}).encode()
        for length in range(len(body)):
            half(url, HEAD % len(body) + body[:length]).close()
        large = json.dumps({"scores": np.ones((500, 500)).tolist(), "labels": [0] * 500}).encode()
        for _ in range(10):
            half(url, HEAD % len(large) + large).close()  # gone before the reply
            reading = half(url, HEAD % len(large) + large)
            reading.recv(1000)
            reading.close()  # gone in the middle of it
        assert_well(url)
        assert process.poll() is None
        assert "Traceback" not in log.read_text()


def test_many_large_requests_and_bombs_stay_within_the_memory_that_is_set() -> None:
    budget = 512 << 20
    with started(GRADWIRE_MEMORY_BYTES=str(budget), GRADWIRE_RUNTIMES="pytorch", GRADWIRE_QUEUE="64") as (url, process, _):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        assert_well(url)
        before, most, over = resident_bytes(process.pid), [0], threading.Event()

        def watch() -> None:
            while not over.is_set():
                most[0] = max(most[0], resident_bytes(process.pid))
                time.sleep(0.01)

        def ask(seed: int) -> int:
            with connection(url, 120) as to:
                if seed % 4 == 0:
                    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
                    return post(to, bomb(400), headers)[0]
                chance = random.Random(seed)
                body, headers, expected = batch(chance, 2000, 1000)
                status, reply = post(to, body, headers)
                assert status == 429 or right(status, reply, headers, expected)
                return status

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(12) as crowd:
            statuses = list(crowd.map(ask, range(24)))
        over.set()
        watcher.join()
        assert set(statuses) <= {200, 413, 429}
        assert statuses.count(200) > 0
        grown = most[0] - before
        print(f"24 requests of 16 to 40 MB: {grown / 1e6:.0f} MB more at most, of {budget / 1e6:.0f}")
        assert grown < 2 * budget
        assert_well(url)


def test_replies_that_nobody_reads_stay_within_the_memory_that_is_set() -> None:
    budget, rows, classes = 512 << 20, 4000, 1000
    body = safetensors.numpy.save({"scores": np.zeros((rows, classes), np.float32), "labels": np.zeros((rows, 1), np.int64)})
    head = b"POST /grad HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (SAFETENSORS.encode(), len(body))
    with started(GRADWIRE_MEMORY_BYTES=str(budget), GRADWIRE_RUNTIMES="pytorch", GRADWIRE_TIMEOUT_MS="6000", GRADWIRE_QUEUE="100") as (
        url,
        process,
        _,
    ):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        assert_well(url)
        before = resident_bytes(process.pid)
        deaf, most = [], 0
        for _ in range(60):
            deaf.append(half(url, head + body, SO_RCVBUF=4096))
            deaf[-1].recv(1)  # one after another: none is refused for those that are computed
            most = max(most, resident_bytes(process.pid))
        grown = most - before
        print(f"60 replies of {len(body) / 1e6:.0f} MB that nobody reads: {grown / 1e6:.0f} MB more at most, of {budget / 1e6:.0f}")
        statuses = [each.recv(11)[-3:] for each in deaf]
        assert set(statuses) <= {b"200", b"429", b"504"} and statuses.count(b"200") > 0
        assert grown < 1.5 * budget
        for each in deaf:
            each.close()
        wait_until_ready(lambda: "gradwire_bytes_in_flight 0.0" in httpx2.get(f"{url}/metrics").text)
        assert_well(url)


def test_mixed_traffic_valid_and_hostile_every_valid_reply_is_right_and_memory_stays_flat() -> None:
    with started(GRADWIRE_QUEUE="64") as (url, process, log):
        wait_until_ready(lambda: answers(f"{url}/health/ready"))
        end = time.monotonic() + SECONDS
        wrong: list[str] = []
        counts = {"valid": 0, "hostile": 0}

        def ask(seed: int) -> None:
            chance = random.Random(seed)
            while time.monotonic() < end:
                with contextlib.suppress(OSError), connection(url, 60) as to:
                    for _ in range(20):
                        if chance.random() < 0.5:
                            body, headers, expected = batch(chance, chance.randrange(1, 200), chance.randrange(2, 100))
                            reply = post(to, body, headers)
                            if reply[0] != 429 and not right(*reply, headers, expected):
                                wrong.append(f"{reply[0]} {reply[1][:200]!r}")
                            counts["valid"] += 1
                        else:
                            status, problem = post(to, *hostile(chance))
                            if status not in REFUSED or not json.loads(problem)["error"]:
                                wrong.append(f"{status} {problem[:200]!r}")
                            counts["hostile"] += 1
                            if status == 413:
                                break  # that connection is closed

        sizes: list[tuple[float, int]] = []
        with ThreadPoolExecutor(4) as crowd:
            asked = [crowd.submit(ask, seed) for seed in range(4)]
            while time.monotonic() < end:
                sizes.append((time.monotonic(), resident_bytes(process.pid)))
                time.sleep(SECONDS / 100)
            for each in asked:
                each.result(120)
        settled = np.array(sizes[len(sizes) // 2 :])
        slope = float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0])
        print(f"{SECONDS:g} s, {counts}: {slope / 1e3:.1f} kB/s more, {settled[-1, 1] / 1e6:.0f} MB at the end")
        assert wrong == []
        assert min(counts.values()) > 10
        assert slope * SECONDS / 2 < 100e6
        assert "Traceback" not in log.read_text()
        assert_well(url)
