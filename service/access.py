"""Around every HTTP request: its id, its line in the log, its metrics, its stages in a header; never a number of a tensor."""

import json
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.visit import Visit

ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
UNKNOWN_ROUTE = "other"
NOT_LOGGED = ("/health/live", "/health/ready", "/metrics", "/v2/health/live", "/v2/health/ready")
log = logging.getLogger("gradwire.access")


class Access:
    """ASGI middleware around all others; `bug` answers what nobody foresaw.

    `scope["state"]["visit"]` is the request's Visit, where it has one.
    """

    def __init__(self, app: ASGIApp, bug: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app, self.bug = app, bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and watch its reply go by."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0
        headers = Headers(scope=scope)
        request_id = request_id_of(headers)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                reply = message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                engine = scope.get("state", {}).get("engine")
                if engine is not None and engine.draining:
                    reply.append((b"connection", b"close"))  # whoever keeps connections opens the next one elsewhere
                if stages := stage_times(scope):
                    reply.append((b"server-timing", ", ".join(f"{stage};dur={ms:.3f}" for stage, ms in stages.items()).encode()))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            begun, status = status, 500
            reply = await self.bug(Request(scope), error)
            if begun:
                raise  # what has begun to go out cannot become another reply
            await reply(scope, receive, watched)
        finally:
            if visit := visit_of(scope):
                visit.sent()
            record(scope, status or 499, time.perf_counter() - began, request_id, headers)


def request_id_of(headers: Headers) -> str:
    """The id that the caller gave, if it is one; else that of the trace; else a new one."""
    given = headers.get("x-request-id", "")
    if ID.fullmatch(given):
        return given
    trace = TRACE.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace else f"{random.getrandbits(128):032x}"


def visit_of(scope: Scope) -> Visit | None:
    """The request's way through the engine, where it got that far."""
    visit: Visit | None = scope.get("state", {}).get("visit")
    return visit


def stage_times(scope: Scope) -> dict[str, float]:
    """Milliseconds in each stage."""
    visit = visit_of(scope)
    return {} if visit is None else {stage: ns / 1e6 for stage, ns in visit.spent_ns.items()}


class JsonLines(logging.Formatter):
    """A JSON object a line, for what collects logs."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "logger": record.name}
        about = getattr(record, "about", None)
        line |= about if isinstance(about, dict) else {"message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def record(scope: Scope, status: int, seconds: float, request_id: str, headers: Headers) -> None:
    """Count the request, and log it."""
    route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
    visit = visit_of(scope)
    loss = "" if visit is None else visit.model.removesuffix(".grad") or metrics.OTHER
    metrics.observe(route, loss, status, seconds)
    if visit is not None and status == 200:
        metrics.observe_stages(visit.spent_ns.items(), visit.rows)
    if scope["path"] in NOT_LOGGED or not log.isEnabledFor(logging.INFO):
        return
    about: dict[str, Any] = {
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 3),
        "request_id": request_id,
        "loss": loss,
        **{f"{stage}_ms": round(ms, 3) for stage, ms in stage_times(scope).items()},
    }
    if trace := headers.get("traceparent"):
        about["traceparent"] = trace[:100]
    log.info("%s", orjson.dumps(about).decode(), extra={"about": about})
