"""tritonclient.http.aio, grpc.aio, gRPC's compression, callbacks and stream."""

import asyncio
import queue
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, all_well, check, holds, mean

MODEL = "softmax_cross_entropy.grad"
HTTP, GRPC = sys.argv[1:3]


def inputs(form: Any, labels: Any = PADDED) -> list[Any]:
    """Scores and labels."""
    found = [form.InferInput("scores", [2, 3], "FP64"), form.InferInput("labels", [2, 2], "INT64")]
    found[0].set_data_from_numpy(SCORES)
    found[1].set_data_from_numpy(labels)
    return found


async def at_once(form: Any, address: str) -> None:
    """Many requests at once, one of them wrong."""
    about = form.__name__
    async with form.InferenceServerClient(address) as client:
        holds(f"{about}: ready", await client.is_server_ready() and await client.is_model_ready(MODEL))
        holds(f"{about}: metadata", await client.get_server_metadata() and await client.get_model_metadata(MODEL))
        holds(f"{about}: index and statistics", await client.get_model_repository_index() and await client.get_inference_statistics(MODEL))
        calls = [client.infer(MODEL, inputs(form, PADDED + 9 * (i == 3))) for i in range(8)]
        for i, reply in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
            if i == 3:
                holds(f"{about}: the wrong one is refused", isinstance(reply, InferenceServerException) and "out of range" in str(reply))
            else:
                check(f"{about}: no. {i}", reply.as_numpy("grad"), mean()[1], 1e-10)


def grpc_only() -> None:
    """What gRPC's client has alone."""
    form = tritonclient.grpc
    client = form.InferenceServerClient(GRPC)
    holds("grpc: metadata", client.get_server_metadata().name == "gradwire" and client.get_model_metadata(MODEL).name == MODEL)
    holds("grpc: the index", MODEL in [each.name for each in client.get_model_repository_index().models])
    holds("grpc: statistics", client.get_inference_statistics(MODEL).model_stats[0].name == MODEL)
    reply = client.infer(MODEL, inputs(form), compression_algorithm="gzip")
    check("grpc: gzip", reply.as_numpy("grad"), mean()[1], 1e-10)
    found: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.async_infer(MODEL, inputs(form), callback=lambda result, error: found.put((result, error)))
    check("grpc: async_infer", found.get(timeout=20)[0].as_numpy("grad"), mean()[1], 1e-10)
    client.start_stream(callback=lambda result, error: found.put((result, error)))
    for i in range(3):
        client.async_stream_infer(MODEL, inputs(form, PADDED + 9 * (i == 1)), request_id=str(i))
    for i in range(3):
        result, error = found.get(timeout=20)
        if i == 1:
            holds("grpc: a refusal in a stream", "out of range" in str(error))
        else:
            check("grpc: a stream goes on", result.as_numpy("grad"), mean()[1], 1e-10)
            holds("grpc: in order", result.get_response().id == str(i))
    client.stop_stream()
    try:
        client.is_model_ready("x")
    except InferenceServerException as error:
        holds("grpc: an unknown model", "no model named 'x'" in str(error) and error.status() == "StatusCode.NOT_FOUND")


assert np.__version__
asyncio.run(at_once(tritonclient.http.aio, HTTP))
asyncio.run(at_once(tritonclient.grpc.aio, GRPC))
grpc_only()
all_well()
