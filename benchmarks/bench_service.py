"""`/grad` end to end, over every transport and format, beside an echo of the same bytes and autograd in process, all in turn in one run.

`python -m benchmarks.bench_service [--shapes 32x1000,256x1000,1024x17000]`. Clients are processes of their own on plain sockets. The echo
is uvicorn (uvloop, httptools) with a bare ASGI application; the raw echo is a thread that reads and writes a socket; autograd is
F.cross_entropy with dense targets, and backward, on one thread as a job of the service computes, or on two. Requests go to 127.0.0.1.
"""

import contextlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.batches import BINARY, FORMS, INFER, Array, Batch, Form, batch, headers, http
from benchmarks.processes import Answer, Callers, Served, cpu_s, free_ports, peak_mb, python, running, service, wait_for
from benchmarks.report import Row, begin, finish, mb_s, parser, quantiles, shapes, table
from service.shared_memory import FOLDER

MIDDLE, LARGE = 256_000, 10_000_000  # numbers; from the second on JSON is left out
CLIENTS = (1, 8)
ALIGNED = 64
STAGES = ("decode", "wait", "run", "encode")
COLUMNS = {
    "shape": "N×C", "path": "over", "form": "format", "clients": "clients", "p10_ms": "p10 ms", "p50_ms": "p50 ms", "p99_ms": "p99 ms",
    "requests_s": "requests/s", "mb_s": "MB/s", "cpu_ms": "CPU ms", "peak_mb": "peak MB", **{f"{stage}_ms": stage for stage in STAGES},
}  # fmt: skip
BARS = {"shape": "N×C", "bar": "bar", "found": "found", "fastest": "by p10", "wanted": "wanted", "met": "met"}


@dataclass
class Cell:
    """What is measured: an order for clients, and the process that it costs; and what was found."""

    shape: tuple[int, int]
    path: str
    form: str
    clients: int
    order: dict[str, Any]
    nbytes: int  # of a request and its reply
    pid: int = 0
    found: Answer = field(default_factory=Answer)
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    asked: int = 0

    def row(self) -> Row:
        """The measurement."""
        about: Row = {"shape": "×".join(map(str, self.shape)), "path": self.path, "form": self.form, "clients": self.clients}
        rate = self.found.rate
        about |= quantiles(self.found.took) | {"requests_s": rate}
        if self.nbytes:
            about["mb_s"] = mb_s(self.nbytes * rate, 1000.0)
        if self.pid:
            about |= {"cpu_ms": self.cpu_s * 1000 / self.asked, "peak_mb": self.peak_mb}
        return about | {f"{stage}_ms": float(np.median(ms)) for stage, ms in self.found.stages.items()}


class Bench:
    """The processes that are asked, and those that ask."""

    def __init__(self, folder: Path, served: Served, echo: tuple[int, int, str], raw: int, rounds: int) -> None:
        self.folder, self.served, self.echo, self.raw, self.rounds = folder, served, echo, raw, rounds
        self.regions: list[Region] = []
        self.addresses: dict[str, list[Any]] = {"TCP": ["tcp", served.port], "Unix socket": ["unix", served.unix]}
        self.echoes: dict[str, list[Any]] = {"echo, TCP": ["tcp", echo[1]], "echo, Unix socket": ["unix", echo[2]]}

    def file(self, name: str, data: bytes | memoryview) -> str:
        """A file for clients to read."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def cells(self, shape: tuple[int, int], clients: Callers, autograd: Callers) -> Iterator[Cell]:
        """Everything at one shape, each once its answer is right."""
        given = batch(*shape)
        large = given.scores.size >= LARGE
        for form in FORMS.values():
            if not large or form.name in BINARY:
                yield from self.sent(given, form, clients)
        yield from self.in_shared_memory(given, clients)
        yield from self.alone(given, autograd)

    def sent(self, given: Batch, form: Form, clients: Callers) -> Iterator[Cell]:
        """Tensors over a connection."""
        shape, body = given.scores.shape, form.body(given)
        if form.name == "gRPC":
            orders: dict[str, dict[str, Any]] = {"TCP": {"address": ["grpc", self.served.grpc], "request": self.file("grpc", body)}}
        else:
            request = self.file("request", http(form.path, headers(form, given), body))
            request = str(Path(request).rename(self.folder / f"{form.name}-{shape}".replace(" ", "-")))
            orders = {path: {"address": address, "request": request} for path, address in self.addresses.items()}
        for path, order in orders.items():
            head, reply = self.kept(order, clients)
            given.check(form.grad(head, reply))
            for count in CLIENTS if form.name == "safetensors" or given.scores.size < LARGE else CLIENTS[:1]:
                yield Cell((shape[0], shape[1]), path, form.name, count, order, len(body) + len(reply), self.served.pid)
        if form.name in ("JSON", "safetensors"):
            for path, address in self.echoes.items():
                order = {"address": address, "request": request}
                assert self.kept(order, clients)[1] == body
                for count in CLIENTS:
                    yield Cell((shape[0], shape[1]), path, form.name, count, order, 2 * len(body), self.echo[0])
        if form.name == "safetensors":
            order = {"address": ["tcp", self.raw], "request": request}
            assert self.kept(order, clients)[1] == body
            yield Cell((shape[0], shape[1]), "raw echo, TCP", form.name, 1, order, 2 * len(body))

    def kept(self, order: dict[str, Any], clients: Callers) -> tuple[dict[str, str], bytes]:
        """Headers and body of one reply."""
        keep = self.folder / "reply"
        assert clients.ask(order | {"keep": str(keep)}).status == 200, keep.read_bytes()[:500]
        length, _, whole = keep.read_bytes().partition(b"\n")
        lines = [line.partition(": ") for line in whole[: int(length)].decode("latin-1").split("\r\n")[1:]]
        return {name.lower(): text for name, _, text in lines}, whole[int(length) :]

    def in_shared_memory(self, given: Batch, clients: Callers) -> Iterator[Cell]:
        """Scores that lie in shared memory, or are copied there; the request, over the Unix socket, says where. A region a client."""
        scores, labels = given.scores, given.padded
        shape = scores.shape[0], scores.shape[1]
        self.regions = there = [Region(f"gradwire-bench-{self.served.pid}-{i}-{shape[0]}", given) for i in range(max(CLIENTS))]
        requests = []
        for i, region in enumerate(there):
            register = {"key": region.key, "offset": 0, "byte_size": region.nbytes}
            body = json.dumps(register).encode()
            request = self.file("register", http(f"/v2/systemsharedmemory/region/{region.key}/register", {}, body))
            assert clients.ask({"address": self.addresses["Unix socket"], "request": request}).status == 200
            requests.append(self.file(f"shared-{i}-{shape[0]}", http(INFER, {}, region.request())))
        order = {"address": self.addresses["Unix socket"], "request": requests[0]}
        self.kept(order, clients)
        given.check(there[0].grad())
        nbytes = 2 * scores.nbytes + labels.nbytes
        for count in CLIENTS:
            yield Cell(shape, "shared memory", "V2", count, order | {"requests": requests}, nbytes, self.served.pid)
        copy = [self.file(f"scores-{shape[0]}", scores.data.cast("B")), str(FOLDER / there[0].key)]
        yield Cell(shape, "shared memory, copied in", "V2", 1, order | {"copy": copy}, nbytes, self.served.pid)

    def alone(self, given: Batch, autograd: Callers) -> Iterator[Cell]:
        """No service at all."""
        shape = given.scores.shape[0], given.scores.shape[1]
        targets = np.zeros(shape, np.float32)
        rows = np.repeat(np.arange(shape[0]), given.counts)
        targets[rows, given.indices] = 1 / given.counts[rows]
        files = {
            "scores": self.file(f"alone-scores-{shape[0]}", given.scores.data.cast("B")),
            "targets": self.file(f"alone-targets-{shape[0]}", targets.data.cast("B")),
        }
        keep = self.folder / "alone"
        for threads in (1, 2):
            order = files | {"shape": shape, "threads": threads}
            autograd.ask(order | {"keep": str(keep)}, threads=threads)
            given.check(np.fromfile(keep, np.float32))
            yield Cell(shape, f"autograd in process, {threads} thread" + "s" * (threads > 1), "", 1, order, 0)


class Region:
    """Shared memory: scores, labels, and room for the loss and the gradient; removed when it is not used any more."""

    def __init__(self, key: str, given: Batch) -> None:
        self.key, self.shape = key, given.scores.shape
        self.scores, self.labels = given.scores.nbytes, given.padded
        start = self.scores + self.labels.nbytes
        self.loss_at = start + -start % ALIGNED
        self.grad_at = self.loss_at + ALIGNED
        self.nbytes = self.grad_at + self.scores
        with (FOLDER / key).open("wb") as file:
            file.write(given.scores.data.cast("B"))
            file.write(np.ascontiguousarray(self.labels).data.cast("B"))
            file.write(bytes(self.nbytes - start))  # not a hole: its pages are there

    def __del__(self) -> None:
        (FOLDER / self.key).unlink(missing_ok=True)

    def place(self, nbytes: int, offset: int) -> dict[str, Any]:
        """A part of it."""
        return {"shared_memory_region": self.key, "shared_memory_byte_size": nbytes, "shared_memory_offset": offset}

    def request(self) -> bytes:
        """A body that names its parts."""
        inputs = [
            {"name": "scores", "datatype": "FP32", "shape": self.shape, "parameters": self.place(self.scores, 0)},
            {"name": "labels", "datatype": "INT64", "shape": self.labels.shape, "parameters": self.place(self.labels.nbytes, self.scores)},
        ]
        outputs = [
            {"name": "loss", "parameters": self.place(4, self.loss_at)},
            {"name": "grad", "parameters": self.place(self.scores, self.grad_at)},
        ]
        return json.dumps({"inputs": inputs, "outputs": outputs}).encode()

    def grad(self) -> Array:
        """What the service put there."""
        return np.fromfile(FOLDER / self.key, np.float32, offset=self.grad_at)


def measure(cells: Sequence[Cell], clients: Callers, autograd: Callers, rounds: int, seconds: float) -> None:
    """Every cell for a moment, then again: what else the machine does hits all alike."""
    for _ in range(rounds):
        for cell in cells:
            pids = [cell.pid] if cell.pid else []
            peak_mb(pids, reset=True)
            before, made = cpu_s(pids), len(cell.found.took)
            who, threads = (autograd, cell.order["threads"]) if "threads" in cell.order else (clients, 1)
            large = cell.shape[0] * cell.shape[1] >= LARGE
            order = {"seconds": seconds, "least": 2 if cell.clients == 1 else 1, "warm": not large or cell.clients == 1}
            answer = who.ask(cell.order | order, cell.clients, threads)
            cell.found.merge(answer)
            cell.cpu_s += cpu_s(pids) - before
            cell.asked += len(cell.found.took) - made + cell.clients
            cell.peak_mb = max(cell.peak_mb, peak_mb(pids))


def bars(rows: Sequence[Row]) -> Iterator[Row]:
    """The issue's bars, of one client: by medians and, for a machine that does other things too, by the fastest tenth.

    What is asked: at most 0.3 ms beyond the echo, up to a megabyte; in shared memory no slower than autograd, from 256,000 numbers on; and
    over TCP, from 10,000,000 on, no slower than autograd and the raw echo together.
    """
    one = {(row["shape"], row["path"], row["form"]): row for row in rows if row["clients"] == 1}
    for shape in dict.fromkeys(row["shape"] for row in rows):
        numbers = math.prod(map(int, shape.split("×")))
        alone, both = (one[shape, f"autograd in process, {threads}", ""] for threads in ("1 thread", "2 threads"))
        sent, raw = one[shape, "TCP", "safetensors"], one[shape, "raw echo, TCP", "safetensors"]
        for path in ("TCP", "Unix socket"):
            own, echo = one[shape, path, "safetensors"], one[shape, f"echo, {path}", "safetensors"]
            most = 0.3 if numbers < LARGE else None
            yield bar(shape, f"{path}, safetensors: ms beyond the echo", most, [own, echo], lambda own, echo: own - echo)
            run = dict.fromkeys(("p50_ms", "p10_ms"), own["run_ms"])
            yield bar(shape, "the same without the kernel", None, [own, echo, run], lambda own, echo, run: own - echo - run)
        for path in ("shared memory", "shared memory, copied in"):
            own, most = one[shape, path, "V2"], 1.0 if numbers >= MIDDLE else None
            yield bar(shape, f"{path} / autograd", most, [own, alone], lambda own, alone: own / alone)
            yield bar(shape, f"{path} / autograd on two threads", None, [own, both], lambda own, both: own / both)
        terms, most = [sent, alone, raw], 1.0 if numbers >= LARGE else None
        yield bar(shape, "TCP, safetensors / (autograd + raw echo)", most, terms, lambda sent, alone, raw: sent / (alone + raw))


def bar(shape: str, name: str, wanted: float | None, rows: Sequence[Row], of: Callable[..., float]) -> Row:
    """One bar: at most so much, or nothing is asked."""
    found, fastest = (float(of(*(row[key] for row in rows))) for key in ("p50_ms", "p10_ms"))
    about = {"shape": shape, "bar": name, "found": found, "fastest": fastest, "wanted": None if wanted is None else f"≤ {wanted:g}"}
    return about | {"met": None if wanted is None else "yes" if found <= wanted else "no"}


@contextlib.contextmanager
def everything(rounds: int) -> Iterator[Bench]:
    """The service, and the echoes."""
    with tempfile.TemporaryDirectory(prefix="gradwire-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        port, raw = free_ports(2)
        unix = str(folder / "echo.sock")
        echo = stack.enter_context(running(python("-m", "benchmarks.echo", "uvicorn", str(port), unix)))
        stack.enter_context(running(python("-m", "benchmarks.echo", "socket", str(raw))))
        served = stack.enter_context(service(folder))
        for each in (port, raw):
            wait_for(each, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        yield Bench(folder, served, (echo.pid, port, unix), raw, rounds)


def main() -> None:
    """Every shape."""
    options = parser(__doc__)
    options.add_argument("--shapes", type=shapes, default="32x1000,256x1000,1024x17000")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--seconds", type=float, default=0.35, help="for each cell in each round")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.shapes, chosen.rounds, chosen.seconds = [(4, 16)], 1, 0.02
    about = begin("The service, end to end")
    rows: list[Row] = []
    with (
        everything(chosen.rounds) as bench,
        Callers("benchmarks.caller", max(CLIENTS)) as clients,
        Callers("benchmarks.autograd", 1) as alone,
    ):
        for shape in chosen.shapes:
            cells = list(bench.cells(shape, clients, alone))
            time.sleep(0.2)
            measure(cells, clients, alone, chosen.rounds if shape[0] * shape[1] < LARGE else min(2, chosen.rounds), chosen.seconds)
            rows += [cell.row() for cell in cells]
    table(rows, COLUMNS)
    found = list(bars(rows))
    table(found, BARS)
    finish("service", about, [*rows, *found], chosen.out)


if __name__ == "__main__":
    main()
