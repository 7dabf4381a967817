"""tritonclient that does not wait for the answer: calls and streams that are cancelled, deadlines, and what is answered behind them."""

import asyncio
import contextlib
import queue
import sys
import time
from pathlib import Path
from typing import Any

import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import all_well, check, holds, mean, refused
from four_clients import GRPC, HTTP, LARGE, LARGE_LABELS, MODEL, clients, labels, large, scores, sent

GRAD = mean()[1]
SOON_S = (0, 0.001, 0.005, 0.02)  # before, while and after the large batch is sent and computed


def large_inputs(form: Any) -> list[Any]:
    """What takes a while."""
    return [sent(form, "scores", LARGE, "FP32"), sent(form, "labels", LARGE_LABELS, "INT64")]


def goes_on(about: str, form: Any, client: Any) -> None:
    """The same client is answered."""
    check(f"{about}: the same client behind it", client.infer(MODEL, [scores(form), labels(form)]).as_numpy("grad"), GRAD)


def calls_are_cancelled() -> None:
    """At different moments; each ends exactly once."""
    form = tritonclient.grpc
    client, found = form.InferenceServerClient(GRPC), queue.Queue[tuple[Any, Any]]()
    for seconds in SOON_S:
        call = client.async_infer(MODEL, large_inputs(form), callback=lambda result, error: found.put((result, error)))
        time.sleep(seconds)
        call.cancel()
        result, error = found.get(timeout=20)
        holds(f"grpc: cancelled after {seconds} s", result is not None or "cancelled" in str(error).lower())
        goes_on("grpc: a call that was cancelled", form, client)
    holds("grpc: no call ends twice", found.empty())
    client.close()


def streams_are_cancelled() -> None:
    """With requests in them; another stream of the same client begins anew."""
    form = tritonclient.grpc
    client, found = form.InferenceServerClient(GRPC), queue.Queue[tuple[Any, Any]]()
    for _ in range(3):
        client.start_stream(callback=lambda result, error: found.put((result, error)))
        for i in range(5):
            client.async_stream_infer(MODEL, large_inputs(form), request_id=str(i))
        client.stop_stream(cancel_requests=True)
    client.start_stream(callback=lambda result, error: found.put((result, error)))
    client.async_stream_infer(MODEL, [scores(form), labels(form)], request_id="last")
    while (result := found.get(timeout=20)[0]) is None or result.get_response().id != "last":
        pass
    check("grpc: a stream behind those that were cancelled", result.as_numpy("grad"), GRAD)
    client.stop_stream()
    goes_on("grpc: streams that were cancelled", form, client)
    client.close()


def deadlines_pass(form: Any, client: Any, about: str) -> None:
    """A deadline that cannot be kept, and one that can."""
    too_soon, inputs = "StatusCode.DEADLINE_EXCEEDED", large_inputs(form)
    refused(f"{about}: a deadline", lambda: client.infer(MODEL, inputs, client_timeout=1e-4), too_soon, InferenceServerException)
    goes_on(f"{about}: a deadline", form, client)
    reply = client.infer(MODEL, [scores(form), labels(form)], client_timeout=20)
    check(f"{about}: a deadline that is kept", reply.as_numpy("grad"), GRAD)


def connections_are_dropped() -> None:
    """A client over HTTP that waits for a millisecond leaves while the service still works; another one is answered."""
    form = tritonclient.http
    for _ in range(3):
        client = form.InferenceServerClient(HTTP, network_timeout=0.001)
        with contextlib.suppress(TimeoutError, InferenceServerException):
            client.infer(MODEL, large_inputs(form))
        client.close()
    client = form.InferenceServerClient(HTTP)
    goes_on("http: connections that were dropped", form, client)
    client.close()


async def coroutines_are_cancelled(form: Any, address: str, about: str) -> None:
    """Of eight at once every other one is cancelled; the rest are answered."""
    async with form.InferenceServerClient(address) as client:
        for seconds in SOON_S:
            tasks = [asyncio.ensure_future(client.infer(MODEL, large_inputs(form))) for _ in range(8)]
            await asyncio.sleep(seconds)
            for task in tasks[::2]:
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            for reply in replies[1::2]:
                check(f"{about}: not cancelled after {seconds} s", reply.as_numpy("grad") * 1024, large()[1] * 1024, 1e-6)
        reply = await client.infer(MODEL, [scores(form), labels(form)])
        check(f"{about}: the same client behind them", reply.as_numpy("grad"), GRAD)


calls_are_cancelled()
streams_are_cancelled()
for each in clients(tritonclient.grpc, tritonclient.grpc.aio):
    deadlines_pass(*each)
connections_are_dropped()
asyncio.run(coroutines_are_cancelled(tritonclient.http.aio, HTTP, "http.aio"))
asyncio.run(coroutines_are_cancelled(tritonclient.grpc.aio, GRPC, "grpc.aio"))
all_well()
