"""Health and metrics on a port of their own, which a cluster can reach and callers cannot."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from service.errors import RequestError
from service.reply import problem_reply
from service.routes import health


class Quiet(uvicorn.Server):
    """A server beside another, which leaves the signals to that one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


def management_app(state: Mapping[str, Any]) -> Any:
    """The routes of health and metrics, over the state of the service."""
    app = FastAPI(title="gradwire management", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health.router)
    app.include_router(health.metrics_router)
    app.add_exception_handler(RequestError, answer_error)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state


async def answer_error(request: Request, error: Exception) -> Response:
    """Not ready."""
    return problem_reply(error)


@contextlib.asynccontextmanager
async def managed(listener: socket.socket | None, state: Mapping[str, Any]) -> AsyncIterator[None]:
    """Serve them for as long as the service runs, where there is a port for them."""
    if listener is None:
        yield
        return
    config = uvicorn.Config(management_app(state), lifespan="off", log_config=None, access_log=False, server_header=False)
    server = Quiet(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
