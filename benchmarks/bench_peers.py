"""The same job behind other servers, hosted as their documentation shows: `python -m benchmarks.bench_peers [--only fastapi,litserve]`.

Each is installed into a virtual environment of its own, build/peers-<name>; one that cannot be within the time is left out, and why is
printed. Each gets its best payload besides JSON, one worker, and one thread of torch; all run at once, and are asked in turn. The CPU of a
request is that of all the processes of a server. The job of the peers is what a user writes first, benchmarks/peers/job.py: dense targets,
F.cross_entropy, autograd. Requests go to 127.0.0.1 only.
"""

import base64
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.batches import (
    FORMS,
    LENGTH,
    Array,
    Batch,
    batch,
    headers,
    http,
    tensors,
    v2_binary_body,
    v2_binary_head,
    v2_json_body,
    v2_json_grad,
)
from benchmarks.processes import ROOT, Answer, Callers, cpu_s, family, free_ports, peak_mb, running, service, wait_for
from benchmarks.report import Row, begin, finish, parser, quantiles, shapes, table
from service.protos import open_inference_pb2 as pb

HERE = ROOT / "benchmarks" / "peers"
INSTALLED_WITHIN_S, READY_WITHIN_S = 500, 60
CLIENTS = (1, 8)
IDLE_S = 2
SYSTEM_PYTHON = "/usr/bin/python3"  # PyTriton brings an interpreter that cannot run the standard library of the newest 3.11
BOUNDARY = "gradwire-bench-boundary"
MODEL = "/v2/models/loss/infer"
COLUMNS = {
    "shape": "N×C", "peer": "server", "form": "payload", "clients": "clients", "requests_s": "requests/s", "p50_ms": "p50 ms",
    "p99_ms": "p99 ms", "cpu_ms": "CPU ms", "peak_mb": "peak MB", "times": "× ours",
}  # fmt: skip


@dataclass(frozen=True)
class Payload:
    """A form of a request: where it goes, its headers and body, and the gradient of a reply's headers and body."""

    name: str
    path: str
    headers: Callable[[Batch], Mapping[str, str]]
    body: Callable[[Batch], bytes]
    grad: Callable[[Mapping[str, str], bytes], Array]


@dataclass(frozen=True)
class Peer:
    """A server: how to start it on ports (HTTP, gRPC, metrics), where it says that it is ready, and its payloads."""

    name: str
    command: Callable[[Path, Sequence[int], Path], list[str]]
    ready: str
    payloads: tuple[Payload, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable


def typed(media_type: str) -> Callable[[Batch], Mapping[str, str]]:
    """Headers that name a type."""
    return lambda _: {"Content-Type": media_type}


def raw_body(given: Batch) -> bytes:
    """N, C, K; scores; labels."""
    rows, most = given.padded.shape
    return np.array([rows, given.scores.shape[1], most]).tobytes() + given.scores.tobytes() + given.padded.tobytes()


def raw_grad(_: Mapping[str, str], body: bytes) -> Array:
    """Behind the loss."""
    return np.frombuffer(body, np.float32, offset=4)


def lists_body(given: Batch) -> bytes:
    """Lists of lists, labels padded."""
    return orjson.dumps({"scores": given.scores, "labels": given.padded}, option=orjson.OPT_SERIALIZE_NUMPY)


def lists_grad(_: Mapping[str, str], body: bytes) -> Array:
    """Lists of lists."""
    return np.asarray(orjson.loads(body)["grad"])


def base64_body(given: Batch) -> bytes:
    """The raw form as text."""
    return json.dumps({"batch": base64.b64encode(raw_body(given)).decode()}).encode()


def base64_grad(head: Mapping[str, str], body: bytes) -> Array:
    """The raw form as text."""
    return raw_grad(head, base64.b64decode(json.loads(body)["grad"]))


def multipart_body(given: Batch) -> bytes:
    """The raw form as an uploaded file."""
    head = 'Content-Disposition: form-data; name="batch"; filename="batch.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"--{BOUNDARY}\r\n{head}".encode() + raw_body(given) + f"\r\n--{BOUNDARY}--\r\n".encode()


def message_body(given: Batch) -> bytes:
    """A message of gRPC for the model `loss`."""
    message = pb.ModelInferRequest(model_name="loss")
    for about, array in tensors(given):
        message.inputs.add(**about)
        message.raw_input_contents.append(array.tobytes())
    return bytes(message.SerializeToString())


def binary_grad(head: Mapping[str, str], body: bytes) -> Array:
    """The gradient by its name, for the outputs come in any order."""
    start = int(head[LENGTH.lower()])
    for each in json.loads(body[:start])["outputs"]:
        size = each["parameters"]["binary_data_size"]
        if each["name"] == "grad":
            return np.frombuffer(body[start : start + size], np.float32)
        start += size
    raise AssertionError("no gradient")


def message_grad(_: Mapping[str, str], body: bytes) -> Array:
    """The same over gRPC."""
    message = pb.ModelInferResponse.FromString(body)
    names = [each.name for each in message.outputs]
    return np.frombuffer(message.raw_output_contents[names.index("grad")], np.float32)


RAW = Payload("raw", "/raw", typed("application/octet-stream"), raw_body, raw_grad)
LISTS = Payload("JSON", "/lists", typed("application/json"), lists_body, lists_grad)
UNTYPED = Payload("JSON, untyped", "/untyped", typed("application/json"), lists_body, lists_grad)
V2_JSON = Payload("V2 JSON", MODEL, typed("application/json"), v2_json_body, v2_json_grad)
V2_BINARY = Payload("V2 binary", MODEL, lambda given: {LENGTH: str(len(v2_binary_head(given)))}, v2_binary_body, binary_grad)
GRPC = Payload("gRPC", "", lambda _: {}, message_body, message_grad)


def script(name: str) -> Callable[[Path, Sequence[int], Path], list[str]]:
    """A program of its own."""
    return lambda binaries, ports, _: [str(binaries / "python"), str(HERE / name), *map(str, ports)]


def bentoml(binaries: Path, ports: Sequence[int], folder: Path) -> list[str]:
    """By its command."""
    return [str(binaries / "bentoml"), "serve", "bentoml_server:Loss", "--host", "127.0.0.1", "--port", str(ports[0])]


def mlserver(binaries: Path, ports: Sequence[int], folder: Path) -> list[str]:
    """By its command, with settings in a folder."""
    model, server = (
        {"name": "loss", "implementation": "mlserver_model.Loss"},
        dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True)),
    )
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "settings.json").write_text(json.dumps(server | {"host": "127.0.0.1", "grpc_max_message_length": 1 << 28}))
    return [str(binaries / "mlserver"), "start", str(folder)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("fastapi", script("fastapi_server.py"), "/ready", (RAW, LISTS, UNTYPED)),
        Peer(
            "litserve",
            script("litserve_server.py"),
            "/health",
            (Payload("base64 in JSON", "/predict", typed("application/json"), base64_body, base64_grad),),
        ),
        Peer(
            "bentoml",
            bentoml,
            "/readyz",
            (Payload("file", "/raw", typed(f"multipart/form-data; boundary={BOUNDARY}"), multipart_body, raw_grad), LISTS),
            {"BENTOML_DO_NOT_TRACK": "true"},
        ),
        Peer("mlserver", mlserver, "/v2/health/ready", (GRPC, V2_JSON)),
        Peer("triton", script("triton_server.py"), "/v2/models/loss/ready", (V2_BINARY, GRPC), python=SYSTEM_PYTHON),
        Peer(
            "ray",
            script("ray_server.py"),
            "/-/healthz",
            (Payload("raw", "/", typed("application/octet-stream"), raw_body, raw_grad),),
            {"RAY_USAGE_STATS_ENABLED": "0"},
        ),
    )
}


@dataclass
class Cell:
    """A server, a payload, a number of clients; and what was found."""

    peer: str
    form: str
    shape: tuple[int, int]
    clients: int
    order: dict[str, Any]
    pid: int
    found: Answer = field(default_factory=Answer)
    cpu_s: float = 0.0
    asked: int = 0
    peak_mb: float = 0.0

    def row(self) -> Row:
        """The measurement."""
        about: Row = {"shape": "×".join(map(str, self.shape)), "peer": self.peer, "form": self.form, "clients": self.clients}
        about |= quantiles(self.found.took) | {"requests_s": self.found.rate}
        return about | {"cpu_ms": 1000 * self.cpu_s / self.asked, "peak_mb": self.peak_mb}


def binaries_of(name: str, python: str) -> Path:
    """Install a peer where it is not yet; raises RuntimeError where that cannot be done in time."""
    folder = ROOT / "build" / f"peers-{name}"
    done = folder / "installed"
    if not done.exists():
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
        try:
            subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
            wanted = ["--requirement", str(HERE / f"requirements-{name}.txt")]
            subprocess.run([*pip, *wanted], check=True, timeout=INSTALLED_WITHIN_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not installed within {INSTALLED_WITHIN_S} s") from None
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise RuntimeError(f"cannot be installed: {said.strip().splitlines()[-1]}") from None
        done.touch()
    return folder / "bin"


@contextlib.contextmanager
def started(peer: Peer, folder: Path) -> Iterator[tuple[int, Sequence[int]]]:
    """A peer that is ready: its process, and its ports."""
    binaries, ports = binaries_of(peer.name, peer.python), free_ports(3)
    own = folder / peer.name
    own.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GRADWIRE_", "PYTHONPATH"))}
    environment = inherited | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "PATH": f"{binaries}:{os.environ['PATH']}", **peer.settings}
    with (
        (own / "log").open("wb") as log,
        running(peer.command(binaries, ports, own), environment, stdout=log, stderr=log, cwd=own) as process,
    ):
        try:
            ready = f"GET {peer.ready} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            wait_for(ports[0], ready, process, READY_WITHIN_S)
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError(f"{error}; {(own / 'log').read_text(errors='replace')[-600:]}") from None
        yield process.pid, ports


def kept(order: dict[str, Any], clients: Callers, folder: Path) -> tuple[dict[str, str], bytes]:
    """Headers and body of one reply."""
    keep = folder / "reply"
    status = clients.ask(order | {"keep": str(keep)}).status
    length, _, whole = keep.read_bytes().partition(b"\n")
    assert status == 200, (status, whole[:800])
    lines = [line.partition(": ") for line in whole[: int(length)].decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): text for name, _, text in lines}, whole[int(length) :]


def cells(peer: str, pid: int, ports: Sequence[int], payload: Payload, given: Batch, clients: Callers, folder: Path) -> Iterator[Cell]:
    """A payload, once its answer is right."""
    body, shape = payload.body(given), (given.scores.shape[0], given.scores.shape[1])
    request = folder / f"{peer}-{payload.name}-{shape[0]}".replace(" ", "-")
    is_grpc = not payload.path
    request.write_bytes(body if is_grpc else http(payload.path, payload.headers(given), body))
    order = {"address": ["grpc", ports[1]] if is_grpc else ["tcp", ports[0]], "request": str(request)}
    given.check(payload.grad(*kept(order, clients, folder)))
    for count in CLIENTS:
        yield Cell(peer, payload.name, shape, count, order, pid)


def of_ours(name: str) -> Payload:
    """A form of ours."""
    form = FORMS[name]
    return Payload(name, form.path, functools.partial(headers, form), form.body, form.grad)


OURS = tuple(of_ours(name) for name in ("safetensors", "V2 binary", "gRPC", "JSON"))


def measure(found: Sequence[Cell], clients: Callers, rounds: int, seconds: float) -> None:
    """Every cell for a moment, then again."""
    for _ in range(rounds):
        for cell in found:
            pids = family(cell.pid)
            peak_mb(pids, reset=True)
            before = cpu_s(pids)
            answer = clients.ask(cell.order | {"seconds": seconds, "least": 1}, cell.clients)
            cell.cpu_s += cpu_s(pids) - before
            cell.asked += len(answer.took) + cell.clients
            cell.peak_mb = max(cell.peak_mb, peak_mb(pids))
            cell.found.merge(answer)


def compared(rows: Sequence[Row]) -> None:
    """How many times the requests of a peer ours does: in JSON beside JSON, and safetensors beside everything else."""
    rate = {(row["shape"], row["form"], row["clients"]): row["requests_s"] for row in rows if row["peer"] == "gradwire"}
    for row in rows:
        own = "JSON" if "JSON" in row["form"] and "base64" not in row["form"] else "safetensors"
        if row["peer"] != "gradwire":
            row["times"] = rate[row["shape"], own, row["clients"]] / row["requests_s"]


def main() -> None:
    """Every peer that can be had."""
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(PEERS), help="peers, with commas between")
    options.add_argument("--shapes", type=shapes, default="32x1000,256x1000")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=0.5, help="for each cell in each round")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.shapes, chosen.rounds, chosen.seconds = [(4, 16)], 1, 0.05
    about = begin("The same job behind other servers")
    found: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="gradwire-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        clients = stack.enter_context(Callers("benchmarks.caller", max(CLIENTS)))
        served = stack.enter_context(service(folder))
        there: list[tuple[str, int, Sequence[int], Sequence[Payload]]] = [("gradwire", served.pid, (served.port, served.grpc), OURS)]
        for peer in (PEERS[each] for each in chosen.only.split(",") if each):
            try:
                there.append((peer.name, *stack.enter_context(started(peer, folder)), peer.payloads))
            except RuntimeError as error:
                print(f"{peer.name} is LEFT OUT: {error}\n", flush=True)
        for shape in chosen.shapes:
            for peer_name, pid, ports, payloads in there:
                for payload in payloads:
                    try:
                        found += cells(peer_name, pid, ports, payload, batch(*shape), clients, folder)
                    except AssertionError as error:
                        print(f"{peer_name}, {payload.name} is LEFT OUT: {error}\n", flush=True)
        measure(found, clients, chosen.rounds, chosen.seconds)
        idle(there)
    rows = [cell.row() for cell in found]
    compared(rows)
    table(rows, COLUMNS)
    finish("peers", about, rows, chosen.out)


def idle(there: Sequence[tuple[str, int, Sequence[int], Sequence[Payload]]]) -> None:
    """What each server takes while nobody asks it: it is there while the others are measured."""
    before = {name: cpu_s(family(pid)) for name, pid, _, _ in there}
    time.sleep(IDLE_S)
    busy = {name: (cpu_s(family(pid)) - before[name]) / IDLE_S for name, pid, _, _ in there}
    print("Cores busy while nobody asks: " + ", ".join(f"{name} {cores:.2f}" for name, cores in busy.items()) + "\n")


if __name__ == "__main__":
    main()
