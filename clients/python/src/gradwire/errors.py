"""What can go wrong with a call.

GradwireError
├── Refused         the service answered with a problem
├── Unreachable     no connection, or one that broke
├── TimedOut        the timeout passed
└── BadReply        what answered is not gradwire, or its reply is damaged
"""

from collections.abc import Sequence
from typing import NamedTuple


class FieldError(NamedTuple):
    """One field that is wrong: an RFC 6901 pointer into the request, and what was found there."""

    pointer: str
    detail: str


class GradwireError(Exception):
    """A call came to nothing; the client is usable as before."""


class Refused(GradwireError):
    """The service answered with a problem; the text is its detail, then those of its errors that the detail does not mention."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, title, detail, errors, retry_after, request_id)
        self.status, self.title, self.detail = status, title, detail
        self.errors = list(errors)
        self.retry_after, self.request_id = retry_after, request_id  # seconds; None: the service did not say

    def __str__(self) -> str:
        unmentioned = (f"{each.pointer}: {each.detail}" for each in self.errors if each.detail not in self.detail)
        return "\n".join([self.detail or self.title, *unmentioned])


class Unreachable(GradwireError):
    """There is no connection to the service, or the one there was broke before it replied."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"cannot reach {self.url}: {self.reason}"


class TimedOut(GradwireError):
    """The timeout of the call, in seconds, passed."""

    def __init__(self, url: str, timeout_s: float, waited_for: str) -> None:
        super().__init__(url, timeout_s, waited_for)
        self.url, self.timeout_s, self.waited_for = url, timeout_s, waited_for

    def __str__(self) -> str:
        return f"{self.url} took longer than the timeout of {self.timeout_s:g} s: still waited for {self.waited_for}"


class BadReply(GradwireError):
    """What answered is not gradwire, or its reply is cut, malformed, or not of the shape that was asked for."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found, self.expected = found, expected

    def __str__(self) -> str:
        return f"not a reply of gradwire: found {self.found}; expected {self.expected}"
