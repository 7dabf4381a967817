"""Stop a service under load, and count what is lost: it must be nothing.

python deploy/term_under_load.py http://127.0.0.1:8000 -- docker compose stop

Clients send requests for as long as the service says that it is ready, and a little longer, as a load balancer does that has not heard yet.
One request is half sent when TERM comes, and its other half follows when the service takes no new ones. Every one of them must be answered
as before. Bounded: it ends by itself, and sends to the given address alone.
"""

import collections
import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

CLIENTS = 4
BEFORE_S = 2.0  # of load until TERM
LAG_S = 1.0  # a balancer goes on sending for so long after the service said that it is not ready
MOST_S = 100.0
HEALTH_S = 2.0  # a probe that is not answered by then is a no
ROWS, CLASSES = 64, 50
SCORES = [[((row * 31 + column * 17) % 101) / 10 - 5 for column in range(CLASSES)] for row in range(ROWS)]
BODY = json.dumps({"loss": "softmax_cross_entropy", "scores": SCORES, "labels": [[row % CLASSES] for row in range(ROWS)]}).encode()
HEADERS = {"Content-Type": "application/json"}


def connect(address: str, timeout_s: float = MOST_S) -> http.client.HTTPConnection:
    """A connection of its own."""
    return http.client.HTTPConnection(address, timeout=timeout_s)


def answer(connection: http.client.HTTPConnection) -> bytes:
    """The body of the reply; raises ValueError where it is not a 200."""
    reply = connection.getresponse()
    body = reply.read()
    if reply.status != http.client.OK:
        raise ValueError(f"status {reply.status}: {body[:200]!r}")
    return body


def asked(connection: http.client.HTTPConnection) -> bytes:
    """A request, answered."""
    connection.request("POST", "/grad", BODY, HEADERS)
    return answer(connection)


def is_well(address: str, path: str) -> bool:
    """Whether the service answers 200 there."""
    connection = connect(address, HEALTH_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Load:
    """Clients that send until they are told to stop, and what came of it."""

    def __init__(self, address: str) -> None:
        self.address, self.expected = address, asked(connect(address))
        self.counts: collections.Counter[str] = collections.Counter()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(number % 2 == 0,), daemon=True) for number in range(CLIENTS)]

    def client(self, keep: bool) -> None:
        """Send one request after another, over one connection or each over its own."""
        connection = connect(self.address)
        while not self.stop.is_set():
            self.count(connection)
            if not keep or connection.sock is None:  # the service closed it with the reply, and said so: `Connection: close`
                connection.close()
                connection = connect(self.address)
        connection.close()

    def count(self, connection: http.client.HTTPConnection) -> None:
        """One request."""
        try:
            what = "answered" if asked(connection) == self.expected else "answered otherwise"
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"lost: {type(error).__name__}: {error}"
            connection.close()
        with self.lock:
            self.counts[what] += 1

    def half(self) -> http.client.HTTPConnection:
        """A request of which half is sent."""
        connection = connect(self.address)
        connection.putrequest("POST", "/grad")
        for name, value in {**HEADERS, "Content-Length": str(len(BODY))}.items():
            connection.putheader(name, value)
        connection.endheaders(BODY[: len(BODY) // 2])
        return connection

    def other_half(self, connection: http.client.HTTPConnection) -> None:
        """The rest of it, and its reply."""
        try:
            connection.send(BODY[len(BODY) // 2 :])
            what = "half sent before TERM, answered" if answer(connection) == self.expected else "half sent before TERM, answered otherwise"
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"half sent before TERM, lost: {type(error).__name__}: {error}"
        self.counts[what] += 1


def wait_until_not(address: str, path: str, began: float) -> float:
    """Seconds until the service no longer answers 200 there."""
    while is_well(address, path):
        if time.monotonic() - began > MOST_S:
            raise SystemExit(f"{path} is still well {MOST_S:g} s after TERM")
        time.sleep(0.05)
    return time.monotonic() - began


def main(url: str, command: list[str]) -> int:
    """Load, TERM, count."""
    load = Load(urlsplit(url).netloc)
    for each in load.threads:
        each.start()
    time.sleep(BEFORE_S)
    half_sent = load.half()
    time.sleep(0.2)
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stopping:
        unready_s = wait_until_not(load.address, "/health/ready", began)
        time.sleep(LAG_S)
        load.stop.set()
        for each in load.threads:
            each.join(MOST_S)
        closed_s = wait_until_not(load.address, "/health/live", began)
        load.other_half(half_sent)
        code = stopping.wait(MOST_S)
    print(f"not ready {unready_s:.1f} s after TERM, no new requests after {closed_s:.1f} s, gone after {time.monotonic() - began:.1f} s")
    for what, count in sorted(load.counts.items()):
        print(f"{count:6} {what}")
    good = set(load.counts) == {"answered", "half sent before TERM, answered"} and code == 0 and closed_s > unready_s + LAG_S
    return int(not good)


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[3:]))
