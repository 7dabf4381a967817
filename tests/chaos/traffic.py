"""Traffic for a service that is to be broken: requests whose right answers are known, and hostile ones with the statuses they may get."""

import contextlib
import functools
import gzip
import http.client
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

REFUSED = {400, 404, 406, 413, 415, 422, 429}
SAFETENSORS = "application/vnd.safetensors"


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


@contextlib.contextmanager
def connection(url: str, timeout: float = 30) -> Iterator[http.client.HTTPConnection]:
    """A connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(*address(url), timeout=timeout)) as found:
        yield found


def post(to: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """One request."""
    to.request("POST", "/grad", body, headers)
    reply = to.getresponse()
    return reply.status, reply.read()


def batch(chance: random.Random, rows: int, classes: int) -> tuple[bytes, dict[str, str], Any]:
    """A request, in JSON or as tensors, and the gradient that is right."""
    rng = np.random.default_rng(chance.randrange(2**32))
    scores, labels = rng.normal(size=(rows, classes)), rng.integers(0, classes, rows)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = (p - np.eye(classes)[labels]) / rows
    if chance.random() < 0.5:
        text = json.dumps({"scores": scores.tolist(), "labels": [[int(each)] for each in labels], "dtype": "float64"}).encode()
        return text, {"Content-Type": "application/json"}, expected
    return safetensors.numpy.save({"scores": scores, "labels": labels[:, None]}), {"Content-Type": SAFETENSORS}, expected


def right(status: int, reply: bytes, headers: dict[str, str], expected: Any) -> bool:
    """Whether a reply is the gradient, to the last digit that matters."""
    if status != 200:
        return False
    is_json = headers["Content-Type"] == "application/json"
    found = np.array(json.loads(reply)["grad"]) if is_json else safetensors.numpy.load(reply)["grad"]
    return bool(np.allclose(found, expected, rtol=1e-10, atol=1e-12))


@functools.cache
def bomb(megabytes: int) -> bytes:
    """A few kilobytes that unpack to this much."""
    return gzip.compress(b" " * (megabytes << 20), 9)


def hostile(chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """A request that is refused."""
    good, headers, _ = batch(chance, 4, 5)
    kinds = [
        (good[: chance.randrange(len(good))], headers),
        (good + b"x", headers),
        (bytes(chance.randrange(256) for _ in range(200)), headers),
        (b"[" * 50_000, {"Content-Type": "application/json"}),
        (good, {"Content-Type": "text/plain"}),
        (good, headers | {"Content-Encoding": "gzip"}),
        (bomb(300), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        (b'{"scores": [[1e400]], "labels": [0]}', {"Content-Type": "application/json"}),
    ]
    return chance.choice(kinds)


def half(url: str, sent: bytes, **options: int) -> socket.socket:
    """A connection on which something was sent, and no more follows; with these options of sockets."""
    found = socket.socket()
    found.settimeout(20)
    for name, value in options.items():
        found.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    found.connect(address(url))
    found.sendall(sent)
    return found


def resident_bytes(pid: int) -> int:
    """The memory of a process that is really there."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
