"""What one replica holds: `python -m benchmarks.bench_replica [SECONDS]` starts the service as the manifests do, checks it, then times it.

A row is a batch shape and a form, from 4 clients at once: requests a second, p50 and p99 in milliseconds, and the most memory that the
process had. Prints a JSON object a row, and a table for people. Requests go to 127.0.0.1 only.
"""

import contextlib
import http.client
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy

CLIENTS = 4
PORT = 8971
JSON, BINARY = "application/json", "application/vnd.safetensors"


class Row(NamedTuple):
    """What is measured: a replica, a batch, a form."""

    replica: str
    threads: int
    rows: int
    classes: int
    media_type: str


ROWS = [
    Row("cpu, 2 threads", 2, 64, 1_000, BINARY),
    Row("cpu, 2 threads", 2, 1_024, 10_000, BINARY),
    Row("cpu, 2 threads", 2, 64, 1_000, JSON),
    Row("edge, 1 thread", 1, 64, 1_000, BINARY),
]


@contextlib.contextmanager
def replica(row: Row) -> Iterator[int]:
    """The service as the manifests start it; gives its process."""
    runtimes = "onnx" if row.replica.startswith("edge") else "pytorch,onnx"
    settings = {"PORT": PORT, "THREADS": row.threads, "JOBS": 1, "RUNTIMES": runtimes, "GRPC": "false"}
    environment = os.environ | {f"GRADWIRE_{name}": str(value) for name, value in settings.items()} | {"OMP_NUM_THREADS": str(row.threads)}
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                if ask("GET", "/health/ready", b"", {})[0] == 200:
                    break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def ask(method: str, path: str, body: bytes, headers: dict[str, str], to: http.client.HTTPConnection | None = None) -> tuple[int, bytes]:
    """One request."""
    connection = to or http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def request(row: Row) -> tuple[bytes, Any]:
    """A batch with one label a row, and its gradient by the definition in float64."""
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(row.rows, row.classes)).astype(np.float32), rng.integers(0, row.classes, row.rows)
    shifted = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    expected = shifted / shifted.sum(1, keepdims=True)
    expected[np.arange(row.rows), labels] -= 1
    if row.media_type == BINARY:
        return safetensors.numpy.save({"scores": scores, "labels": labels[:, None]}), expected / row.rows
    return json.dumps({"scores": scores.tolist(), "labels": [[int(each)] for each in labels]}).encode(), expected / row.rows


def gradient(row: Row, reply: bytes) -> Any:
    """The gradient of a reply."""
    return safetensors.numpy.load(reply)["grad"] if row.media_type == BINARY else np.array(json.loads(reply)["grad"])


def measured(row: Row, seconds: float) -> dict[str, Any]:
    """Check the answer, then time it."""
    body, expected = request(row)
    headers = {"Content-Type": row.media_type, "Accept-Encoding": "identity"}
    with replica(row) as pid:
        status, reply = ask("POST", "/grad", body, headers)
        assert status == 200, reply[:300]
        np.testing.assert_allclose(gradient(row, reply), expected, rtol=1e-4, atol=1e-8)
        end, taken, lock = time.monotonic() + seconds, [], threading.Lock()

        def client(_: int) -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)) as to:
                while time.monotonic() < end:
                    began = time.perf_counter()
                    status, _ = ask("POST", "/grad", body, headers, to)
                    assert status == 200, status
                    with lock:
                        taken.append(time.perf_counter() - began)

        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(client, range(CLIENTS)))
        peak = int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    p50, p99 = (round(1000 * float(each), 1) for each in np.quantile(taken, [0.5, 0.99]))
    return row._asdict() | {"requests_s": round(len(taken) / seconds, 1), "p50_ms": p50, "p99_ms": p99, "peak_mb": round(peak / 1000)}


def main() -> None:
    """Every row."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{platform.platform()}, {os.cpu_count()} cpus, {CLIENTS} clients on the same machine", file=sys.stderr)
    found = []
    for row in ROWS:
        found.append(measured(row, seconds))
        print(json.dumps(found[-1]), flush=True)
    print(f"\n{'replica':16} {'N x C':>14} {'form':30} {'req/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'peak MB':>8}", file=sys.stderr)
    for each in found:
        shape = f"{each['rows']} x {each['classes']}"
        numbers = f"{each['requests_s']:>7} {each['p50_ms']:>8} {each['p99_ms']:>8} {each['peak_mb']:>8}"
        print(f"{each['replica']:16} {shape:>14} {each['media_type']:30} {numbers}", file=sys.stderr)


if __name__ == "__main__":
    main()
