"""A server that misbehaves in every way that clients/README.md lists: `python -m tests.languages.faults --port 9000` (0: a free one).

Standard library and NumPy. It prints one line when it listens, and ends by TERM. What it answers is what the service answers: the golden
files of tests/golden. A connection counts in /stats from its first POST on.
"""

import argparse
import signal
import socket
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.languages import replies
from tests.languages.messages import Closed, Message, Reply, read_message

PATIENCE_S = 20.0
TRICKLE_S = 0.2
IDLE_S = 60.0  # a connection on which nothing comes for so long is closed


class Counts:
    """What has come so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connections = self.open = self.requests = 0
        self.of_token: Counter[str] = Counter()

    def request(self, token: str, is_first: bool) -> int:
        """Count a request; how many with this token have come before it."""
        with self.lock:
            self.requests += 1
            self.connections += is_first
            self.open += is_first
            before = self.of_token[token]
            self.of_token[token] += 1
            return before

    def closed(self) -> None:
        """A connection has ended."""
        with self.lock:
            self.open -= 1

    def stats(self, token: str) -> dict[str, int]:
        """What is said of everything, or of a token."""
        with self.lock:
            return (
                {"requests": self.of_token[token]} if token else {name: getattr(self, name) for name in ("connections", "open", "requests")}
            )


COUNTS = Counts()


class Call(NamedTuple):
    """A request, the words of its path behind the fault's name, and how many requests with its token came before."""

    connection: socket.socket
    message: Message
    words: list[str]
    before: int

    @property
    def form(self) -> str:
        """json or safetensors."""
        return "safetensors" if "safetensors" in self.message.headers.get("content-type", "") else "json"

    @property
    def path(self) -> str:
        """What the client puts behind its base URL."""
        return f"/{self.words[-1]}"

    def golden(self, name: str = "softmax") -> Reply:
        """The golden reply, if the request is the golden one."""
        return replies.golden(name, self.message, self.form, self.path)

    def softmax(self) -> Reply:
        """The golden reply of `softmax`, whatever is asked."""
        return replies.of_case("softmax", self.form)


def send(call: Call, reply: Reply) -> bool:
    """The whole of it; whether the connection is kept."""
    call.connection.sendall(reply.whole(call.message))
    return reply.headers.get("Connection") != "close"


def after_some(refusal: str) -> Callable[[Call], bool]:
    """/busy/<n>/<token>: this status until n requests have come."""

    def fault(call: Call) -> bool:
        if call.before < int(call.words[0]):
            return send(call, replies.of_status(refusal, **{"Retry-After": "0"}))
        return send(call, call.golden())

    return fault


def silent(call: Call) -> bool:
    """Nothing."""
    wait_for_the_end(call.connection)
    return False


def stalls(call: Call) -> bool:
    """A head and half the body, then nothing."""
    call.connection.sendall(half(call))
    return silent(call)


def cut(call: Call) -> bool:
    """A head and half the body, then the end."""
    call.connection.sendall(half(call))
    return False


def half(call: Call) -> bytes:
    """The reply without the second half of its body."""
    reply = call.softmax()
    return reply.whole(call.message)[: -(len(reply.body) // 2)]


def trickles(call: Call) -> bool:
    """The head, then the body a byte at a time."""
    reply = call.softmax()
    call.connection.sendall(reply.head(call.message))
    for byte in reply.body:
        if is_closed(call.connection, TRICKLE_S):
            return False
        call.connection.sendall(bytes([byte]))
    return True


def stale(call: Call) -> bool:
    """The reply, then an end that was not announced."""
    send(call, call.golden())
    return False


def chunked(call: Call) -> bool:
    """The reply in chunks of 7 bytes."""
    call.connection.sendall(call.golden().in_chunks(call.message, 7))
    return True


FAULTS: dict[str, Callable[[Call], bool]] = {
    "golden": lambda call: send(call, call.golden(call.words[0])),
    "status": lambda call: send(call, replies.of_status(call.words[0])),
    "busy": after_some("429"),
    "draining": after_some("503"),
    "later": lambda call: send(call, replies.of_status("429", **{"Retry-After": "3600"})),
    "silent": silent,
    "stalls": stalls,
    "trickles": trickles,
    "cut": cut,
    "hang-up": lambda call: False,
    "stale": stale,
    "closing": lambda call: send(call, call.golden().with_headers(Connection="close")),
    "html": lambda call: send(call, replies.page(200)),
    "html-502": lambda call: send(call, replies.page(502)),
    "redirect": lambda call: send(call, replies.redirect(f"/golden/softmax{call.path}")),
    "not-json": lambda call: send(call, replies.garbage(call.form)),
    "no-grad": lambda call: send(call, replies.changed(call.form, replies.no_grad)),
    "wrong-shape": lambda call: send(call, replies.changed(call.form, replies.a_row_too_few)),
    "wrong-type": lambda call: send(call, replies.changed(call.form, replies.no_numbers)),
    "null": lambda call: send(call, replies.nothing(call.form)),
    "huge-header": lambda call: send(call, replies.huge(call.form)),
    "other-form": lambda call: send(call, replies.of_case("softmax", "json" if call.form == "safetensors" else "safetensors")),
    "chunked": chunked,
}
WITH_TOKEN = {"busy": 1, "draining": 1, "stale": 0}  # which of the words it is


class Connection(socketserver.BaseRequestHandler):
    """Requests one after another, for as long as the connection is kept."""

    def handle(self) -> None:
        """Answer until someone ends it."""
        self.counted = False
        connection: socket.socket = self.request
        connection.settimeout(IDLE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        try:
            while self.answer(read_message(stream, connection)):
                pass
        except (Closed, OSError):
            pass
        finally:
            stream.close()
            connection.close()
            if self.counted:
                COUNTS.closed()

    def answer(self, message: Message) -> bool:
        """One request; whether another may follow."""
        name, *words = [*message.path.strip("/").split("/")]
        call = Call(self.request, message, words, 0)
        if message.method == "GET":
            stats = COUNTS.stats(words[0] if words else "")
            return send(call, replies.as_json(200, stats) if name == "stats" else unknown(message)) and message.keeps
        token = words[WITH_TOKEN[name]] if name in WITH_TOKEN and len(words) > WITH_TOKEN[name] else ""
        call = call._replace(before=COUNTS.request(token, not self.counted))
        self.counted = True
        if name not in FAULTS or not words:
            return send(call, unknown(message)) and message.keeps
        return FAULTS[name](call) and message.keeps


def unknown(message: Message) -> Reply:
    """There is no such path."""
    return replies.problem(
        404, f"no such path {message.path!r} here; known: /stats, /{', /'.join(FAULTS)}, each with /loss or /grad behind it"
    )


def wait_for_the_end(connection: socket.socket) -> None:
    """Until the client leaves, or patience ends."""
    is_closed(connection, PATIENCE_S)


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Wait so long, and whether the client left meanwhile."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.settimeout(IDLE_S)


class Server(socketserver.ThreadingTCPServer):
    """A thread a connection."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until TERM."""
    parser = argparse.ArgumentParser("faults", description="A server that misbehaves.")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0: a free one")
    with Server(("127.0.0.1", parser.parse_args().port), Connection) as server:
        server.block_on_close = False
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
