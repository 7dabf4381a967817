"""The routes that compute, ahead of FastAPI's own for them, which describe them: a tenth of a small request went into calling an endpoint.

FastAPI solves dependencies, and keeps two stacks of what is to be closed, for endpoints that have none of it. These are called as they are.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

Admission = Callable[[Request], AsyncIterator[None]]


async def everyone(request: Request) -> AsyncIterator[None]:
    """Whoever calls may."""
    yield


class DirectRoute(Route):
    """A route whose path the log and the metrics name, also where the method is none that it has."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is the one."""
        match, found = super().matches(scope)
        return match, found if match is Match.NONE else {**found, "route": self}


class Direct:
    """An endpoint as an ASGI application."""

    def __init__(self, endpoint: Callable[..., Awaitable[Response]], admission: Admission) -> None:
        self.endpoint, self.admission = endpoint, asynccontextmanager(admission)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        async with self.admission(request):
            reply = await self.endpoint(request, **scope["path_params"])
            await reply(scope, receive, send)


def direct(routers: Iterable[APIRouter], admission: Admission = everyone) -> Iterator[Route]:
    """A direct route for each that answers with bytes of its own to a POST, to someone whom `admission` lets in."""
    for router in routers:
        for each in router.routes:
            if isinstance(each, APIRoute) and each.methods == {"POST"} and each.response_model is None:
                yield DirectRoute(each.path, Direct(each.endpoint, admission), methods=["POST"])
