"""The four clients that tritonclient has, each called in the same way, and the inputs that the checks send."""

import asyncio
import functools
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from expected import PADDED, SCORES, TARGETS, mean

MODEL = "softmax_cross_entropy.grad"
PRECISION = {"FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "BF16": ml_dtypes.bfloat16}
HTTP, GRPC = sys.argv[1:3]
OVER_HTTP = (tritonclient.http, tritonclient.http.aio)
OVER_GRPC = (tritonclient.grpc, tritonclient.grpc.aio)
LARGE = np.random.default_rng(0).normal(size=(1024, 1000)).astype(np.float32)
LARGE_LABELS = np.arange(1024)[:, None] % 1000


class Waited:
    """A client of asyncio whose calls are waited for: what checks the others then checks it too."""

    def __init__(self, form: Any, address: str, **how: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = self.loop.run_until_complete(self.made(form, address, how))

    async def made(self, form: Any, address: str, how: dict[str, Any]) -> Any:
        """The client; it must be made where a loop runs."""
        return form.InferenceServerClient(address, **how)

    def close(self) -> None:
        """Both the client and its loop."""
        self.loop.run_until_complete(self.client.close())
        self.loop.close()

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.loop.run_until_complete(getattr(self.client, name)(*given, **named))


def clients(*forms: Any, **how: Any) -> Iterator[tuple[Any, Any, str]]:
    """Form, client and name, of every one or of these."""
    for form in forms or OVER_HTTP + OVER_GRPC:
        address = GRPC if form in OVER_GRPC else HTTP
        client = Waited(form, address, **how) if form.__name__.endswith("aio") else form.InferenceServerClient(address, **how)
        yield form, client, form.__name__.removeprefix("tritonclient.")
        client.close()


def sent(form: Any, name: str, array: Any, datatype: str, **how: Any) -> Any:
    """An input."""
    tensor = form.InferInput(name, list(np.shape(array)), datatype)
    tensor.set_data_from_numpy(np.asarray(array), **how)
    return tensor


def scores(form: Any, datatype: str = "FP32", **how: Any) -> Any:
    """The scores in a precision."""
    return sent(form, "scores", SCORES.astype(PRECISION[datatype]), datatype, **how)


def labels(form: Any, **how: Any) -> Any:
    """The labels, padded."""
    return sent(form, "labels", PADDED, "INT64", **how)


def targets(form: Any, **how: Any) -> Any:
    """The same labels, dense."""
    return sent(form, "targets", TARGETS.astype(np.float32), "FP32", **how)


@functools.cache
def large() -> tuple[Any, Any]:
    """The mean over the rows of the large batch, and its gradient."""
    return mean(LARGE, np.eye(1000)[LARGE_LABELS[:, 0]])


def output(reply: Any, name: str) -> dict[str, Any]:
    """What the reply says of an output."""
    found = reply.get_output(name)
    return found if isinstance(found, dict) else {"datatype": found.datatype, "shape": list(found.shape)}
