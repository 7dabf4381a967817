"""Replies: bodies sent piece by piece, and problems."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.errors import InvalidJob, Problem
from service.codec import Body
from service.errors import RequestError, problem, status_of
from service.visit import Visit

SMALL_BYTES = 1 << 17
AND_WAIT = b""  # the server waits for the client to read what came before
COME_AGAIN = (429, 503)  # they say when


class Reply(Response):
    """A body in pieces; a large one is handed over so, never put together, and is done when its client has read it."""

    def __init__(self, body: Body, visit: Visit) -> None:
        super().__init__(media_type=body.media_type, headers=body.headers)
        length = sum(map(len, body.parts))
        self.parts = [*body.parts, AND_WAIT] if length > SMALL_BYTES else [b"".join(body.parts)]
        self.headers["content-length"] = str(length)
        visit.keep(length)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then each piece."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for left, part in zip(range(len(self.parts) - 1, -1, -1), self.parts, strict=True):
            await send({"type": "http.response.body", "body": part, "more_body": left > 0})


class ProblemReply(Response):
    """application/problem+json; in ASCII, for a name that was sent may hold what UTF-8 cannot."""

    media_type = "application/problem+json"

    def __init__(self, status: int, detail: str, errors: Sequence[Problem] = (), headers: Mapping[str, str] | None = None) -> None:
        content = problem(status, HTTPStatus(status).phrase, detail, [each._asdict() for each in errors])
        super().__init__(json.dumps(content).encode(), status, headers)
        if status in COME_AGAIN:
            self.headers.setdefault("Retry-After", "1")


def problem_reply(error: Exception) -> ProblemReply:
    """The reply to an error of the table in `service.errors`."""
    errors = error.problems if isinstance(error, InvalidJob) else ()
    headers = error.headers if isinstance(error, RequestError) else None
    return ProblemReply(status_of(error), str(error), errors, headers)
