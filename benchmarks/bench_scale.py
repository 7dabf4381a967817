"""How the service grows: requests a second against clients, memory against the body, time against rows and classes.

`python -m benchmarks.bench_scale [--seconds 1]`: safetensors over TCP to one process of the service as it starts by default, but for a
queue long enough for all the clients; what a queue of the default length refuses is measured too. Requests go to 127.0.0.1 only.
"""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.batches import FORMS, batch, headers, http
from benchmarks.processes import Callers, Served, cpu_s, peak_mb, service
from benchmarks.report import Row, begin, finish, mb_s, parser, quantiles, table

FORM = FORMS["safetensors"]
PROCESSES = 8  # of clients; more clients are threads of these
LONG_QUEUE = 1024
PAUSE_S = 0.05  # of a client that was refused; Retry-After says a second
CLIENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
BODIES = [(256, 1_000), (1_024, 1_000), (1_024, 4_000), (1_024, 17_000), (2_048, 16_000)]
ROWS = [(rows, 1_000) for rows in (1, 16, 64, 256, 1_024, 4_096, 16_384)]
CLASSES = [(64, classes) for classes in (16, 64, 256, 1_000, 4_000, 16_000, 64_000, 256_000)]
OF_CLIENTS = {
    "queue": "queue", "clients": "clients", "requests_s": "requests/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "refused": "refused",
    "cpu_ms": "CPU ms a request", "cores": "cores busy",
}  # fmt: skip
OF_BODIES = {"shape": "N×C", "body_mb": "body MB", "before_mb": "before MB", "peak_mb": "peak MB", "times": "(peak − before) / body"}
OF_TIME = {
    "axis": "against", "shape": "N×C", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "run_ms": "of it run", "ns": "ns a number", "mb_s": "MB/s",
    "exponent": "exponent",
}  # fmt: skip


class Bench:
    """The service and those that ask it."""

    def __init__(self, folder: Path, served: Served, clients: Callers, seconds: float) -> None:
        self.folder, self.served, self.clients, self.seconds = folder, served, clients, seconds

    def order(self, shape: tuple[int, int]) -> tuple[dict[str, Any], int]:
        """A request for a batch of this shape, whose answer is right; and the size of its body."""
        given = batch(*shape)
        body = FORM.body(given)
        request, keep = self.folder / "request", self.folder / "reply"
        request.write_bytes(http(FORM.path, headers(FORM, given), body))
        order = {"address": ["tcp", self.served.port], "request": str(request)}
        self.clients.ask(order | {"keep": str(keep)})
        length, _, whole = keep.read_bytes().partition(b"\n")
        given.check(FORM.grad({}, whole[int(length) :]))
        return order, len(body)

    def against_clients(self, shape: tuple[int, int], clients: Sequence[int], queue: int) -> Iterator[Row]:
        """More and more of them."""
        order, _ = self.order(shape)
        for count in clients:
            before = cpu_s([self.served.pid])
            processes = min(count, PROCESSES)
            asked = order | {"seconds": self.seconds, "pause": PAUSE_S}
            answer = self.clients.ask(asked, processes, count // processes)
            spent = cpu_s([self.served.pid]) - before
            asked_s = answer.rate * (1 + answer.refused / max(1, len(answer.took)))  # with those that were refused
            each_s = spent / (len(answer.took) + answer.refused + count)
            about: Row = {
                "what": "clients",
                "queue": queue,
                "shape": "×".join(map(str, shape)),
                "clients": count,
                "requests_s": answer.rate,
            }
            about |= quantiles(answer.took) | {"refused": answer.refused}
            yield about | {"cpu_ms": 1000 * each_s, "cores": each_s * asked_s}

    def against_bodies(self, shapes: Sequence[tuple[int, int]]) -> Iterator[Row]:
        """Larger and larger ones, one at a time."""
        for shape in shapes:
            order, nbytes = self.order(shape)
            peak_mb([self.served.pid], reset=True)
            before = peak_mb([self.served.pid])
            self.clients.ask(order | {"least": 3, "seconds": 0.001})
            peak = peak_mb([self.served.pid])
            about = {"what": "body", "shape": "×".join(map(str, shape)), "body_mb": nbytes / 1e6, "before_mb": before, "peak_mb": peak}
            yield about | {"times": (peak - before) / (nbytes / 1e6)}

    def against_size(self, axis: str, shapes: Sequence[tuple[int, int]]) -> Iterator[Row]:
        """More rows, or more classes; the exponent is that by which time grows from the row before: 1 is linear."""
        rows = []
        for shape in shapes:
            order, nbytes = self.order(shape)
            answer = self.clients.ask(order | {"least": 5, "seconds": self.seconds / 2})
            found = quantiles(answer.took)
            about: Row = {"what": "size", "axis": axis, "shape": "×".join(map(str, shape)), "numbers": shape[0] * shape[1]}
            about |= found | {"run_ms": float(np.median(answer.stages["run"])), "ns": found["p50_ms"] * 1e6 / (shape[0] * shape[1])}
            rows.append(about | {"mb_s": mb_s(2 * nbytes, found["p50_ms"])})
        for before, row in itertools.pairwise(rows):
            row["exponent"] = float(np.log(row["p50_ms"] / before["p50_ms"]) / np.log(row["numbers"] / before["numbers"]))
        yield from rows


@contextlib.contextmanager
def bench(seconds: float, **settings: Any) -> Iterator[Bench]:
    """A service of its own, for nothing that another part left behind is to count."""
    with tempfile.TemporaryDirectory(prefix="gradwire-bench-") as name:
        folder = Path(name)
        with service(folder, GRPC="false", **settings) as served, Callers("benchmarks.caller", PROCESSES) as clients:
            yield Bench(folder, served, clients, seconds)


def main() -> None:
    """Each of the three."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=2.0, help="for each number of clients; half as long for each size")
    chosen = options.parse_args()
    small, clients, bodies, by_rows, by_classes = (32, 1000), CLIENTS, BODIES, ROWS, CLASSES
    if chosen.quick:
        chosen.seconds, small, clients = 0.02, (4, 16), [1, 16]
        bodies, by_rows, by_classes = [(4, 16)], [(1, 16), (4, 16)], [(4, 16), (4, 64)]
    about = begin("The service, as it grows")
    with bench(chosen.seconds, QUEUE=LONG_QUEUE) as long:
        of_clients = list(long.against_clients(small, clients, LONG_QUEUE))
    with bench(chosen.seconds) as usual:
        of_clients += usual.against_clients(small, clients[-2:], 64)
    table(of_clients, OF_CLIENTS)
    with bench(chosen.seconds) as fresh:
        of_bodies = list(fresh.against_bodies(bodies))
        table(of_bodies, OF_BODIES)
        of_time = [*fresh.against_size("rows", by_rows), *fresh.against_size("classes", by_classes)]
    table(of_time, OF_TIME)
    finish("scale", about, [*of_clients, *of_bodies, *of_time], chosen.out)


if __name__ == "__main__":
    main()
