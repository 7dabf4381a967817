"""An offer of another protocol, as Java's HttpClient makes it with every first request, changes nothing; who does not read is cut off."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from typing import Any

import httpx2
import pytest
import uvicorn

from service.protocol import HttpProtocol
from tests.service.problems import GOOD

BODY = json.dumps(GOOD).encode()
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"


def request(offer: bytes) -> bytes:
    return (
        b"POST /loss HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    )


def ask(connection: socket.socket, text: bytes, cut: int) -> tuple[int, bytes]:
    """Send the request in two parts, and read the reply."""
    connection.sendall(text[:cut])
    connection.sendall(text[cut:])
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status, reply.read()


@pytest.mark.parametrize("offer", [OFFER, OFFER.lower(), OFFER.replace(b"h2c", b"websocket"), b""])
def test_a_request_that_offers_an_upgrade_is_answered_as_it_is(offer: bytes, live_service: str) -> None:
    url = httpx2.URL(live_service)
    text = request(offer)
    end_of_head = text.index(b"\r\n\r\n") + 4
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        expected = ask(connection, request(b""), 10)
        assert expected[0] == 200
        for cut in (10, end_of_head, end_of_head + 5, len(text)):
            assert ask(connection, text, cut) == expected


def test_a_body_may_speak_of_upgrades(live_service: str) -> None:
    url = httpx2.URL(live_service)
    body = b'{"scores":[[1,2]],"labels":[0],\r\nupgrade: 1}'
    text = b"POST /loss HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        status, reply = ask(connection, text, len(text))
        assert status == 400
        assert b"byte" in reply


def test_a_client_that_does_not_read_its_reply_is_cut_off_and_one_that_reads_is_not() -> None:
    async def serve() -> list[bool]:
        config = uvicorn.Config(large, http=type("Impatient", (HttpProtocol,), {"reply_s": 0.3}), log_config=None, lifespan="off")
        config.load()
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve([listener]))
        cut = []
        for reads in (False, True):
            reader, writer = await asyncio.open_connection(*listener.getsockname()[:2], limit=1 << 10)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if not reads:
                await asyncio.sleep(1)
            found = 0
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(1 << 20):
                    found += len(piece)
            cut.append(found < SIZE)
            writer.close()
        server.should_exit = True
        await running
        return cut

    assert asyncio.run(serve()) == [True, False]


SIZE = 64 << 20


async def large(scope: Any, receive: Any, send: Any) -> None:
    """A reply that no buffer of the kernel holds."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(SIZE).encode())]})
    for left in range(63, -1, -1):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": left > 0})


def test_a_head_without_an_end_is_not_held(live_service: str) -> None:
    host, _, port = live_service.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as endless, contextlib.suppress(ConnectionError):
        endless.sendall(b"GET /losses HTTP/1.1\r\nHost: x\r\n")
        sent = 0
        while sent < 32 << 20:
            sent += endless.send(b"X-A: " + b"a" * 8000 + b"\r\n")
        raise AssertionError("a head of 32 MB was taken")
    assert httpx2.get(f"{live_service}/health/live").status_code == 200


class served:  # noqa: N801 - used as a function
    """An ASGI app behind our protocol, with these times."""

    def __init__(self, app: Any, **times: float) -> None:
        config = uvicorn.Config(app, http=type("Impatient", (HttpProtocol,), times), log_config=None, lifespan="off", loop="uvloop")
        self.server = uvicorn.Server(config)
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> socket.socket:
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        self.connection = socket.create_connection(self.listener.getsockname()[:2], timeout=10)
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.server.should_exit = True
        self.thread.join()


async def respond(send: Any, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"2"), *(headers or [])]})
    await send({"type": "http.response.body", "body": b"no"})


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """Answers after a while."""
    await receive()
    await asyncio.sleep(1)
    await respond(send)


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    """Refuses without a look at the body."""
    await respond(send)


async def and_close(scope: Any, receive: Any, send: Any) -> None:
    """Refuses, and wants no more."""
    await respond(send, [(b"connection", b"close")])


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side ends, which it does without a reset."""
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


@pytest.mark.parametrize("behind", [b"\r\n", b"GET / HT"])
def test_bytes_behind_a_body_do_not_cut_the_reply(behind: bytes) -> None:
    with served(slow, head_s=0.3) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
        time.sleep(0.1)
        connection.sendall(behind)
        began = time.monotonic()
        assert everything(connection).startswith(b"HTTP/1.1 404")
        assert time.monotonic() - began < 3, "a head that does not come is waited for once the reply is out"


def test_a_reply_to_half_a_body_is_read_and_the_connection_goes_when_the_rest_does_not_come() -> None:
    with served(at_once, rest_s=0.5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        began, found = time.monotonic(), b""
        connection.settimeout(0.05)
        while time.monotonic() - began < 5:
            with contextlib.suppress(TimeoutError):
                connection.sendall(b" ")
                piece = connection.recv(1 << 16)
                found += piece
                if not piece:
                    break
        assert found.startswith(b"HTTP/1.1 404")
        assert 0.4 < time.monotonic() - began < 3


def test_a_connection_whose_rest_came_is_kept() -> None:
    with served(at_once, rest_s=0.3) as connection:
        for _ in range(3):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 404")
            connection.sendall(b"rest")
            time.sleep(0.5)


def test_a_refusal_that_closes_is_read_whole_by_who_goes_on_sending() -> None:
    with served(and_close) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
        for _ in range(3):
            connection.sendall(bytes(1_000_000))
            time.sleep(0.05)
        began = time.monotonic()
        assert everything(connection).endswith(b"\r\n\r\nno")
        assert time.monotonic() - began < 1, "the end of the reply is seen at once"
        connection.sendall(bytes(1_000_000))  # the last of it, after which the connection is closed for good
        time.sleep(0.2)
        with pytest.raises(ConnectionError):
            for _ in range(50):
                connection.sendall(bytes(1_000_000))
