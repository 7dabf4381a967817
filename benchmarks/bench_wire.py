"""What a wire format costs: `python -m benchmarks.bench_wire` reads requests and writes replies in each, beside its own library.

`read` makes arrays of bytes; `decode` is read, and the job with everything checked that a request can have wrong; `encode` makes the
pieces of a reply. The floor is the least that the format's own library does: it checks nothing, and knows of no loss.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import safetensors.numpy
import simdjson

from benchmarks.batches import FORMS, LENGTH, MODEL, Batch, arrow_stream, batch, headers
from benchmarks.report import Row, begin, finish, mb_s, parser, quantiles, shapes, table, timed
from models.contract import Result
from service.codec import Order
from service.codecs import open_inference_binary as v2
from service.codecs import open_inference_grpc as grpc
from service.negotiation import CODECS
from service.open_inference import Inference, find_model
from service.protos import open_inference_pb2 as pb
from service.settings import MOST_ELEMENTS
from service.shared_memory import Regions

Act = Callable[[], Any]
MODEL_ASKED, NO_REGIONS = find_model(MODEL), Regions(None)
COLUMNS = {
    "form": "format", "shape": "N×C", "what": "what", "floor": "floor", "bytes": "bytes", "p50_ms": "p50 ms", "p99_ms": "p99 ms",
    "mb_s": "MB/s", "floor_ms": "floor p50 ms", "times": "× floor",
}  # fmt: skip


class Case(NamedTuple):
    """Ours and the library's, for one direction of a format."""

    what: str
    ours: Act
    floor: str
    library: Act


def v2_inference(form: str, body: bytes, length: int | None) -> Inference:
    """A request under /v2 as the service reads it."""
    if form == "gRPC":
        return grpc.decode(grpc.parsed(pb.ModelInferRequest, body), MODEL_ASKED, NO_REGIONS, MOST_ELEMENTS)
    return v2.decode(v2.parsed(bytearray(v2.lead(length)) + body, length, MOST_ELEMENTS), MODEL_ASKED, NO_REGIONS, MOST_ELEMENTS)


def ours(form: str, given: Batch, body: bytes) -> tuple[Act, Act, Callable[[Result], Any], Order]:
    """Our read, decode and encode, and what decode gives."""
    head = headers(FORMS[form], given)
    if form in ("gRPC", "V2 JSON", "V2 binary"):
        length = v2.header_length(head.get(LENGTH))
        behind = bytearray(v2.lead(length)) + body
        inference = v2_inference(form, body, length)
        if form == "gRPC":
            message = pb.ModelInferRequest.FromString(body)
            return (
                lambda: grpc.read(grpc.parsed(pb.ModelInferRequest, body), MODEL_ASKED, NO_REGIONS, MOST_ELEMENTS),
                lambda: v2_inference(form, body, None),
                lambda result: [grpc.encode(inference, message, NO_REGIONS, result)],
                inference.order,
            )
        return (
            lambda: v2.read(v2.parsed(behind, length, MOST_ELEMENTS), MODEL_ASKED, NO_REGIONS, MOST_ELEMENTS),
            lambda: v2.decode(v2.parsed(behind, length, MOST_ELEMENTS), MODEL_ASKED, NO_REGIONS, MOST_ELEMENTS),
            lambda result: v2.encode(inference, NO_REGIONS, result).parts,
            inference.order,
        )
    codec, data = CODECS[head["Content-Type"]], bytearray(body)
    order = codec.decode(data, head, True, MOST_ELEMENTS)
    return (
        lambda: codec.read(data, head, MOST_ELEMENTS),
        lambda: codec.decode(data, head, True, MOST_ELEMENTS),
        lambda result: codec.encode(order, result).parts,
        order,
    )


def simdjson_numbers(body: bytes, find: Callable[[Any], Any], reused: simdjson.Parser) -> Any:
    """The scores alone, by pysimdjson."""
    return np.frombuffer(find(reused.parse(body)).as_buffer(of_type="d"), np.float64).astype(np.float32)


def raw_message(grad: Any, loss: Any) -> bytes:
    """A reply of gRPC."""
    message = pb.ModelInferResponse(model_name=MODEL, raw_output_contents=[loss.tobytes(), grad.tobytes()])
    return bytes(message.SerializeToString())


def floors(form: str, body: bytes, result: Result, where: int) -> tuple[str, Act, str, Act]:
    """The library's read and write, and their names; the scores of a binary form begin at byte `where`."""
    loss, grad, reused = result.loss, np.asarray(result.grad), simdjson.Parser()
    if form in ("JSON", "V2 JSON"):
        find = (lambda read: read["scores"]) if form == "JSON" else (lambda read: read["inputs"][0]["data"])
        written = {"loss": float(loss), "grad": grad}
        dumps = functools.partial(orjson.dumps, written, option=orjson.OPT_SERIALIZE_NUMPY)
        return "pysimdjson as_buffer", lambda: simdjson_numbers(body, find, reused), "orjson of float32", dumps
    if form == "safetensors":
        save = functools.partial(safetensors.numpy.save, {"loss": loss, "grad": grad})
        return "safetensors load", lambda: safetensors.numpy.load(body), "safetensors save", save
    if form == "Arrow":
        losses = np.full(len(grad), loss)

        def write() -> bytes:
            column = pa.FixedSizeListArray.from_arrays(pa.array(grad.reshape(-1)), grad.shape[1])
            return arrow_stream(pa.record_batch({"loss": losses, "grad": column}))

        return "pyarrow read_all", lambda: pa.ipc.open_stream(body).read_all(), "pyarrow new_stream", write
    if form == "gRPC":
        read = functools.partial(pb.ModelInferRequest.FromString, body)
        return "protobuf FromString", read, "protobuf Serialize", lambda: raw_message(grad, loss)
    frombuffer = functools.partial(np.frombuffer, body, np.float32, grad.size, where)
    return "np.frombuffer", frombuffer, "bytes.join", lambda: b"".join([loss.tobytes(), grad.data.cast("B")])


def cases(form: str, given: Batch, body: bytes) -> list[Case]:
    """Every direction of a format, once its answers are right."""
    read, decode, encode, order = ours(form, given, body)
    assert (order.job.scores == given.scores).all(), form
    assert order.job.labels is not None
    assert (order.job.labels.indices == given.indices).all(), form
    result = Result(loss=np.array(0.5, np.float32), grad=given.expected.astype(np.float32))
    reply = b"".join(encode(result))
    said = {LENGTH.lower(): str(len(reply) - given.scores.nbytes - 4)} if form == "V2 binary" else {}
    found = FORMS[form].grad(said, reply).astype(np.float32).reshape(given.scores.shape)
    assert (found == np.asarray(result.grad)).all(), form
    where = len(body) - given.scores.nbytes - given.padded.nbytes if form == "V2 binary" else 0
    reading, load, writing, save = floors(form, body, result, where)
    return [
        Case("read", read, reading, load),
        Case("decode", decode, reading, load),
        Case("encode", lambda: encode(result), writing, save),
    ]


def measured(form: str, given: Batch, seconds: float) -> list[Row]:
    """A row a direction."""
    body = FORMS[form].body(given)
    rows = []
    for case in cases(form, given, body):
        taken, least = timed([case.ours, case.library], seconds)
        nbytes = sum(map(len, case.ours())) if case.what == "encode" else len(body)
        found, floor = quantiles(taken), quantiles(least)["p50_ms"]
        shape = "×".join(map(str, given.scores.shape))
        about = {"form": form, "shape": shape, "what": case.what, "floor": case.floor, "bytes": nbytes}
        rows.append(about | found | {"mb_s": mb_s(nbytes, found["p50_ms"]), "floor_ms": floor, "times": found["p50_ms"] / floor})
    return rows


def main() -> None:
    """Every format at every shape."""
    options = parser(__doc__)
    options.add_argument("--shapes", type=shapes, default="32x1000,256x1000")
    options.add_argument("--seconds", type=float, default=1.0, help="for each direction of each")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.shapes, chosen.seconds = [(4, 16)], 0.01
    about = begin("Wire formats: read, decode and encode, in process")
    rows = [row for shape in chosen.shapes for form in FORMS for row in measured(form, batch(*shape), chosen.seconds)]
    table(rows, COLUMNS)
    finish("wire", about, rows, chosen.out)


if __name__ == "__main__":
    main()
