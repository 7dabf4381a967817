"""A body that is read straight to its place: whole, in whatever pieces it comes; given up halfway, and the connection as good as before."""

import asyncio
import contextlib
import hashlib
import mmap
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from service.body import FIRST_BYTES, received
from service.errors import BodyTooLarge, StalledRequest, TooManyChunks
from service.incoming import EXTENSION, Incoming
from tests.service.test_protocol import served

LEAD = 3
LARGE = random.Random(7).randbytes(700_001)
LIMIT = 1 << 20


async def send_text(send: Any, text: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(text)).encode())]})
    await send({"type": "http.response.body", "body": text})


async def digest(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body to its place, and says what it was."""
    assert EXTENSION in scope["extensions"]
    body = await received(Request(scope, receive), LIMIT, LEAD)
    await send_text(send, digest_of(bytes(body[LEAD:])))


def digest_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


class halfway:  # noqa: N801 - used as a function
    """Refuses when this much memory has been taken for a body."""

    def __init__(self, most: int) -> None:
        self.left = most

    def grow(self, nbytes: int) -> None:
        self.left -= nbytes
        if self.left < 0:
            raise MemoryError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/whole":
            await digest(scope, receive, send)
            return
        with contextlib.suppress(MemoryError):
            await received(Request(scope, receive), LIMIT, 0, self.grow)
            raise AssertionError("it was to be given up")
        await send_text(send, b"too much")


def request(body: bytes, path: str = "/", more: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (path.encode(), more, len(body)) + body


def reply(connection: socket.socket) -> bytes:
    """The body of the next reply, and not a byte more of what comes behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 200"), head
    body = connection.recv(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]), socket.MSG_WAITALL)
    return bytes(body)


def send(connection: socket.socket, text: bytes, cuts: list[int]) -> None:
    """In pieces, each of which the other side has probably seen when the next is sent."""
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True):
        connection.sendall(text[begin:end])


def test_a_body_is_whole_whatever_pieces_it_comes_in() -> None:
    with served(digest) as connection:

        @settings(max_examples=40, deadline=None)
        @given(size=st.integers(1, len(LARGE)), cuts=st.lists(st.floats(0, 1), max_size=6))
        def check(size: int, cuts: list[float]) -> None:
            text = request(LARGE[:size])
            send(connection, text, [int(each * len(text)) for each in cuts])
            assert reply(connection) == digest_of(LARGE[:size])

        check()


def test_requests_that_are_sent_without_waiting_are_answered_in_order() -> None:
    bodies = [LARGE[:size] for size in (200_000, 5, 65_536, 700_001, 131_073, 1)]
    with served(digest) as connection:
        sending = threading.Thread(target=connection.sendall, args=(b"".join(map(request, bodies)),))
        sending.start()
        assert [reply(connection) for _ in bodies] == [digest_of(each) for each in bodies]
        sending.join()


def test_a_body_comes_after_the_server_has_said_to_go_on() -> None:
    with served(digest) as connection:
        connection.sendall(request(b"", more=b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: %d" % len(LARGE)))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(LARGE)
        assert reply(connection) == digest_of(LARGE)


@pytest.mark.parametrize("most", [0, 100_000, 300_000])
@pytest.mark.parametrize("behind", [b"", b"\r\n"])
def test_a_body_that_is_given_up_halfway_is_read_away_and_the_next_request_is_answered(most: int, behind: bytes) -> None:
    with served(halfway(most)) as connection:
        sending = threading.Thread(target=connection.sendall, args=(request(LARGE) + behind + request(LARGE[:99], "/whole"),))
        sending.start()
        assert reply(connection) == b"too much"
        assert reply(connection) == digest_of(LARGE[:99])
        sending.join()
        connection.sendall(request(LARGE, "/whole"))
        assert reply(connection) == digest_of(LARGE)


def test_who_leaves_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    found, left = [], threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await received(Request(scope, receive), LIMIT)
        except ClientDisconnect as error:
            found.append(error)
            left.set()

    with served(app) as connection:
        connection.sendall(request(LARGE)[:300_000])
        connection.close()
        assert left.wait(10)
    assert len(found) == 1


@pytest.mark.parametrize("cut", [False, True])
def test_an_offer_of_another_protocol_that_was_not_seen_swallows_nothing_of_what_follows(cut: bool) -> None:
    paths: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await send_text(send, str(len(await received(Request(scope, receive), LIMIT))).encode())

    offer = request(b"x" * 31, "/offer", b"Connection: upgrade\r\nUpgrade: h2c\r\n")
    with served(app) as connection:
        connection.sendall(offer[: offer.index(b"grade: ")] if cut else request(b"", "/before") + offer)
        time.sleep(0.2)
        connection.sendall(offer[offer.index(b"grade: ") :] if cut else b"")
        time.sleep(0.2)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"y" * 31 + request(b"", "/hidden"))
            while connection.recv(1 << 16):
                pass
    assert "/offer" in paths and "/hidden" not in paths


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_a_promise_takes_no_memory() -> None:
    given = incoming(1 << 28)

    async def promised() -> int:
        before = resident()
        waiting = asyncio.ensure_future(body_of(given, 1 << 28))
        await asyncio.sleep(0.05)
        assert given.view is not None and len(given.view) == FIRST_BYTES
        found = resident() - before
        waiting.cancel()
        return found

    assert asyncio.run(promised()) < given.length // 8


@pytest.mark.parametrize(("zeros", "limit"), [(0, LIMIT), (25, LIMIT), (5000, LIMIT)])
def test_a_length_over_the_limit_is_refused_however_it_is_written(zeros: int, limit: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(BodyTooLarge):
            await received(Request(scope, receive), limit)
        await send_text(send, b"refused")

    with served(app) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s%d\r\n\r\n{" % (b"0" * zeros, limit + 1))
        assert reply(connection) == b"refused"


class Silent:
    """A connection on which nothing comes."""

    def receive_into(self, incoming: Incoming) -> None:
        """Nothing."""


class Cycle:
    """What uvicorn knows of a request."""

    def __init__(self) -> None:
        self.body, self.disconnected = bytearray(), False


def incoming(length: int) -> Incoming:
    return Incoming(Silent(), Cycle(), length)


def body_of(given: Incoming, limit: int = LIMIT) -> Any:
    headers = [(b"content-length", str(given.length).encode())]
    return received(Request({"type": "http", "method": "POST", "headers": headers, "extensions": {EXTENSION: given}}), limit)


def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.body.PATIENCE_S", 0.1)
    given = incoming(1000)

    async def slowly() -> None:
        waiting = asyncio.ensure_future(body_of(given))
        for _ in range(4):
            await asyncio.sleep(0.06)
            given.advance(1)
        assert not waiting.done(), "some of it came each time"
        await waiting

    with pytest.raises(StalledRequest):
        asyncio.run(slowly())
    assert given.view is None


def test_a_body_in_crumbs_is_refused() -> None:
    given = incoming(60_000)

    async def crumbs() -> None:
        waiting = asyncio.ensure_future(body_of(given))
        for i in range(20_000):
            if i % 100 == 0:
                await asyncio.sleep(0)
            if waiting.done():
                break
            given.advance(1)
        await waiting

    with pytest.raises(TooManyChunks):
        asyncio.run(crumbs())
    assert given.reads <= 12_000
