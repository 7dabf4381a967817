"""One call: a request that is sent until it is answered, refused for good, or out of time."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError
from urllib3.response import BaseHTTPResponse

from gradwire.errors import BadReply, FieldError, GradwireError, Refused, TimedOut, Unreachable

COME_AGAIN = (429, 503)
FIRST_WAIT_S = 0.1
MOST_BYTES = 1 << 30
PIECE_BYTES = 1 << 20
LONGEST_MS = 999_999_999
PROBLEM = "application/problem+json"
ENDED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


class EndedEarly(Exception):
    """A connection ended before any byte of a reply came on it."""


@dataclass(frozen=True)
class Answer:
    """A reply of status 200, whole."""

    media_type: str
    body: bytes
    request_id: str | None


@dataclass
class Call:
    """POST a body to a URL; the timeout, in seconds, is of everything together, retries and the waits between them too."""

    pool: HTTPConnectionPool
    url: str
    path: str
    headers: Mapping[str, str]
    timeout_s: float
    retries: int
    attempts: int = 0
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.timeout_s

    def answer(self, body: bytes) -> Answer:
        """What the service says in the end; raises GradwireError."""
        while True:
            self.attempts += 1
            is_last = self.attempts > self.retries
            try:
                return self.once(body)
            except EndedEarly as error:
                if is_last:
                    raise Unreachable(self.url, f"the connection ended before a reply came (attempts: {self.attempts}): {error}") from error
            except Refused as refusal:
                wait = refusal.retry_after if refusal.retry_after is not None else FIRST_WAIT_S * 2 ** (self.attempts - 1)
                if refusal.status not in COME_AGAIN or is_last or wait >= self.left():
                    raise
                time.sleep(wait)

    def left(self) -> float:
        """Seconds until the timeout passes."""
        return self.deadline - time.monotonic()

    def timed_out(self, waited_for: str) -> TimedOut:
        """The error to raise when there is no time left."""
        return TimedOut(self.url, self.timeout_s, waited_for)

    def once(self, body: bytes) -> Answer:
        """Send it, and read what comes; raises EndedEarly or GradwireError."""
        left = self.left()
        if left <= 0:
            raise self.timed_out("a connection")
        told = {**self.headers, "X-Request-Timeout-Ms": str(min(max(1, int(left * 1000)), LONGEST_MS))}
        try:
            response = self.pool.urlopen(
                "POST",
                self.path,
                body,
                told,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(total=left),
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            raise self.failed(error) from error
        try:
            return self.judged(response, self.whole(response))
        finally:
            response.close()  # a reply that has been read has given its connection back, and keeps it

    def failed(self, error: Exception) -> Exception:
        """What it means that no reply came."""
        cause = error.args[1] if isinstance(error, ProtocolError) and len(error.args) > 1 else error
        if isinstance(error, NewConnectionError):  # which urllib3 counts among the timeouts
            return Unreachable(self.url, said(error.__cause__ or error))
        if isinstance(cause, urllib3.exceptions.ConnectTimeoutError):
            return self.timed_out("a connection")
        if isinstance(cause, urllib3.exceptions.TimeoutError | TimeoutError):
            return self.timed_out("a reply")
        if isinstance(cause, ENDED):
            return EndedEarly(said(cause))
        if isinstance(cause, http.client.HTTPException):
            return BadReply(f"{type(cause).__name__}: {said(cause).strip()[:80]}", f"HTTP at {self.url}")
        return Unreachable(self.url, said(cause))

    def whole(self, response: BaseHTTPResponse) -> bytes:
        """The body of a reply, as it is on the wire."""
        announced = response.length_remaining
        if announced is not None and announced > MOST_BYTES:
            raise BadReply(f"a reply of {announced} bytes", f"at most {MOST_BYTES}")
        parts, count = [], 0
        try:
            while part := response.read(announced or PIECE_BYTES):
                parts.append(part)
                count += len(part)
                if count > MOST_BYTES:
                    raise BadReply(f"a reply of more than {MOST_BYTES} bytes", "fewer")
        except urllib3.exceptions.TimeoutError as error:
            raise self.timed_out("the rest of the reply") from error
        except (HTTPError, OSError) as error:
            raise BadReply(f"a reply that breaks off after {count} bytes: {said(error)}", f"{announced or 'all'} of them") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def judged(self, response: BaseHTTPResponse, body: bytes) -> Answer:
        """A reply of status 200; raises Refused for a problem, BadReply for anything else."""
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        request_id = response.headers.get("X-Request-ID")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise BadReply(f"Content-Encoding {response.headers['Content-Encoding']!r}", "a reply that is not compressed")
        if response.status == 200:
            return Answer(media_type, body, request_id)
        if response.status >= 400 and media_type == PROBLEM:
            raise refused(response.status, body, retry_after(response.headers.get("Retry-After")), request_id)
        where = f" to {response.headers['Location']!r}, which is not followed" if "Location" in response.headers else ""
        raise BadReply(f"status {response.status} ({media_type or 'no type'}){where}", f"gradwire at {self.url}")


def refused(status: int, body: bytes, wait: float | None, request_id: str | None) -> GradwireError:
    """The error that a problem (RFC 9457) is."""
    try:
        problem: dict[str, Any] = json.loads(body)
        errors = [FieldError(str(each["pointer"]), str(each["detail"])) for each in problem.get("errors") or ()]
        return Refused(status, str(problem.get("title", "")), str(problem["detail"]), errors, wait, request_id)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return BadReply(f"status {status} with {body[:80]!r}", "a problem with a detail")


def retry_after(text: str | None) -> float | None:
    """Seconds; None where it is a date, or nothing that can be read."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def said(error: BaseException) -> str:
    """What the system says, without the names of a library's objects."""
    while isinstance(error, HTTPError) and error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
