"""The Open Inference Protocol over gRPC, on a port of its own: service inference.GRPCInferenceService, and grpc.health.v1."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from models.errors import JobError
from service import metrics
from service import open_inference_models as about
from service.body import FIRST_BYTES, PATIENCE_S
from service.codec import BINARY_BYTES
from service.codecs import open_inference_grpc as codec
from service.engine import DRAINING, Engine
from service.errors import ClientGone, MalformedRequest, NotReady, RequestError, StalledRequest, Unauthorized, status_of
from service.keys import Keys
from service.open_inference import find_model
from service.protos import open_inference_pb2 as pb
from service.settings import Settings
from service.shared_memory import Regions
from service.statistics import Statistics
from service.visit import Visit

QUICK_BYTES = 1 << 18  # of a message, however many fields it has
SERVICE = "inference.GRPCInferenceService"
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Region = pb.SystemSharedMemoryStatusResponse.RegionStatus
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Method: TypeAlias = Callable[[AsyncIterator[bytes], Context], Awaitable[None]]
FOR_EVERYONE = ("ServerLive", "ServerReady")
LOOK_S = 0.1
MORE_CALLS = 100  # at once than there are places for jobs: idle streams, and those that only ask
LONGEST_DETAILS = 2000  # they travel in a header
log = logging.getLogger("gradwire")


class GrpcServer:
    """The server and its methods, each named as the protocol names it.

    Every method is a stream to the library, though it takes one message and gives one: so a message is read only when its caller is known
    and has a place, and a reply counts as memory until it has gone out. On the wire there is no difference.
    """

    def __init__(self, engine: Engine, statistics: Statistics, regions: Regions, keys: Keys, settings: Settings) -> None:
        self.engine, self.statistics, self.regions, self.keys, self.settings = engine, statistics, regions, keys, settings
        self.health = health.aio.HealthServicer()
        self.ending = asyncio.Event()
        self.running = 0  # calls
        self.stopped: asyncio.Future[None] | None = None

    async def start(self, address: str) -> int:
        """Listen on host:port, port 0 for a free one; returns the port."""
        most = self.settings.max_body_bytes
        limits = [
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", most),
            ("grpc.so_reuseport", int(self.settings.workers > 1)),
        ]
        places = self.settings.jobs + self.settings.queue + MORE_CALLS
        self.server = grpc.aio.server(options=limits, maximum_concurrent_rpcs=places)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self.handlers()),))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        await self.serving(False)
        port = self.server.add_insecure_port(address)
        await self.server.start()
        return int(port)

    def stop(self, grace_s: float) -> "asyncio.Future[None]":
        """Take no more calls; to be waited for until those that run are done, or the time of grace is over."""
        if self.stopped is None:
            self.ending.set()
            self.stopped = asyncio.ensure_future(self.stop_calls(grace_s))
        return self.stopped

    async def stop_calls(self, grace_s: float) -> None:
        """Wait for the calls of ours, and for nobody who watches our health."""
        stopping = asyncio.ensure_future(self.server.stop(grace_s))
        while self.running and not stopping.done():
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(LOOK_S)  # for the last replies to go out
        await self.server.stop(None)
        await stopping

    def not_serving(self) -> None:
        """Say that no more calls are welcome; called from the event loop's thread."""
        self.closing = asyncio.ensure_future(self.serving(False))

    async def serving(self, ready: bool) -> None:
        """What grpc.health.v1 answers."""
        for name in ("", SERVICE):
            await self.health.set(name, HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING)

    def handlers(self) -> dict[str, Handler]:
        """Every method by its name."""
        methods: dict[str, Method] = {name: self.telling(name, tell) for name, tell in self.tells().items()}
        methods |= {"ModelInfer": self.infer, "ModelStreamInfer": self.infer_stream}
        return {name: grpc.stream_stream_rpc_method_handler(self.counted(method)) for name, method in methods.items()}

    def counted(self, method: Method) -> Method:
        """The method, seen while it runs."""

        async def call(messages: AsyncIterator[bytes], context: Context) -> None:
            self.running += 1
            try:
                await method(messages, context)
            finally:
                self.running -= 1

        return call

    def tells(self) -> dict[str, Callable[[Any], Message]]:
        """The methods that compute nothing: from a request's message to the reply's."""
        return {
            "ServerLive": lambda _: pb.ServerLiveResponse(live=True),
            "ServerReady": lambda _: pb.ServerReadyResponse(ready=self.engine.ready),
            "ServerMetadata": lambda _: pb.ServerMetadataResponse(**about.server(self.settings.shared_memory)),
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository_index,
            "SystemSharedMemoryStatus": self.shared_memory_status,
            "SystemSharedMemoryRegister": self.shared_memory_register,
            "SystemSharedMemoryUnregister": self.shared_memory_unregister,
        }

    def model_ready(self, asked: pb.ModelReadyRequest) -> Message:
        """Whether a model may be asked."""
        find_model(asked.name, asked.version)
        return pb.ModelReadyResponse(ready=self.engine.ready)

    def model_metadata(self, asked: pb.ModelMetadataRequest) -> Message:
        """The tensors that a model takes and gives, its parameters, and the limits of a message."""
        return pb.ModelMetadataResponse(**about.model(find_model(asked.name, asked.version), self.settings.max_body_bytes))

    def model_statistics(self, asked: pb.ModelStatisticsRequest) -> Message:
        """What became of the requests for a model, or for each."""
        names = [find_model(asked.name, asked.version).name] if asked.name else list(self.statistics.of)
        return pb.ModelStatisticsResponse(model_stats=[about.statistics(name, self.statistics.of[name]) for name in names])

    def repository_index(self, asked: pb.RepositoryIndexRequest) -> Message:
        """Every model, or those alone that may be asked."""
        return pb.RepositoryIndexResponse(models=about.index(self.engine.ready, asked.ready))

    def shared_memory_status(self, asked: pb.SystemSharedMemoryStatusRequest) -> Message:
        """The regions that are registered."""
        found = [Region(**each) for each in about.regions(self.regions.status(asked.name))]
        return pb.SystemSharedMemoryStatusResponse(regions={each.name: each for each in found})

    def shared_memory_register(self, asked: pb.SystemSharedMemoryRegisterRequest) -> Message:
        """Make memory known under a name."""
        self.regions.register(asked.name, asked.key, asked.offset, asked.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    def shared_memory_unregister(self, asked: pb.SystemSharedMemoryUnregisterRequest) -> Message:
        """Forget one region, or every one."""
        self.regions.unregister(asked.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    async def infer(self, _: AsyncIterator[bytes], context: Context) -> None:
        """The loss of one batch, and its gradient if the model is `.grad`."""
        async with self.admitted(context), self.inferring(context) as visit:
            await context.write(await self.visited(visit, functools.partial(message, context), codec.encode))

    async def infer_stream(self, _: AsyncIterator[bytes], context: Context) -> None:
        """The same for one batch after another; one that is refused does not end the stream."""
        async with refusals(context):
            self.keys.known(authorization(context))
            async for data in self.messages(context):
                try:
                    with self.entered(context):
                        async with self.inferring(context) as visit:
                            await context.write(await self.visited(visit, functools.partial(came, data), codec.encode_streamed))
                except Unauthorized:
                    raise
                except (JobError, RequestError) as error:
                    await context.write(pb.ModelStreamInferResponse(error_message=str(error)).SerializeToString())

    async def messages(self, context: Context) -> AsyncIterator[bytes]:
        """What comes over a stream, until it ends; raises NotReady where the service ends first."""
        ending = asyncio.ensure_future(self.ending.wait())
        try:
            while True:
                reading = asyncio.ensure_future(context.read())
                await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    raise NotReady(DRAINING)
                if reading.result() is grpc.aio.EOF:
                    return
                yield reading.result()
        finally:
            ending.cancel()

    @contextlib.asynccontextmanager
    async def inferring(self, context: Context) -> AsyncIterator[Visit]:
        """An inference, counted and timed whatever becomes of it."""
        began, visit = time.perf_counter(), Visit(self.engine, self.statistics, self.timeout_s(context))
        status = 500
        try:
            yield visit
            status = 200
        except (JobError, RequestError) as error:
            status = status_of(error)
            raise
        except asyncio.CancelledError:
            status = status_of(ClientGone())
            raise
        finally:
            visit.sent()
            metrics.observe("grpc ModelInfer", visit.model.removesuffix(".grad") or metrics.OTHER, status, time.perf_counter() - began)
        metrics.observe_stages(visit.spent_ns.items(), visit.rows)

    def timeout_s(self, context: Context) -> float:
        """How long a call may take: as its caller says, but no longer than the setting."""
        most_s = self.settings.timeout_ms / 1000
        left = context.time_remaining()
        return most_s if left is None else min(most_s, left)

    async def visited(self, visit: Visit, coming: Callable[[], Awaitable[bytes]], encode: Callable[..., bytes]) -> bytes:
        """Bytes -> message -> result -> message -> bytes, with a place, memory and a deadline."""
        async with visit:
            data = await coming()
            await visit.take(len(data))
            message = await visit.spend("decode", len(data) <= QUICK_BYTES, codec.parsed, pb.ModelInferRequest, data)
            model = find_model(message.model_name, message.model_version)
            visit.model = model.name
            most = self.settings.max_elements
            shared = codec.shared_bytes_of(message, self.regions)
            if shared:
                await visit.take_besides(shared, FIRST_BYTES)
            quick = len(data) + shared <= BINARY_BYTES and codec.is_raw(message)
            inference = await visit.spend("decode", quick, codec.decode, message, model, self.regions, most)
            visit.within(inference.timeout_s)
            result = await visit.run(inference.order)
            quick = result.nbytes <= BINARY_BYTES and codec.is_raw(message)
            reply = await visit.spend("encode", quick, encode, inference, message, self.regions, result)
            visit.keep(len(reply))
            return reply

    def telling(self, name: str, tell: Callable[[Any], Message]) -> Method:
        """A method over bytes; they are parsed by us, for what is no message is the caller's fault and not the server's."""
        kind = getattr(pb, f"{name}Request")

        async def answer(_: AsyncIterator[bytes], context: Context) -> None:
            async with refusals(context) if name in FOR_EVERYONE else self.admitted(context):
                await context.write(tell(codec.parsed(kind, await message(context))).SerializeToString())

        return answer

    @contextlib.asynccontextmanager
    async def admitted(self, context: Context) -> AsyncIterator[None]:
        """A call of someone who may call."""
        async with refusals(context):
            with self.entered(context):
                yield

    @contextlib.contextmanager
    def entered(self, context: Context) -> Iterator[None]:
        """One request of a key; raises Unauthorized, or Overloaded."""
        digest = self.keys.enter(authorization(context))
        try:
            yield
        finally:
            self.keys.leave(digest)


def authorization(context: Context) -> str:
    """What a caller says who it is."""
    given = dict(context.invocation_metadata() or ()).get("authorization", "")
    return given if isinstance(given, str) else given.decode("latin-1")


async def message(context: Context) -> bytes:
    """The one message of a call; raises MalformedRequest where none comes, or not in time."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            data = await context.read()
    except TimeoutError:
        raise StalledRequest(PATIENCE_S) from None
    if data is grpc.aio.EOF:
        raise MalformedRequest("the call has no message")
    return bytes(data)


async def came(data: bytes) -> bytes:
    """A message that is here already."""
    return data


@contextlib.asynccontextmanager
async def refusals(context: Context) -> AsyncIterator[None]:
    """Errors of the table in `service.errors` as gRPC's codes; anything else is our bug."""
    try:
        yield
    except (JobError, RequestError) as error:
        headers = error.headers if isinstance(error, RequestError) else {}
        trailing = tuple((name.lower(), text) for name, text in headers.items() if name == "Retry-After")
        await context.abort(CODES[status_of(error)], str(error)[:LONGEST_DETAILS], trailing)
    except MemoryError:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the service has not the memory for this call; send less at a time")
    except Exception as error:
        log.error("gRPC failed", exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "an error of the service itself, which its log describes")
