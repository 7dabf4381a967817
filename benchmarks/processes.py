"""Processes of a benchmark: the service, servers beside it, and clients; what they cost, from /proc."""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTS_WITHIN_S = 60
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
RESET_PEAK = "5"  # what /proc/PID/clear_refs takes to forget the most memory so far
ROOT = Path(__file__).parent.parent


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process, in a group of its own with what it starts; ended with it."""
    given: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT, "start_new_session": True} | how
    process = subprocess.Popen(command, env=dict(environment or os.environ), **given)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def python(*arguments: str) -> list[str]:
    """This Python with these arguments."""
    return [sys.executable, *arguments]


@dataclass(frozen=True)
class Served:
    """The service: its process, and where it is."""

    pid: int
    port: int
    grpc: int
    unix: str


@contextlib.contextmanager
def service(folder: Path, **settings: Any) -> Iterator[Served]:
    """The service as it starts by default, but for these settings; on a Unix socket and with shared memory besides."""
    port, grpc = free_ports(2)
    unix = str(folder / f"gradwire-{port}.sock")
    given = {"PORT": port, "GRPC_PORT": grpc, "UNIX_SOCKET": unix, "SHARED_MEMORY": "true", "DRAIN_S": 0} | settings
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")}
    environment = inherited | {f"GRADWIRE_{name}": str(value) for name, value in given.items()}
    with running(python("-m", "service"), environment) as process:
        wait_for(port, b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", process)
        yield Served(process.pid, port, grpc, unix)


def wait_for(port: int, request: bytes, process: "subprocess.Popen[bytes] | None" = None, within_s: float = STARTS_WITHIN_S) -> None:
    """Until the request is answered with 200."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            if connection.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}: {process.args!r}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"port {port} is not answered within {within_s} s")
        time.sleep(0.1)


def family(pid: int) -> list[int]:
    """A process and all that it started, and they started."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int((path / "stat").read_text().rpartition(")")[2].split()[1]), []).append(int(path.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """Seconds of CPU that they have taken, in their own code and in the kernel."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return total * TICK_S


def peak_mb(pids: Sequence[int], reset: bool = False) -> float:
    """The most memory that they had since the last reset, in MB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
            if reset:
                Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
    return total * 1024 / 1e6


@dataclass
class Answer:
    """What came of an order to clients: seconds of each request, requests a second, refusals, and stages in milliseconds."""

    took: list[float] = field(default_factory=list)
    rate: float = 0.0
    refused: int = 0
    status: int = 200
    stages: dict[str, list[float]] = field(default_factory=dict)
    began: float = math.inf  # of the first of them, by a clock that all processes share
    ended: float = 0.0

    def add(self, found: Mapping[str, Any]) -> None:
        """One client's part of it."""
        self.took += found["took"]
        self.began, self.ended = min(self.began, found["began"]), max(self.ended, found["ended"])
        self.rate = len(self.took) / (self.ended - self.began) if self.took else 0.0
        self.refused += found["refused"]
        self.status = found["status"]
        for stage, ms in found["stages"].items():
            self.stages.setdefault(stage, []).extend(ms)

    def merge(self, other: "Answer") -> None:
        """What came of the same order at another time."""
        made, others = len(self.took), len(other.took)
        lasted = (made / self.rate if self.rate else 0) + (others / other.rate if other.rate else 0)
        self.took += other.took
        self.rate = (made + others) / lasted if lasted else 0
        self.refused += other.refused
        for stage, ms in other.stages.items():
            self.stages.setdefault(stage, []).extend(ms)


class Callers:
    """Processes that carry out orders, at once."""

    def __init__(self, module: str, count: int) -> None:
        self.processes = [
            subprocess.Popen(python("-m", module), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(count)
        ]

    def __enter__(self) -> "Callers":
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.processes:
            if each.stdin is not None:
                each.stdin.close()
            each.wait(120)

    def ask(self, order: Mapping[str, Any], clients: int = 1, threads: int = 1) -> Answer:
        """Have so many clients carry out an order, each by itself; where there are several requests, each has its own."""
        answer, chosen = Answer(), self.processes[:clients]
        requests = order.get("requests", [None])
        for i, each in enumerate(chosen):
            assert each.stdin is not None
            own = {} if requests == [None] else {"request": requests[i % len(requests)]}
            each.stdin.write(json.dumps({"threads": threads, "seconds": 0, "least": 1, **order, **own}) + "\n")
            each.stdin.flush()
        for each in chosen:
            assert each.stdout is not None
            line = each.stdout.readline()
            assert line, f"a client failed at {order}"
            found = json.loads(line)
            assert "error" not in found, found["error"]
            answer.add(found)
        return answer
