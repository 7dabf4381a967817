"""A process that calls a service over plain sockets, so that the client costs little: a JSON order a line in, an answer a line out.

An order is {"address": ["tcp", port] | ["unix", path] | ["grpc", port], "request": file, "threads", "seconds", "least", "keep": file}; the
answer has the seconds that each request took, when the first began and the last ended, refusals, and the stages that replies tell of in
milliseconds. The first request, which finds a new connection, is not timed unless "warm" is false. With "copy": [from, to] the numbers are
first copied from one file into the other, each time: what a caller does whose scores are elsewhere.
"""

import contextlib
import json
import mmap
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Order = dict[str, Any]
Ask = Callable[[bool], tuple[int, bytes, bytes]]
LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)
STAGE = re.compile(rb"(decode|wait|run|encode);dur=([0-9.]+)")
OK, TOO_MANY = 200, 429
METHOD = "/inference.GRPCInferenceService/ModelInfer"
MOST_BYTES = 1 << 30
FAR = 1e18  # later than anything


class Connection:
    """One connection, kept; a reply is read into one buffer, which the next reply uses again."""

    def __init__(self, address: list[Any], request: bytes) -> None:
        self.request, self.buffer = request, bytearray(1 << 17)
        self.socket = socket.socket(socket.AF_UNIX if address[0] == "unix" else socket.AF_INET)
        self.socket.settimeout(120)
        self.socket.connect(address[1] if address[0] == "unix" else ("127.0.0.1", address[1]))
        if address[0] == "tcp":
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, whole: bool = False) -> tuple[int, bytes, bytes]:
        """Status, head and body of the reply to the request; the body only where it is wanted whole, or of a refusal."""
        self.socket.sendall(self.request)
        have, end = 0, -1
        while end < 0:
            have += self.receive(have)
            end = self.buffer.find(b"\r\n\r\n", 0, have)
        head = bytes(self.buffer[:end])
        length = LENGTH.search(head)
        assert length is not None, head
        total = end + 4 + int(length[1])
        if total > len(self.buffer):
            self.buffer.extend(bytes(total - len(self.buffer)))
        while have < total:
            have += self.receive(have, total)
        status = int(head[9:12])
        return status, head, bytes(self.buffer[end + 4 : total]) if whole or status != OK else b""

    def receive(self, have: int, total: int | None = None) -> int:
        """Some more bytes behind those that are there."""
        with memoryview(self.buffer) as view:
            count = self.socket.recv_into(view[have:total])
        assert count, "the service closed the connection"
        return count


@contextlib.contextmanager
def asking(address: list[Any], request: bytes) -> Iterator[Ask]:
    """How to make the request, over one connection."""
    if address[0] != "grpc":
        connection = Connection(address, request)
        try:
            yield connection.ask
        finally:
            connection.socket.close()
        return
    import grpc  # takes a while, and few need it

    limits = [("grpc.max_receive_message_length", MOST_BYTES), ("grpc.max_send_message_length", MOST_BYTES)]
    with grpc.insecure_channel(f"127.0.0.1:{address[1]}", limits) as channel:
        infer: Callable[..., bytes] = channel.unary_unary(METHOD)
        yield lambda _: (OK, b"", infer(request, timeout=120))


@contextlib.contextmanager
def copying(files: list[str] | None) -> Iterator[Callable[[], None]]:
    """How to bring the numbers to where the service finds them."""
    if files is None:
        yield lambda: None
        return
    data = Path(files[0]).read_bytes()
    with Path(files[1]).open("r+b") as there, mmap.mmap(there.fileno(), 0) as region:

        def copy() -> None:
            region[: len(data)] = data

        yield copy


def call(order: Order, request: bytes, answer: dict[str, Any], together: threading.Barrier) -> None:
    """One client, which begins when all are there: ask until the time is over."""
    together.wait(120)
    with copying(order.get("copy")) as copy, asking(order["address"], request) as ask:
        if order.get("keep"):
            status, head, body = ask(True)
            Path(order["keep"]).write_bytes(b"%d\n" % len(head) + head + body)
        elif order["seconds"] <= 0 or order.get("warm", True):
            status, head, body = ask(False)
        if order["seconds"] <= 0:
            answer["status"] = status
            return
        first, made = time.perf_counter(), 0
        answer["began"] = min(answer["began"], first)
        end = first + order["seconds"]
        while time.perf_counter() < end or made < order["least"]:
            began = time.perf_counter()
            copy()
            status, head, body = ask(False)
            took = time.perf_counter() - began
            made += 1
            if status == TOO_MANY:
                answer["refused"] += 1
                time.sleep(order.get("pause", 0.0))
                continue
            assert status == OK, (status, body[:300])
            answer["took"].append(took)
            for stage, ms in STAGE.findall(head):
                answer["stages"].setdefault(stage.decode(), []).append(float(ms))
        answer["ended"] = max(answer["ended"], time.perf_counter())


def carried_out(order: Order) -> dict[str, Any]:
    """What came of an order."""
    request = Path(order["request"]).read_bytes()
    answer: dict[str, Any] = {"took": [], "stages": {}, "refused": 0, "status": OK, "began": FAR, "ended": 0.0}
    together = threading.Barrier(order["threads"])

    def client() -> None:
        try:
            call(order, request, answer, together)
        except Exception as error:
            together.abort()
            answer.setdefault("error", repr(error))

    threads = [threading.Thread(target=client) for _ in range(order["threads"])]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answer


def main() -> None:
    """Orders until there are no more."""
    for line in sys.stdin:
        print(json.dumps(carried_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
