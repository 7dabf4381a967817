"""tritonclient.grpc and grpc.aio: compression, callbacks, streams that a refusal does not end, and many requests at once."""

import asyncio
import queue
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import tritonclient.grpc
import tritonclient.grpc.aio
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, all_well, check, holds, mean
from four_clients import GRPC, MODEL, OVER_GRPC, clients, labels, scores

GRAD = mean()[1]
WRONG = 2  # the one of five that is to be refused
AIO = tritonclient.grpc.aio


def inputs(form: Any, i: int = 0) -> list[Any]:
    """Scores and labels; those of no. 2 name classes that are not there."""
    found = [scores(form, "FP64"), labels(form)]
    found[1].set_data_from_numpy(PADDED + 7 * (i == WRONG))
    return found


def is_right(about: str, i: int, result: Any, error: Any) -> None:
    """A gradient, or for no. 2 a refusal in our words."""
    if i == WRONG:
        holds(f"{about}: no. {i} is refused", result is None and "out of range for C = 3" in str(error))
    else:
        check(f"{about}: no. {i}", result.as_numpy("grad"), GRAD, 1e-10)


def every_compression(form: Any, client: Any, about: str) -> None:
    """Of the request; gRPC unpacks it."""
    for packing in ("gzip", "deflate"):
        check(f"{about}: {packing}", client.infer(MODEL, inputs(form), compression_algorithm=packing).as_numpy("grad"), GRAD, 1e-10)


def every_callback() -> None:
    """async_infer and a stream, of the client that waits by itself."""
    form = tritonclient.grpc
    client, found = form.InferenceServerClient(GRPC), queue.Queue[tuple[Any, Any]]()
    for i in range(5):
        client.async_infer(MODEL, inputs(form, i), callback=lambda result, error: found.put((result, error)))
        is_right("grpc: async_infer", i, *found.get(timeout=20))
    for packing in (None, "gzip"):
        client.start_stream(callback=lambda result, error: found.put((result, error)), compression_algorithm=packing)
        for i in range(5):
            client.async_stream_infer(MODEL, inputs(form, i), request_id=str(i))
        for i in range(5):
            result, error = found.get(timeout=20)
            is_right(f"grpc: a stream, {packing}", i, result, error)
            holds("grpc: in order", result is None or result.get_response().id == str(i))
        client.stop_stream()
    check("grpc: one alone behind the streams", client.infer(MODEL, inputs(form)).as_numpy("grad"), GRAD, 1e-10)
    client.close()


async def every_coroutine() -> None:
    """A stream, and many at once, on an event loop."""

    async def asked() -> AsyncIterator[dict[str, Any]]:
        for i in range(5):
            yield {"model_name": MODEL, "inputs": inputs(AIO, i), "request_id": str(i)}

    async with AIO.InferenceServerClient(GRPC) as client:
        i = 0
        async for result, error in client.stream_infer(asked()):
            is_right("grpc.aio: a stream", i, result, error)
            holds("grpc.aio: in order", result is None or result.get_response().id == str(i))
            i += 1
        holds("grpc.aio: the stream answers all", i == 5)
        replies = await asyncio.gather(*(client.infer(MODEL, inputs(AIO, i)) for i in range(8)), return_exceptions=True)
        for i, reply in enumerate(replies):
            is_error = isinstance(reply, InferenceServerException)
            is_right("grpc.aio: gathered", i, *((None, reply) if is_error else (reply, None)))


for each in clients(*OVER_GRPC):
    every_compression(*each)
every_callback()
asyncio.run(every_coroutine())
all_well()
