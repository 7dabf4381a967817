"""The server that misbehaves does what clients/README.md says of each path: what a client survives must really have happened."""

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import safetensors.numpy

from tests.golden import cases
from tests.languages.faults import FAULTS
from tests.languages.replies import GOLDEN, MEDIA_TYPES

README = (Path(__file__).parent.parent.parent / "clients" / "README.md").read_text()
FORMS = pytest.mark.parametrize("form", ["json", "safetensors"])
SOON_S = 1.0


@contextlib.contextmanager
def connected(faults: str) -> Iterator[socket.socket]:
    """A raw connection."""
    address = urlsplit(faults)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        yield connection


def request(path: str, form: str, case: str = "softmax", **headers: str) -> bytes:
    """The golden request, to this path."""
    body = (GOLDEN / f"{case}.request.{form}").read_bytes()
    given = {"Host": "here", "Content-Type": MEDIA_TYPES[form], "Content-Length": str(len(body)), "X-Request-Timeout-Ms": "5000", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def answer(connection: socket.socket, path: str, form: str, case: str = "softmax", **headers: str) -> tuple[Any, bytes]:
    """A whole reply: its head, as http.client reads it, and its body."""
    connection.sendall(request(path, form, case, **headers))
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply, reply.read()


def ask(faults: str, path: str, form: str = "json", case: str = "softmax", **headers: str) -> tuple[Any, bytes]:
    """A whole reply on a connection of its own."""
    with connected(faults) as connection:
        return answer(connection, path, form, case, **headers)


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    while part := connection.recv(1 << 16):
        found += part
    return found


def stats(faults: str, token: str = "") -> dict[str, int]:
    """What the server has counted."""
    address = urlsplit(faults)
    with contextlib.closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.request("GET", f"/stats{token and '/' + token}")
        found: dict[str, int] = json.loads(connection.getresponse().read())
        return found


def golden(form: str, case: str = "softmax") -> bytes:
    return (GOLDEN / f"{case}.reply.{form}").read_bytes()


def test_every_path_is_described() -> None:
    table = README[README.index("| path |") :]
    assert set(re.findall(r"`/([a-z0-9-]+)", table)) >= set(FAULTS)


@pytest.mark.parametrize(("case", "form"), [(case, form) for case in cases.ALL for form in cases.forms_of(case)])
def test_golden_requests_get_golden_replies(case: str, form: str, faults: str) -> None:
    reply, body = ask(faults, f"/golden/{case}{cases.path_of(case)}", form, case)
    problem = GOLDEN / f"{case}.problem.json"
    expected = problem.read_bytes() if problem.exists() else golden(form, case)
    assert body == expected
    assert reply.status == (json.loads(body)["status"] if problem.exists() else 200)


@FORMS
@pytest.mark.parametrize("case", ["softmax_defaults", "bce_mask", "focal"])
def test_another_request_gets_400_and_what_differs(case: str, form: str, faults: str) -> None:
    reply, body = ask(faults, "/golden/softmax/grad", form, case)
    assert reply.status == 400
    assert "not the golden request 'softmax'" in json.loads(body)["detail"]


@FORMS
def test_a_golden_request_belongs_to_its_path_and_has_a_deadline(form: str, faults: str) -> None:
    reply, body = ask(faults, "/golden/softmax/loss", form)
    assert (reply.status, "expected /grad" in json.loads(body)["detail"]) == (400, True)
    reply, body = ask(faults, "/golden/softmax/grad", form, **{"X-Request-Timeout-Ms": "0"})
    assert (reply.status, "X-Request-Timeout-Ms" in json.loads(body)["detail"]) == (400, True)


@pytest.mark.parametrize("status", [401, 404, 413, 415, 422, 429, 500, 503, 504])
def test_each_status_has_the_problem_of_the_service(status: int, faults: str) -> None:
    reply, body = ask(faults, f"/status/{status}/grad")
    problem = json.loads(body)
    assert (reply.status, problem["status"], reply.getheader("Content-Type")) == (status, status, "application/problem+json")
    assert reply.getheader("Retry-After") == ("1" if status in (429, 503) else None)
    assert ("errors" in problem) == (status == 422)
    assert ("did you mean" in problem["detail"]) == (status == 404)


@pytest.mark.parametrize(("path", "status"), [("busy", 429), ("draining", 503)])
def test_it_is_busy_for_the_first_few_requests_of_a_token(path: str, status: int, faults: str) -> None:
    found = [ask(faults, f"/{path}/2/{path}-test/grad") for _ in range(3)]
    assert [reply.status for reply, _ in found] == [status, status, 200]
    assert [reply.getheader("Retry-After") for reply, _ in found] == ["0", "0", None]
    assert found[2][1] == golden("json")
    assert stats(faults, f"{path}-test") == {"requests": 3}


def test_later_is_an_hour_away(faults: str) -> None:
    reply, _ = ask(faults, "/later/grad")
    assert (reply.status, reply.getheader("Retry-After")) == (429, "3600")


@FORMS
def test_stalls_and_cut_send_half_the_body(form: str, faults: str) -> None:
    for path in ("stalls", "cut"):
        with connected(faults) as connection:
            connection.sendall(request(f"/{path}/grad", form))
            connection.settimeout(SOON_S)
            found = b""
            with contextlib.suppress(TimeoutError):
                while part := connection.recv(1 << 16):
                    found += part
            closed = part == b""
        head, _, body = found.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(golden(form))}".encode() in head
        assert body == golden(form)[: len(golden(form)) - len(golden(form)) // 2]
        assert closed == (path == "cut")


def test_silent_says_nothing_and_sees_the_client_leave(faults: str) -> None:
    with connected(faults) as connection:
        connection.sendall(request("/silent/grad", "json"))
        connection.settimeout(SOON_S / 2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert stats(faults)["open"] >= 1
    eventually_closed(faults)


def test_trickles_sends_a_byte_at_a_time(faults: str) -> None:
    with connected(faults) as connection:
        connection.sendall(request("/trickles/grad", "json"))
        began, parts = time.monotonic(), [connection.recv(1 << 16)]
        assert parts[0].endswith(b"\r\n\r\n")
        parts = [connection.recv(1 << 16) for _ in range(4)]
        assert b"".join(parts) == golden("json")[:4]
        assert time.monotonic() - began >= 0.6
    eventually_closed(faults)


def test_hang_up_closes_without_a_byte(faults: str) -> None:
    with connected(faults) as connection:
        connection.sendall(request("/hang-up/grad", "json"))
        assert everything(connection) == b""


@FORMS
def test_stale_and_closing_close_behind_the_reply(form: str, faults: str) -> None:
    for path in ("stale/stale-test", "closing"):
        with connected(faults) as connection:
            connection.sendall(request(f"/{path}/grad", form))
            head, _, body = everything(connection).partition(b"\r\n\r\n")
        assert body == golden(form)
        assert (b"Connection: close" in head) == (path == "closing")


@pytest.mark.parametrize(("path", "status"), [("html", 200), ("html-502", 502)])
def test_a_page_is_html(path: str, status: int, faults: str) -> None:
    reply, body = ask(faults, f"/{path}/grad")
    assert (reply.status, reply.getheader("Content-Type")) == (status, "text/html; charset=utf-8")
    assert b"<html>" in body


def test_redirect_leads_to_the_golden_reply(faults: str) -> None:
    reply, _ = ask(faults, "/redirect/grad")
    assert (reply.status, reply.getheader("Location")) == (307, "/golden/softmax/grad")


@FORMS
def test_not_json_has_the_type_and_not_the_form(form: str, faults: str) -> None:
    reply, body = ask(faults, "/not-json/grad", form)
    assert (reply.status, reply.getheader("Content-Type")) == (200, MEDIA_TYPES[form])
    with pytest.raises((ValueError, safetensors.SafetensorError)):
        parsed(body, form)


def parsed(body: bytes, form: str) -> Any:
    return json.loads(body) if form == "json" else safetensors.numpy.load(body)


@FORMS
def test_the_spoilt_replies_are_of_the_form_and_wrong_in_one_way(form: str, faults: str) -> None:
    def found(path: str) -> Any:
        reply, body = ask(faults, f"/{path}/grad", form)
        assert (reply.status, reply.getheader("Content-Type")) == (200, MEDIA_TYPES[form])
        return parsed(body, form)

    whole = parsed(golden(form), form)
    assert found("no-grad").keys() == {"loss"}
    short = found("wrong-shape")
    assert np.array_equal(short["grad"], whole["grad"][:-1]) and np.array_equal(short["loss"], whole["loss"])
    other = found("wrong-type")["grad"]
    assert other == "numbers" if form == "json" else other.dtype == np.int64
    assert found("null") == (None if form == "json" else {})


@FORMS
def test_huge_header_is_one(form: str, faults: str) -> None:
    _, body = ask(faults, "/huge-header/grad", form)
    assert body == b"[" * 100_000 + b"]" * 100_000 if form == "json" else int.from_bytes(body[:8], "little") == 1 << 62


@FORMS
def test_other_form_is_the_other_one(form: str, faults: str) -> None:
    other = "safetensors" if form == "json" else "json"
    reply, body = ask(faults, "/other-form/grad", form)
    assert (reply.getheader("Content-Type"), body) == (MEDIA_TYPES[other], golden(other))


@FORMS
def test_chunked_comes_in_chunks_of_seven_bytes(form: str, faults: str) -> None:
    with connected(faults) as connection:
        connection.sendall(request("/chunked/grad", form, Connection="close"))
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head and b"Content-Length" not in head
    assert body.startswith(b"7\r\n" + golden(form)[:7] + b"\r\n7\r\n") and body.endswith(b"\r\n0\r\n\r\n")
    assert ask(faults, "/chunked/grad", form)[1] == golden(form)


def test_a_connection_is_kept_and_counted_once(faults: str) -> None:
    eventually_closed(faults)
    before = stats(faults)
    with connected(faults) as connection:
        for _ in range(10):
            assert answer(connection, "/golden/softmax/grad", "json")[1] == golden("json")
        after = stats(faults)
        assert {name: after[name] - before[name] for name in after} == {"connections": 1, "open": 1, "requests": 10}
    eventually_closed(faults)


def test_a_body_may_come_in_chunks_and_ask_first(faults: str) -> None:
    body = (GOLDEN / "softmax.request.json").read_bytes()
    head = "POST /golden/softmax/grad HTTP/1.1\r\nContent-Type: application/json\r\nX-Request-Timeout-Ms: 5\r\n"
    with connected(faults) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert reply.read() == golden("json")


def test_an_unknown_path_says_which_there_are(faults: str) -> None:
    reply, body = ask(faults, "/nothing/grad")
    assert reply.status == 404
    assert all(f"/{name}" in json.loads(body)["detail"] for name in FAULTS)


def eventually_closed(faults: str) -> None:
    """Nothing is left open a moment after the clients have left."""
    deadline = time.monotonic() + SOON_S
    while stats(faults)["open"]:
        assert time.monotonic() < deadline, "connections stay open"
        time.sleep(0.01)
