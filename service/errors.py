"""What can be wrong with a request, and the one table from error to status.

RequestError
├── MalformedRequest        the body cannot be read as what it says it is
│   ├── StalledRequest      it stopped coming before it was whole
│   ├── TooManyChunks       it comes in very many very small pieces
│   └── InvalidRegion       shared memory that is not there, or not as large as it is said to be
├── UnknownRegion           no shared memory has been registered under this name
├── UnknownModel            no model of the Open Inference Protocol has this name or version
├── UnsupportedMediaType    a request type that is not known
├── NotAcceptable           a reply type that cannot be given
├── BodyTooLarge            more bytes than the limit
├── TensorTooLarge          more numbers in one array than the limit
├── BatchTooLarge           more rows or classes than the limit
├── Unauthorized            a key is required, and absent or wrong
├── Overloaded              the queue is full, or a key's limit reached
├── NotReady                starting, about to stop, or broken
├── DeadlinePassed          the request took longer than it was given
└── ClientGone              nobody waits for the reply any more
"""

from collections.abc import Mapping
from typing import Any

from models import errors as job_errors

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
FORM = "application/x-www-form-urlencoded"


class RequestError(Exception):
    """A request that is not answered; `headers` go with the reply."""

    headers: Mapping[str, str] = {}


class MalformedRequest(RequestError):
    """The body cannot be read as what it says it is."""


class StalledRequest(MalformedRequest):
    """The body stopped coming before it was whole."""

    headers: Mapping[str, str] = {"Connection": "close"}

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body is not whole, and nothing came of it for {seconds:g} s")


class TooManyChunks(MalformedRequest):
    """The body comes in very many very small pieces."""

    headers: Mapping[str, str] = {"Connection": "close"}

    def __init__(self, chunks: int) -> None:
        super().__init__(f"the body comes in pieces of a few bytes, {chunks} so far; send larger ones")


class InvalidRegion(MalformedRequest):
    """Memory is not there, or smaller than it is said to be; the message never holds its key."""


class UnknownRegion(RequestError):
    """No shared memory has been registered under this name, or none may be."""


class UnknownModel(RequestError):
    """No model has this name or version."""


class UnsupportedMediaType(RequestError):
    """The type or encoding of the request is not known."""

    def __init__(self, found: str, known: list[str], header: str = "Accept-Post") -> None:
        hint = "; curl -d alone sends a form: add -H 'Content-Type: application/json'" if FORM in found else ""
        super().__init__(f"cannot read {found}; known: {', '.join(known)}{hint}")
        self.headers = {header: ", ".join(known)}


class NotAcceptable(RequestError):
    """No known reply type is acceptable to the caller."""

    def __init__(self, accept: str, known: list[str]) -> None:
        super().__init__(f"cannot reply with {accept}; known: {', '.join(known)}")


class BodyTooLarge(RequestError):
    """The body is longer than the limit."""

    headers: Mapping[str, str] = {"Connection": "close"}  # the rest of it is not read

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes, the limit that GRADWIRE_MAX_BODY_BYTES sets")


class TensorTooLarge(RequestError):
    """An array has more numbers than the limit."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"/{name} has more than {limit} numbers, the limit that GRADWIRE_MAX_ELEMENTS sets")


class BatchTooLarge(RequestError):
    """A batch has more rows or classes than the limit."""

    def __init__(self, found: int, limit: int, what: str) -> None:
        super().__init__(f"/scores has {found} {what}; the limit is {limit}, which GRADWIRE_MAX_{what.upper()} sets")


class Overloaded(RequestError):
    """Too many jobs are waiting."""

    headers: Mapping[str, str] = {"Retry-After": "1"}


class NotReady(RequestError):
    """The service is starting, about to stop, or broken."""

    headers: Mapping[str, str] = {"Retry-After": "1"}


class DeadlinePassed(RequestError):
    """The request took longer than its header, or the setting, gives it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not done within {seconds * 1000:.0f} ms, which {TIMEOUT_HEADER} or GRADWIRE_TIMEOUT_MS sets")


class ClientGone(RequestError):
    """The client has left: nobody reads this."""


class Unauthorized(RequestError):
    """A key is required, and it is absent or wrong."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class BadSetting(Exception):
    """A setting that the service cannot start with."""


STATUS: dict[type[Exception], int] = {
    MalformedRequest: 400,
    job_errors.UnknownLoss: 404,
    UnknownModel: 404,
    UnknownRegion: 404,
    Unauthorized: 401,
    NotAcceptable: 406,
    BodyTooLarge: 413,
    TensorTooLarge: 413,
    BatchTooLarge: 413,
    UnsupportedMediaType: 415,
    job_errors.InvalidJob: 422,
    job_errors.UnknownRuntime: 422,
    Overloaded: 429,
    ClientGone: 499,
    job_errors.OutOfMemory: 503,
    NotReady: 503,
    DeadlinePassed: 504,
}


def status_of(error: Exception) -> int:
    """The status of the nearest class in the table."""
    return next(STATUS[each] for each in type(error).__mro__ if each in STATUS)


def problem(status: int, title: str, detail: str, errors: list[Mapping[str, str]] | None = None) -> dict[str, Any]:
    """An RFC 9457 problem; `error` repeats the detail for clients of the Open Inference Protocol."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail}
    return body | ({"errors": errors} if errors else {})
