"""create_app: the only file that knows every part."""

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from importlib import metadata
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from models.contract import Runtime
from models.errors import JobError, OutOfMemory, Problem, did_you_mean, shortened
from models.export import Graphs
from service import metrics
from service.access import Access
from service.documentation import with_schemas
from service.engine import Engine
from service.errors import ClientGone, RequestError
from service.grpc_server import GrpcServer
from service.keys import Keys
from service.management import managed
from service.open_inference import models
from service.reply import ProblemReply, problem_reply
from service.routes import catalogue, health, losses, open_inference, open_inference_shared_memory
from service.routes.direct import direct, everyone
from service.settings import Settings
from service.shared_memory import Regions
from service.statistics import Statistics
from service.telemetry import flush, telemetry

FOR_EVERYONE = ("/v2/health/live", "/v2/health/ready")
EXPOSED = ["X-Request-ID", "Server-Timing", "Retry-After", "Inference-Header-Content-Length"]
log = logging.getLogger("gradwire")


def create_app(
    settings: Settings,
    runtimes: Mapping[str, Runtime],
    grpc_address: str | None = None,
    management: socket.socket | None = None,
    device_memory: Callable[[], dict[tuple[str, str], int]] = dict,
) -> FastAPI:
    """The service over these runtimes, and over gRPC at host:port where an address is given; the engine is `app.state.engine`."""
    metrics.built()
    traces = telemetry(settings.otlp_endpoint)
    keys = Keys(settings.api_keys_file, settings.key_rate, settings.key_concurrency)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        most = settings.max_rows, settings.max_classes
        engine = Engine(runtimes, settings.default_runtime, settings.jobs, settings.queue, settings.memory_bytes, most)
        engine.on_fault = lambda: app.state.on_fault()
        app.state.engine = engine
        statistics = Statistics(models())
        regions = Regions(settings.shared_memory_prefix if settings.shared_memory else None)
        over_grpc = GrpcServer(engine, statistics, regions, keys, settings) if grpc_address else None
        if over_grpc and grpc_address:
            port = await over_grpc.start(grpc_address)
            log.info("gRPC on %s:%s", grpc_address.rpartition(":")[0], port)
        warming = asyncio.create_task(warm_up(engine, over_grpc))
        warming.add_done_callback(log_failure)
        app.state.over_grpc = over_grpc
        state = {
            "engine": engine,
            "statistics": statistics,
            "regions": regions,
            "keys": keys,
            "device_memory": device_memory,
            "settings": settings,
            "graphs": Graphs(settings.graphs_dir),
        }
        async with managed(management, state):
            yield state
        warming.cancel()
        if over_grpc:
            await over_grpc.stop(settings.timeout_ms / 1000)
        regions.named.clear()
        engine.close()
        flush(traces)

    app = FastAPIOffline(
        title="gradwire",
        version=metadata.version("gradwire-service"),
        summary="Multi-label losses and their exact gradients over HTTP.",
        lifespan=lifespan,
        telemetry=traces,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.engine, app.state.over_grpc = None, None  # until it serves
    app.state.drain, app.state.end = functools.partial(drain, app), functools.partial(end, app, settings.timeout_ms / 1000)
    app.state.look, app.state.on_fault = functools.partial(look, app, device_memory), lambda: None
    app.router.routes[:0] = direct((losses.router, open_inference.router), admitted if settings.api_keys_file else everyone)
    for router in (losses.router, catalogue.router, open_inference.router, open_inference_shared_memory.router):
        app.include_router(router, dependencies=[Depends(admitted)] if settings.api_keys_file else [])
    app.include_router(health.router)
    if management is None:
        app.include_router(health.metrics_router)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=EXPOSED
        )
    app.add_middleware(Access, bug=answer_bug)  # the outermost: preflights have an id too
    for error in (JobError, RequestError):
        app.add_exception_handler(error, answer_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid_query)
    for gone in (ClientDisconnect, ClientGone):
        app.add_exception_handler(gone, answer_nobody)
    app.add_exception_handler(MemoryError, answer_out_of_memory)
    app.add_api_route("/", to_documentation, include_in_schema=False)
    app.openapi = functools.cache(functools.partial(documented, app.openapi))  # type: ignore[method-assign]
    return app


async def warm_up(engine: Engine, over_grpc: GrpcServer | None) -> None:
    """Warm the runtimes, then say everywhere that requests are welcome."""
    await engine.warm_up()
    if over_grpc:
        await over_grpc.serving(True)


def drain(app: FastAPI) -> None:
    """Say everywhere that no new requests are welcome; those that come all the same are answered."""
    if app.state.engine:
        app.state.engine.draining = True
    if app.state.over_grpc:
        app.state.over_grpc.not_serving()


def end(app: FastAPI, grace_s: float) -> None:
    """Take no more calls over gRPC, while HTTP's server ends in its own way."""
    if app.state.over_grpc:
        app.state.over_grpc.stop(grace_s)


def look(app: FastAPI, device_memory: Callable[[], dict[tuple[str, str], int]]) -> None:
    """Have the gauges say how this process is, for one of several cannot ask the others when it is asked for metrics."""
    if app.state.engine:
        metrics.look(app.state.engine, device_memory)


def documented(document: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document, complete."""
    return with_schemas(document())


async def admitted(request: Request) -> AsyncIterator[None]:
    """The request of someone who may call; the key counts as used until the reply is sent."""
    if request.url.path in FOR_EVERYONE:
        yield
        return
    keys: Keys = request.state.keys
    digest = keys.enter(request.headers.get("authorization", ""))
    try:
        yield
    finally:
        keys.leave(digest)


async def to_documentation() -> Response:
    """The page at /."""
    return RedirectResponse("/docs")


def log_failure(warming: asyncio.Task[None]) -> None:
    """A runtime that cannot be warmed up leaves the service not ready; say why."""
    if not warming.cancelled() and (error := warming.exception()) is not None:
        log.error("the service does not become ready: %s: %s", type(error).__name__, error, exc_info=error)


async def answer_error(request: Request, error: Exception) -> Response:
    """An error of the table."""
    return problem_reply(error)


async def answer_nobody(request: Request, error: Exception) -> Response:
    """The client left before its request was whole: nobody reads this."""
    return Response(status_code=499)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """No such path, or method: say which there are."""
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        path = request.url.path
        detail = f"no such path {shortened(path)}{did_you_mean(path, ['/docs', '/openapi.json', *request.app.openapi()['paths']])}"
    elif error.status_code == 405:
        detail = f"{request.method} is not a method of {request.url.path}; allowed: {(error.headers or {}).get('Allow', '')}"
    return ProblemReply(error.status_code, detail, headers=error.headers)


async def answer_invalid_query(request: Request, error: Exception) -> Response:
    """A query parameter that is wrong."""
    assert isinstance(error, RequestValidationError)
    found = [Problem(f"/{each['loc'][-1]}", f"{each['msg']}; found {shortened(each['input'])}") for each in error.errors()]
    return ProblemReply(422, "; ".join(f"{each.pointer}: {each.detail}" for each in found), found)


async def answer_out_of_memory(request: Request, error: Exception) -> Response:
    """There is less memory than the settings say; this request is given up, and no other."""
    return problem_reply(OutOfMemory("the service has not the memory for this request; send less at a time"))


async def answer_bug(request: Request, error: Exception) -> Response:
    """Nothing a request holds should lead here; the log has the traceback."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return ProblemReply(500, "an error of the service itself, which its log describes")
