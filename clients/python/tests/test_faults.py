"""Whatever answers, or does not: a typed error that says what was found, in time, and a client that is usable afterwards."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire

SCORES = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], np.float32)
JOB: dict[str, Any] = {"scores": SCORES, "labels": [[0], [1, 2]], "loss": "softmax_cross_entropy"}
LOSS = pytest.approx(0.67021304)
OK = b"HTTP/1.1 200 OK\r\n"


def asked(url: str, form: Any, **options: Any) -> gradwire.Reply:
    """The golden job of `softmax`."""
    with gradwire.Client(url, form=form, **options) as client:
        return client.grad(**JOB)


@pytest.mark.parametrize("status", [401, 404, 413, 415, 422, 429, 500, 503, 504])
def test_a_problem_is_refused_in_the_words_of_the_service(status: int, faults: str, form: Any) -> None:
    with pytest.raises(gradwire.Refused) as caught:
        asked(f"{faults}/status/{status}", form, retries=0)
    error = caught.value
    assert error.status == status and error.title and error.detail and error.request_id
    assert str(error) == error.detail  # which mentions its errors
    assert error.retry_after == (1.0 if status in (429, 503) else None)
    assert [each.pointer for each in error.errors] == (["/reduction", "/mean_over"] if status == 422 else [])
    assert (status != 404) or "did you mean 'focal'?" in str(error)


@pytest.mark.parametrize("fault", ["busy", "draining"])
def test_it_comes_again_when_it_is_told_to(fault: str, faults: str, token: str, form: Any, stats: Callable[..., dict[str, int]]) -> None:
    assert asked(f"{faults}/{fault}/3/{token}", form).loss == LOSS
    assert stats(token) == {"requests": 4}


def test_it_gives_up_after_its_retries(faults: str, token: str, form: Any, stats: Callable[..., dict[str, int]]) -> None:
    with pytest.raises(gradwire.Refused) as caught:
        asked(f"{faults}/busy/3/{token}", form, retries=2)
    assert (caught.value.status, caught.value.retry_after) == (429, 0)
    assert stats(token) == {"requests": 3}


def test_it_waits_as_long_as_it_is_told_to(faults: str) -> None:
    began = time.monotonic()
    with pytest.raises(gradwire.Refused):
        asked(f"{faults}/status/503", "binary", retries=1)
    assert 1 <= time.monotonic() - began < 2


def test_a_wait_that_would_outlast_the_timeout_is_not_begun(faults: str, form: Any) -> None:
    began = time.monotonic()
    with pytest.raises(gradwire.Refused) as caught:
        asked(f"{faults}/later", form)
    assert caught.value.retry_after == 3600
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("fault", ["silent", "stalls", "trickles"])
def test_the_timeout_is_of_the_whole_call(fault: str, faults: str, form: Any) -> None:
    began = time.monotonic()
    with pytest.raises(gradwire.TimedOut, match=r"longer than the timeout of 0.7 s: still waited for (a|the rest of the) reply"):
        asked(f"{faults}/{fault}", form, timeout_s=0.7)
    assert 0.6 < time.monotonic() - began < 1.0


def test_what_comes_late_does_not_make_the_timeout_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as slow, contextlib.ExitStack() as kept:

        def answer() -> None:
            connection = kept.enter_context(slow.accept()[0])
            time.sleep(0.4)
            connection.sendall(OK + b"Content-Length: 100\r\n\r\n1")

        threading.Thread(target=answer, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(gradwire.TimedOut, match="the rest of the reply"):
            asked(f"http://127.0.0.1:{slow.getsockname()[1]}", "json", timeout_s=0.6)
        assert 0.5 < time.monotonic() - began < 0.8


def test_a_service_that_does_not_even_accept_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(gradwire.TimedOut):
            asked(f"http://127.0.0.1:{full.getsockname()[1]}", "binary", timeout_s=0.5)
        assert time.monotonic() - began < 1
        for each in waiting:
            each.close()


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(gradwire.Unreachable, match=f"cannot reach {url}/grad: Connection refused"):
            asked(url, "binary")
    with pytest.raises(gradwire.Unreachable, match=r"cannot reach http://no-such-host.invalid/grad: "):
        asked("http://no-such-host.invalid", "binary")


def test_a_connection_that_ends_early_is_tried_again_and_then_unreachable(faults: str, form: Any, stats: Callable[..., Any]) -> None:
    before, began = stats()["requests"], time.monotonic()
    with pytest.raises(gradwire.Unreachable, match=r"ended before a reply came \(attempts: 4\)"):
        asked(f"{faults}/hang-up", form)
    assert stats()["requests"] - before == 4
    assert time.monotonic() - began < 1


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(faults: str, token: str, form: Any, stats: Callable[..., Any]) -> None:
    with gradwire.Client(f"{faults}/stale/{token}", form=form) as client:
        for _ in range(20):
            assert client.grad(**JOB).loss == LOSS
    assert stats(token)["requests"] >= 20


@pytest.mark.parametrize("fault", ["closing", "chunked"])
def test_other_ways_to_send_a_reply_are_read(fault: str, faults: str, form: Any) -> None:
    with gradwire.Client(f"{faults}/{fault}", form=form) as client:
        for _ in range(3):
            np.testing.assert_allclose(client.grad(**JOB).grad[0], [-0.10720149, 0.087645195, 0.019556286], rtol=1e-5)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("cut", r"a reply that breaks off after \d+ bytes: .*; expected \d+ of them"),
        ("html", "a reply of type 'text/html' from http://.*/html/grad"),
        ("html-502", r"status 502 \(text/html\)"),
        ("redirect", r"status 307 \(text/plain\) to '/golden/softmax/grad', which is not followed"),
        ("not-json", "b'this is neither JSON nor safetensors'"),
        ("no-grad", "a reply with loss in it; expected grad in it"),
        ("wrong-shape", r"grad of shape \[1, 3\]; expected \[2, 3\]"),
        ("wrong-type", "is no array of numbers|a tensor of I64, not of F32"),
        ("null", "b'null'|a reply with nothing in it"),
        ("huge-header", "maximum recursion depth|a header of 4611686018427387904 bytes in a reply of 19"),
        ("other-form", "a reply of type 'application/(json|vnd.safetensors)'"),
    ],
)
def test_what_is_no_reply_is_a_bad_one(fault: str, found: str, faults: str, form: Any) -> None:
    with pytest.raises(gradwire.BadReply, match=f"not a reply of gradwire: found .*({found})"):
        asked(f"{faults}/{fault}", form)


def test_after_every_error_nothing_is_left_open(faults: str, form: Any, stats: Callable[..., dict[str, int]]) -> None:
    with gradwire.Client(faults, form=form, retries=0, timeout_s=0.3) as client:
        for fault in ("cut", "silent", "stalls", "trickles", "hang-up", "html", "status/422", "no-grad", "huge-header"):
            client._path = f"/{fault}"  # one client, so that a connection that is left in disorder would be seen
            with pytest.raises(gradwire.GradwireError):
                client.grad(**JOB)
            client._path = "/golden/softmax"
            assert client.grad(**JOB).loss == LOSS
    deadline = time.monotonic() + 1
    while stats()["open"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hundred_calls_take_one_connection(faults: str, form: Any, stats: Callable[..., dict[str, int]]) -> None:
    before = stats()
    with gradwire.Client(f"{faults}/golden/softmax", form=form) as client:
        for _ in range(100):
            client.grad(**JOB)
    after = stats()
    assert (after["connections"] - before["connections"], after["requests"] - before["requests"]) == (1, 100)


AS_JSON = OK + b"Content-Type: application/json\r\n\r\n"
PROBLEM = b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\n\r\n"
STRANGERS = [
    (b"SSH-2.0-OpenSSH_9.2\r\n", gradwire.BadReply, "BadStatusLine: SSH-2.0-OpenSSH_9.2; expected HTTP at http://"),
    (OK + b"Content-Length: 99999999999\r\n\r\n", gradwire.BadReply, "a reply of 99999999999 bytes; expected at most 1073741824"),
    (OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", gradwire.BadReply, "LineTooLong"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", gradwire.BadReply, "a reply that breaks off"),
    (OK + b"Content-Encoding: gzip\r\n\r\n", gradwire.BadReply, "Content-Encoding 'gzip'"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", gradwire.BadReply, "status 204 (no type); expected gradwire at http://"),
    (AS_JSON + b'{"loss": 1, "grad": [[NaN]]}', gradwire.BadReply, "the bare token NaN"),
    (AS_JSON + b'{"loss": true, "grad": [[1]]}', gradwire.BadReply, "no array of numbers"),
    (PROBLEM + b"[]", gradwire.BadReply, "status 422 with b'[]'"),
    (PROBLEM + b'{"detail": "no", "errors": [{"pointer": "/a", "detail": "b"}]}', gradwire.Refused, "no\n/a: b"),
]


@pytest.mark.parametrize(("said", "error", "words"), STRANGERS, ids=[words for _, _, words in STRANGERS])
def test_whatever_a_stranger_says_is_a_typed_error(said: bytes, error: type[gradwire.GradwireError], words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:

        def answer() -> None:
            connection, _ = stranger.accept()
            with connection:
                request = b""
                while not request.endswith(b"}"):
                    request += connection.recv(1 << 16)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(error) as caught:
            asked(f"http://127.0.0.1:{stranger.getsockname()[1]}", "json")
    assert words in str(caught.value)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6() -> None:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        url = f"http://[::1]:{taken.getsockname()[1]}"
        taken.close()
        with pytest.raises(gradwire.Unreachable, match="Connection refused"):
            asked(url, "binary")


@pytest.mark.parametrize("host", ["a..b", "bücher.invalid", "a b", "-"])
def test_a_host_that_cannot_be_is_unreachable_or_no_client(host: str) -> None:
    with pytest.raises((gradwire.Unreachable, ValueError)) as caught:
        asked(f"http://{host}", "binary", timeout_s=5)
    assert type(caught.value) in (gradwire.Unreachable, ValueError)
