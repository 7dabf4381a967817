"""What is fuzzed: one function a decoder. Whatever the bytes are, it is answered: by a reply, or by an error of the service's own.

A few of the first bytes say what no body does: whether the gradient is wanted, which model is asked, how long a header is.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from models.contract import Job, Result
from service import compression
from service.codec import Codec, Order
from service.codecs import open_inference_binary, open_inference_grpc, plain_json, safetensors
from service.errors import MalformedRequest
from service.negotiation import CODECS
from service.open_inference import Inference, Model, find_model, models
from service.open_inference_tensors import DATATYPES
from service.protos import open_inference_pb2 as pb
from service.shared_memory import Regions
from tests.fuzz import headers, nearly_valid
from tests.fuzz.judge import answered

MOST_ELEMENTS = 512
MOST_UNPACKED_BYTES = 1 << 16
WHOLE = 0xFFFF  # instead of a number of bytes behind the header: what follows is the body as it is
REGIONS = Regions(None)


def result_of(job: Job) -> Result:
    """A result of the right shape, which nobody computed."""
    loss = np.full(job.loss_shape if job.reduction == "none" else (), 0.5, job.dtype)
    return Result(loss=loss, grad=np.full(job.shape, -0.25, job.dtype) if job.wants_grad else None)


def decoded(codec: Codec, body: bytes, wants_grad: bool) -> Order:
    """The order that a body gives; a reply to it can be written in every form."""
    order = codec.decode(bytearray(body), {}, wants_grad, MOST_ELEMENTS)
    for each in CODECS.values():
        each.encode(order, result_of(order.job), "gzip" if wants_grad else "identity")
    return order


def json_body(data: bytes) -> None:
    """application/json: what is taken is JSON to Python too, with the same scores."""

    def check() -> None:
        order = decoded(plain_json.CODEC, data[1:], wants_grad(data))
        fields = json.loads(data[1:].decode("utf-8-sig"))
        assert np.array_equal(order.job.scores, np.array(fields["scores"], np.float64).astype(order.job.dtype))

    answered(check)


def safetensors_body(data: bytes) -> None:
    """application/vnd.safetensors: its header as long as bytes 1 and 2 leave it, or as it says itself."""
    behind, body = int.from_bytes(data[1:3], "little"), data[3:]
    length = b"" if behind == WHOLE else max(0, len(body) - behind).to_bytes(8, "little")
    answered(lambda: decoded(safetensors.CODEC, length + body, wants_grad(data)))


def safetensors_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    body = nearly_valid.safetensors(data[1:])
    answered(lambda: decoded(safetensors.CODEC, body, wants_grad(data)))


def arrow_body(data: bytes) -> None:
    """application/vnd.apache.arrow.stream, where this installation has it."""
    answered(lambda: decoded(CODECS["application/vnd.apache.arrow.stream"], data[1:], wants_grad(data)))


def wants_grad(data: bytes) -> bool:
    """From the first byte."""
    return data[:1] < b"h"


def model_of(data: bytes) -> Model:
    """From the first byte."""
    return list(models().values())[(data or b"\0")[0] % len(models())]


def v2_body(model: Model, body: bytes, length: int | None) -> Inference:
    """The Open Inference Protocol over HTTP; a reply to it can be written."""
    whole = bytearray(open_inference_binary.lead(length)) + body
    inference = open_inference_binary.decode(whole, length, model, REGIONS, MOST_ELEMENTS)
    reply = open_inference_binary.encode(inference, REGIONS, result_of(inference.order.job))
    text = b"".join(reply.parts)
    json.loads(text[: int(reply.headers.get(open_inference_binary.LENGTH, len(text)))])
    return inference


def v2_json(data: bytes) -> None:
    """The Open Inference Protocol's JSON: what is taken is JSON to Python too, with the same scores."""

    def check() -> None:
        job = v2_body(model_of(data), data[1:], None).order.job
        inputs = json.loads(data[1:].decode("utf-8-sig"))["inputs"]
        given = next(each for each in inputs if each["name"] == "scores")
        scores = np.array(given["data"], np.float64).reshape(given["shape"]).astype(DATATYPES[given["datatype"]])
        assert np.array_equal(job.scores, scores.astype(job.dtype))

    answered(check)


def v2_binary(data: bytes) -> None:
    """Tensors behind the JSON, which is as long as bytes 1 and 2 leave it; where they leave nothing, it is longer than the body."""
    behind, body = int.from_bytes(data[1:3], "little"), data[3:]
    length = None if behind == WHOLE else behind if behind > len(body) else len(body) - behind
    answered(lambda: v2_body(model_of(data), body, length))


def v2_binary_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    body, length = nearly_valid.v2_binary(data[1:])
    answered(lambda: v2_body(model_of(data), body, length))


def v2_grpc(data: bytes) -> None:
    """The Open Inference Protocol over gRPC."""

    def check() -> None:
        message = open_inference_grpc.parsed(pb.ModelInferRequest, data)
        inference = open_inference_grpc.decode(message, find_model(message.model_name, message.model_version), REGIONS, MOST_ELEMENTS)
        result = result_of(inference.order.job)
        pb.ModelInferResponse.FromString(open_inference_grpc.encode(inference, message, REGIONS, result))
        open_inference_grpc.encode_streamed(inference, message, REGIONS, result)

    answered(check)


def v2_grpc_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    v2_grpc(nearly_valid.v2_grpc(data))


def compressed_body(data: bytes) -> None:
    """A compressed body: as it is, and what our own packing makes of it, whole and cut short."""
    coding = ("gzip", "deflate", "x-gzip")[(data or b"\0")[0] % 3]

    def unpacked(body: bytes) -> Any:
        found = compression.unpacked(bytearray(body), coding, MOST_UNPACKED_BYTES)
        assert len(found) <= MOST_UNPACKED_BYTES
        return found

    packed = b"".join(compression.packed([data], coding.removeprefix("x-")))
    assert unpacked(packed) == data
    answered(lambda: unpacked(data[1:]))
    answered(lambda: unpacked(packed + data[2:]))
    try:
        unpacked(packed[:-1])
    except MalformedRequest:
        return
    raise AssertionError("a body that was cut short is taken for whole")


def request_headers(data: bytes) -> None:
    """Headers, a line each, and the names in a URL."""
    for call in headers.calls(data):
        answered(call)


EVERY = (
    *(json_body, safetensors_body, safetensors_nearly_valid, v2_json, v2_binary, v2_binary_nearly_valid),
    *(v2_grpc, v2_grpc_nearly_valid, compressed_body, request_headers),
)
TARGETS: dict[str, Callable[[bytes], None]] = {each.__name__: each for each in EVERY}
