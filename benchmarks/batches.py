"""One batch: scores, about five labels a row, its loss and gradient in float64 by the definition, and requests for it in every form."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import safetensors.numpy

from service.protos import open_inference_pb2 as pb

Array = np.ndarray[Any, Any]
MODEL = "softmax_cross_entropy.grad"
INFER = f"/v2/models/{MODEL}/infer"
JSON, SAFETENSORS, ARROW = "application/json", "application/vnd.safetensors", "application/vnd.apache.arrow.stream"
LENGTH = "Inference-Header-Content-Length"
MOST_LABELS = 7


@dataclass(eq=False)
class Batch:
    """scores [N, C]; labels [N, 7] padded with -1; what each row has of them, [N]; expected gradient [N, C] of the mean, in float64."""

    scores: Array
    padded: Array
    counts: Array

    @property
    def indices(self) -> Array:
        """All labels in a row."""
        return self.padded[self.padded >= 0]

    @property
    def offsets(self) -> Array:
        """Where those of each row begin, and where they end."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @property
    def lists(self) -> list[list[int]]:
        """Labels as lists."""
        return [row[row >= 0].tolist() for row in self.padded]

    @functools.cached_property
    def expected(self) -> Array:
        """The gradient, by the definition: (softmax - 1 / labels of the row) / rows."""
        shifted = np.exp(self.scores.astype(np.float64) - self.scores.max(1, keepdims=True))
        grad = shifted / shifted.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(grad)), self.counts)
        grad[rows, self.indices] -= 1 / self.counts[rows]
        return np.asarray(grad / len(grad))

    def check(self, grad: Array) -> None:
        """Raise AssertionError unless each element of a gradient is right to float32."""
        rows = len(self.scores)
        wrong = np.abs(grad.reshape(self.scores.shape) - self.expected) > 1e-8 / rows + 2e-5 * np.abs(self.expected)
        assert not wrong.any(), f"{wrong.sum()} elements of the gradient are wrong, the first at {np.argwhere(wrong)[0]}"


@functools.lru_cache(2)
def batch(rows: int, classes: int) -> Batch:
    """A batch with 3 to 7 labels a row."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((rows, classes), np.float32)
    counts = rng.integers(3, MOST_LABELS + 1, rows)
    step = classes // MOST_LABELS  # labels of a row differ
    padded = np.sort(rng.integers(0, step, (rows, MOST_LABELS)) + step * np.arange(MOST_LABELS), axis=1)
    padded[np.arange(MOST_LABELS) >= counts[:, None]] = -1
    return Batch(scores, padded, counts)


@dataclass(frozen=True)
class Form:
    """A wire format: where its requests go, with which headers, the body of one, and the gradient of a reply's headers and body."""

    name: str
    path: str
    headers: Mapping[str, str]
    body: Callable[[Batch], bytes]
    grad: Callable[[Mapping[str, str], bytes], Array]


def json_body(given: Batch) -> bytes:
    """Numbers as text, the shortest that reads back as the same float32."""
    return orjson.dumps({"scores": given.scores, "labels": given.lists}, option=orjson.OPT_SERIALIZE_NUMPY)


def safetensors_body(given: Batch) -> bytes:
    """As a client in Python would write it."""
    return safetensors.numpy.save({"scores": given.scores, "labels": given.indices, "label_offsets": given.offsets})


def arrow_body(given: Batch) -> bytes:
    """A row a sample."""
    scores = pa.FixedSizeListArray.from_arrays(pa.array(given.scores.reshape(-1)), given.scores.shape[1])
    labels = pa.ListArray.from_arrays(pa.array(given.offsets, pa.int32()), pa.array(given.indices))
    return arrow_stream(pa.record_batch({"scores": scores, "labels": labels}))


def arrow_stream(found: Any) -> bytes:
    """A stream of one record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_batch(found)
    return bytes(sink.getvalue().to_pybytes())


def arrow_grad(_: Mapping[str, str], body: bytes) -> Array:
    """The column grad."""
    return np.asarray(pa.ipc.open_stream(body).read_all().combine_chunks()["grad"].chunk(0).flatten())


def tensors(given: Batch) -> list[tuple[dict[str, Any], Array]]:
    """What V2 calls inputs."""
    named = (("scores", "FP32", given.scores), ("labels", "INT64", given.padded))
    return [({"name": name, "datatype": word, "shape": list(array.shape)}, array) for name, word, array in named]


def v2_json_body(given: Batch) -> bytes:
    """Numbers as text, flat."""
    inputs = [about | {"data": array.reshape(-1)} for about, array in tensors(given)]
    return orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)


def v2_json_grad(_: Mapping[str, str], body: bytes) -> Array:
    """The output grad."""
    return np.asarray(next(each["data"] for each in orjson.loads(body)["outputs"] if each["name"] == "grad"))


def v2_binary_head(given: Batch) -> bytes:
    """The JSON before the tensors."""
    inputs = [about | {"parameters": {"binary_data_size": array.nbytes}} for about, array in tensors(given)]
    return json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()


def v2_binary_body(given: Batch) -> bytes:
    """JSON, and tensors behind it."""
    return b"".join([v2_binary_head(given), *(array.tobytes() for _, array in tensors(given))])


def v2_binary_grad(headers: Mapping[str, str], body: bytes) -> Array:
    """The gradient lies behind the loss."""
    return np.frombuffer(body, np.float32, offset=int(headers[LENGTH.lower()]) + 4)


def grpc_message(given: Batch) -> bytes:
    """A message with raw contents."""
    message = pb.ModelInferRequest(model_name=MODEL)
    for about, array in tensors(given):
        message.inputs.add(**about)
        message.raw_input_contents.append(array.tobytes())
    return bytes(message.SerializeToString())


def grpc_grad(_: Mapping[str, str], body: bytes) -> Array:
    """The second of the raw contents."""
    return np.frombuffer(pb.ModelInferResponse.FromString(body).raw_output_contents[1], np.float32)


FORMS = {
    form.name: form
    for form in (
        Form("JSON", "/grad", {"Content-Type": JSON}, json_body, lambda _, body: np.asarray(orjson.loads(body)["grad"])),
        Form("safetensors", "/grad", {"Content-Type": SAFETENSORS}, safetensors_body, lambda _, body: safetensors.numpy.load(body)["grad"]),
        Form("Arrow", "/grad", {"Content-Type": ARROW}, arrow_body, arrow_grad),
        Form("V2 JSON", INFER, {}, v2_json_body, v2_json_grad),
        Form("V2 binary", INFER, {}, v2_binary_body, v2_binary_grad),
        Form("gRPC", "", {}, grpc_message, grpc_grad),
    )
}
BINARY = ("safetensors", "Arrow", "V2 binary", "gRPC")


def headers(form: Form, given: Batch) -> dict[str, str]:
    """The headers of a request; V2 binary's say where its JSON ends."""
    return dict(form.headers) | ({LENGTH: str(len(v2_binary_head(given)))} if form.name == "V2 binary" else {})


def http(path: str, head: Mapping[str, str], body: bytes) -> bytes:
    """A whole request."""
    fields = {"Host": "localhost", "Accept-Encoding": "identity", "Content-Length": str(len(body)), **head}
    return "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items()), "", ""]).encode() + body
