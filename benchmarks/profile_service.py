"""Where the time of a request goes: `python -m benchmarks.profile_service [--shape 32x1000] [--form safetensors]`.

py-spy looks at the service 500 times a second while one client asks it. What it sees is put down to the part of the service nearest to the
top of the stack, and spread over the CPU time that a request costs. Threads that wait are not looked at. Requests go to 127.0.0.1 only.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.batches import FORMS, batch, headers, http
from benchmarks.processes import Callers, cpu_s, service
from benchmarks.report import Row, begin, finish, parser, shapes, table

# Parts by where their code is, the more special before the more general.
PARTS = {
    "the kernel and what calls it": ("models/runtimes/", "models/native/", "models/kernel", "models/plan", "torch/"),
    "checks of the job": ("models/",),
    "reading and writing the form": ("service/codec", "service/tensors", "service/json", "service/open_inference", "service/negotiation"),
    "reading the body": ("service/body", "service/incoming"),
    "log, metrics, request id": ("service/access", "service/metrics", "logging/", "prometheus_client/"),
    "place, memory, deadline, statistics": ("service/visit", "service/engine", "service/memory", "service/statistics", "service/keys"),
    "routes and reply": ("service/routes", "service/reply"),
    "HTTP: uvicorn, httptools, our protocol": ("service/protocol", "uvicorn/", "httptools/"),
    "FastAPI and Starlette": ("fastapi/", "starlette/"),
}
LOOP, WRITE = "reading from the socket, and the event loop: the system, uvloop", "writing to the socket: the system"
RATE = 500  # looks a second
IDLE = "_worker (concurrent/futures/thread.py"
COLUMNS = {"part": "part", "us": "µs a request", "share": "share, %"}


def part_of(stack: str) -> str:
    """To which part the top of a stack belongs; what is called there may be no Python, as a write to the socket is."""
    if re.search(r"send \([^()]*httptools_impl.py:\d+\)$", stack):
        return WRITE
    for frame in reversed(stack.split(";")):
        place = re.sub(r"^.*\((?:.*site-packages/|.*/python3\.\d+/)?(.*):\d+\)$", r"\1", frame)
        for part, beginnings in PARTS.items():
            if any(re.search(rf"(^|/){re.escape(each)}", place) for each in beginnings):
                return LOOP if place.startswith("uvicorn/_compat") else part
    return LOOP


def measured(shape: tuple[int, int], name: str, seconds: int) -> list[Row]:
    """Where one kind of request spends its time."""
    given, form = batch(*shape), FORMS[name]
    with tempfile.TemporaryDirectory(prefix="gradwire-bench-") as folder_name:
        folder = Path(folder_name)
        with service(folder, GRPC="false") as served, Callers("benchmarks.caller", 1) as clients:
            request, seen = folder / "request", folder / "stacks"
            request.write_bytes(http(form.path, headers(form, given), form.body(given)))
            order = {"address": ["tcp", served.port], "request": str(request)}
            clients.ask(order | {"seconds": 1})
            looking = ["py-spy", "record", "--pid", str(served.pid), "--rate", str(RATE), "--format", "raw", "--output", str(seen)]
            command = [str(Path(sys.executable).parent / looking[0]), *looking[1:], "--duration", str(seconds)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
                before = cpu_s([served.pid])
                answer = clients.ask(order | {"seconds": seconds})
                us = (cpu_s([served.pid]) - before) * 1e6 / len(answer.took)
                spy.wait(60)
            found: Counter[str] = Counter()
            for line in seen.read_text().splitlines():
                stack, _, count = line.rpartition(" ")
                if IDLE not in stack.rpartition(";")[2]:
                    found[part_of(stack)] += int(count)
    total = found.total()
    return [{"part": part, "us": us * count / total, "share": 100 * count / total} for part, count in found.most_common()]


def main() -> None:
    """One kind of request."""
    options = parser(__doc__)
    options.add_argument("--shape", type=shapes, default="32x1000")
    options.add_argument("--form", choices=list(FORMS), default="safetensors")
    options.add_argument("--seconds", type=int, default=10)
    chosen = options.parse_args()
    about = begin(f"Where a request of {'×'.join(map(str, chosen.shape[0]))} in {chosen.form} spends its time")
    rows = measured(chosen.shape[0], chosen.form, 1 if chosen.quick else chosen.seconds)
    table(rows, COLUMNS)
    finish("profile", about, rows, chosen.out)


if __name__ == "__main__":
    main()
