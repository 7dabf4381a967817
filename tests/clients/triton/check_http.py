"""tritonclient.http and http.aio: JSON, binary data and mixtures of both, compression, and many requests at once."""

import asyncio
import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, TOLERANCE, all_well, check, holds, mean
from four_clients import HTTP, LARGE, LARGE_LABELS, MODEL, OVER_HTTP, PRECISION, clients, labels, large, output, scores, sent, targets

LOSS, GRAD = mean()
WAYS = (True, False)


def every_mixture(form: Any, client: Any, about: str) -> None:
    """Each input and output in JSON or behind it."""
    for first in WAYS:
        for second in WAYS:
            for given in (labels, targets):
                inputs = [scores(form, binary_data=first), given(form, binary_data=second)]
                check(f"{about}: {given.__name__} in, binary {first}, {second}", client.infer(MODEL, inputs).as_numpy("grad"), GRAD)
            wanted = [form.InferRequestedOutput(name, binary_data=way) for name, way in (("loss", first), ("grad", second))]
            reply = client.infer(MODEL, [scores(form), labels(form)], outputs=wanted)
            check(f"{about}: loss out, binary {first}", reply.as_numpy("loss"), LOSS)
            check(f"{about}: gradient out, binary {second}", reply.as_numpy("grad"), GRAD)
            holds(f"{about}: the numbers stand where they were asked for", ("data" in reply.get_output("grad")) is not second)


def every_precision(form: Any, client: Any, about: str) -> None:
    """In JSON or behind it, and the reply in JSON; bfloat16 the client sends in binary alone."""
    wanted = [form.InferRequestedOutput(name, binary_data=False) for name in ("loss", "grad")]
    for datatype, tolerance in TOLERANCE.items():
        loss, grad = mean(SCORES.astype(PRECISION[datatype]))
        for way in WAYS if datatype != "BF16" else (True,):
            reply = client.infer(MODEL, [scores(form, datatype, binary_data=way), labels(form)], outputs=wanted)
            check(f"{about}: {datatype}, binary {way}: loss", reply.as_numpy("loss"), loss, tolerance)
            check(f"{about}: {datatype}, binary {way}: gradient", reply.as_numpy("grad"), grad, tolerance)
            holds(f"{about}: in {datatype} too", output(reply, "grad")["datatype"] == datatype)


def large_in_json(form: Any, client: Any, about: str) -> None:
    """A million numbers each way, as text, compressed."""
    inputs = [sent(form, "scores", LARGE, "FP32", binary_data=False), sent(form, "labels", LARGE_LABELS, "INT64", binary_data=False)]
    wanted = [form.InferRequestedOutput("grad", binary_data=False)]
    packing = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"}
    grad = client.infer(MODEL, inputs, outputs=wanted, **packing).as_numpy("grad")
    check(f"{about}: 1024 x 1000 in JSON", grad * 1024, large()[1] * 1024, 1e-6)


def every_compression(form: Any, client: Any, about: str) -> None:
    """Each way and both; the reply says that it is compressed."""
    plain = [form.InferRequestedOutput(name, binary_data=False) for name in ("loss", "grad")]
    for there in (None, "gzip", "deflate"):
        for back in (None, "gzip", "deflate"):
            for outputs in (None, plain):
                with contextlib.redirect_stdout(io.StringIO()) as headers:
                    reply = client.infer(
                        MODEL,
                        [scores(form), labels(form)],
                        outputs=outputs,
                        request_compression_algorithm=there,
                        response_compression_algorithm=back,
                    )
                name = f"{about}: {there} there, {back} back, {'JSON' if outputs else 'binary'}"
                check(f"{name}: loss", reply.as_numpy("loss"), LOSS)
                check(f"{name}: gradient", reply.as_numpy("grad"), GRAD)
                said = headers.getvalue().lower().partition("response status=" if "aio" not in about else "clientresponse(")[2]
                wanted = back or ("gzip" if "aio" in about else "")  # aiohttp asks for gzip on its own
                holds(f"{name}: said so", "".join(re.findall(r"'content-encoding': '(\w+)'", said)) == wanted)


def many_at_once() -> None:
    """async_infer of the client that waits by itself, on threads of its own."""
    form = tritonclient.http
    client = form.InferenceServerClient(HTTP, concurrency=4)
    given = [labels(form) for _ in range(9)]
    given[4].set_data_from_numpy(PADDED + 7)
    for i, each in enumerate([client.async_infer(MODEL, [scores(form), each]) for each in given]):
        try:
            check(f"http: async_infer no. {i}", each.get_result().as_numpy("grad"), GRAD)
        except InferenceServerException as error:
            holds("http: async_infer no. 4 is refused", i == 4 and "out of range" in str(error))
    client.close()


async def many_gathered() -> None:
    """Eight at once on one event loop."""
    form = tritonclient.http.aio
    async with form.InferenceServerClient(HTTP) as client:
        for reply in await asyncio.gather(*(client.infer(MODEL, [scores(form), labels(form)]) for _ in range(8))):
            check("http.aio: gathered", reply.as_numpy("grad"), GRAD)


for form, client, about in clients(*OVER_HTTP):
    every_mixture(form, client, about)
    every_precision(form, client, about)
for form, client, about in clients(*OVER_HTTP, verbose=True):
    every_compression(form, client, about)
for form, client, about in clients(tritonclient.http):  # alone, for the client takes seconds to write so many numbers
    large_in_json(form, client, about)
many_at_once()
asyncio.run(many_gathered())
all_well()
