"""The routes that compute, ahead of FastAPI's own for them, which describe them: a tenth of a small request went into calling an endpoint.

FastAPI solves dependencies, and keeps two stacks of what is to be closed, for endpoints that have none of it. These are called as they are.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Admission = Callable[[Request], AsyncIterator[None]]


async def everyone(request: Request) -> AsyncIterator[None]:
    """Whoever calls may."""
    yield


class Direct:
    """The endpoint of a route, as an ASGI application."""

    def __init__(self, route: APIRoute, admission: Admission) -> None:
        self.route, self.endpoint, self.admission = route, route.endpoint, asynccontextmanager(admission)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the path of its route is what the log and the metrics name."""
        scope["route"] = self.route
        request = Request(scope, receive, send)
        async with self.admission(request):
            reply = await self.endpoint(request, **scope["path_params"])
            await reply(scope, receive, send)


def direct(routers: Iterable[APIRouter], admission: Admission = everyone) -> Iterator[Route]:
    """A direct route for each that answers with bytes of its own to a POST, to someone whom `admission` lets in."""
    for router in routers:
        for each in router.routes:
            if isinstance(each, APIRoute) and each.methods == {"POST"} and each.response_model is None:
                yield Route(each.path, Direct(each, admission), methods=["POST"])
