"""A body over the limit is refused before it is read whole, whether its length is announced or not."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from service.body import announced_length, read_body
from service.errors import BodyTooLarge, MalformedRequest, StalledRequest
from tests.conftest import running_service
from tests.service.problems import GOOD, assert_problem

LIMIT = 65_536
MEBIBYTE = b" " * (1 << 20)


def request(*chunks: bytes, length: str | None = None) -> tuple[Request, list[bytes]]:
    """A request that hands out these chunks, and those that nobody asked for yet."""
    left = list(chunks)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left)}

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive), left


def test_chunks_become_one_body() -> None:
    received, left = request(b"ab", b"", b"c")
    assert asyncio.run(read_body(received, 3)) == b"abc"
    assert left == []


def test_an_announced_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    received, left = request(b"abcd", length="4")
    with pytest.raises(BodyTooLarge, match=r"larger than 3 bytes.*GRADWIRE_MAX_BODY_BYTES"):
        asyncio.run(read_body(received, 3))
    assert left == [b"abcd"]


@pytest.mark.parametrize("length", [None, "2"])
def test_chunks_that_grow_over_the_limit_are_refused_at_once(length: str | None) -> None:
    received, left = request(b"ab", b"cd", b"ef", b"gh", length=length)
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(received, 3))
    assert left == [b"ef", b"gh"]


def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.body.PATIENCE_S", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    stalled = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(StalledRequest, match=r"nothing came of it for 0\.05 s"):
        asyncio.run(read_body(stalled, 3))


def test_an_empty_body_says_what_is_expected() -> None:
    with pytest.raises(MalformedRequest, match="is empty"):
        asyncio.run(read_body(request()[0], 3))


@pytest.mark.parametrize(
    ("length", "announced"),
    [
        (None, 0),
        ("17", 17),
        ("", 0),
        ("-1", 0),
        ("x", 0),
        ("1e3", 0),
        ("٣", 0),
        ("9" * 19, int("9" * 19)),
        ("9" * 5000, 10**19),
        ("0" * 5000 + "17", 17),
    ],
)
def test_a_length_that_is_no_number_announces_nothing(length: str | None, announced: int) -> None:
    header = [] if length is None else [(b"content-length", length.encode())]
    assert announced_length(Request({"type": "http", "headers": header})) == announced


def test_the_problem_names_the_limit_and_the_next_request_is_answered(client: TestClient) -> None:
    body = json.dumps(GOOD).encode()
    assert client.post("/grad", content=body + b" " * ((8 << 20) - len(body))).status_code == 200
    assert_problem(client.post("/grad", content=body + b" " * ((8 << 20) - len(body) + 1)), 413, str(8 << 20))
    assert_problem(client.post("/grad", content=iter([body, *[MEBIBYTE] * 8])), 413, "GRADWIRE_MAX_BODY_BYTES")
    assert client.post("/grad", json=GOOD).status_code == 200


@pytest.fixture(scope="module")
def narrow_service() -> Iterator[str]:
    """A service that takes small bodies only; with one runtime, as an image without torch has it."""
    with running_service(GRADWIRE_MAX_BODY_BYTES=str(LIMIT), GRADWIRE_RUNTIMES="onnx") as service:
        yield service.url


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    return httpx2.URL(url).host, httpx2.URL(url).port or 80


def reply_of(connection: socket.socket) -> http.client.HTTPResponse:
    """What comes back over a raw connection."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply


def assert_answers(url: str) -> None:
    assert httpx2.post(f"{url}/grad", json=GOOD).status_code == 200


def test_ten_terabytes_are_refused_by_their_announcement(narrow_service: str) -> None:
    with socket.create_connection(address(narrow_service), timeout=5) as connection:
        connection.sendall(b"POST /grad HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000000\r\n\r\n{")
        reply = reply_of(connection)
        problem = json.loads(reply.read())
        assert (reply.status, problem["status"], reply.getheader("connection")) == (413, 413, "close")
        assert str(LIMIT) in problem["detail"]
        assert connection.recv(1) == b"", "the connection stays open"
    assert_answers(narrow_service)


def test_a_client_that_asks_first_is_refused_without_sending(narrow_service: str) -> None:
    with socket.create_connection(address(narrow_service), timeout=5) as connection:
        connection.sendall(b"POST /grad HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
        assert reply_of(connection).status == 413


def test_endless_chunks_are_refused_soon(narrow_service: str) -> None:
    sent = 0
    with socket.create_connection(address(narrow_service), timeout=5) as connection:
        connection.sendall(b"POST /grad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 1 << 30:
                connection.sendall(b"%x\r\n%s\r\n" % (len(MEBIBYTE), MEBIBYTE))
                sent += len(MEBIBYTE)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 64 << 20, "it reads on and on"
    assert_answers(narrow_service)


def test_chunks_just_over_the_limit_get_the_problem(narrow_service: str) -> None:
    reply = httpx2.post(f"{narrow_service}/grad", content=iter([b" " * 40_000, b" " * 40_000]))
    assert_problem(reply, 413, str(LIMIT))
    assert_answers(narrow_service)


def test_a_client_that_sends_all_of_a_body_too_large_still_reads_why(narrow_service: str) -> None:
    with httpx2.Client() as sender:
        assert_problem(sender.post(f"{narrow_service}/grad", content=b" " * (LIMIT * 2)), 413, str(LIMIT))
        assert sender.post(f"{narrow_service}/grad", json=GOOD).status_code == 200


def test_a_client_that_goes_away_in_the_middle_takes_nothing_with_it(narrow_service: str) -> None:
    for _ in range(20):
        with socket.create_connection(address(narrow_service), timeout=5) as connection:
            connection.sendall(b"POST /grad HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
    began = time.monotonic()
    assert_answers(narrow_service)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "head", ["Content-Length: -1", "Content-Length: x", "Content-Length: " + "9" * 5000, "Content-Length: 1\r\nContent-Length: 2"]
)
def test_a_length_that_makes_no_sense_is_refused(head: str, narrow_service: str) -> None:
    with socket.create_connection(address(narrow_service), timeout=5) as connection:
        connection.sendall(f"POST /grad HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{{}}".encode())
        assert reply_of(connection).status in (400, 413)
    assert_answers(narrow_service)


def test_a_runtime_that_is_not_started_is_named(narrow_service: str) -> None:
    reply = httpx2.post(f"{narrow_service}/grad", json=GOOD | {"runtime": "pytorch"})
    assert reply.status_code == 422
    assert reply.json()["detail"] == "no runtime named 'pytorch' here; running: onnx"
    assert httpx2.get(f"{narrow_service}/health/ready").json() == {"status": "ready", "runtimes": {"onnx": "cpu"}}
