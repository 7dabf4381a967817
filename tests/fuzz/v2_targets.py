"""The Open Inference Protocol, over HTTP and over gRPC."""

import json

import numpy as np

from models.errors import JobError
from service.codecs import open_inference_binary as binary
from service.codecs import open_inference_grpc as grpc
from service.errors import RequestError
from service.open_inference import Inference, Model, find_model, models
from service.open_inference_tensors import DATATYPES
from service.protos import open_inference_pb2 as pb
from service.shared_memory import Regions
from tests.fuzz import nearly_valid
from tests.fuzz.judge import MOST_ELEMENTS, answered, naming, result_of

WHOLE = 0xFFFF  # instead of a number of bytes behind the header: what follows is the body as it is
REGIONS = Regions(None)


def model_of(data: bytes) -> Model:
    """From the first byte."""
    return list(models().values())[(data or b"\0")[0] % len(models())]


def inferred(model: Model, body: bytes, length: int | None) -> Inference:
    """What a body asks for; a reply to it can be written."""
    whole = bytearray(binary.lead(length)) + body
    inference = binary.decode(binary.parsed(whole, length, MOST_ELEMENTS), model, REGIONS, MOST_ELEMENTS)
    reply = binary.encode(inference, REGIONS, result_of(inference.order.job))
    text = b"".join(reply.parts)
    json.loads(text[: int(reply.headers.get(binary.LENGTH, len(text)))])
    return inference


def v2_json(data: bytes) -> None:
    """JSON alone: what is taken is JSON to Python too, with the same scores."""

    def check() -> None:
        job = inferred(model_of(data), data[1:], None).order.job
        inputs = json.loads(data[1:].decode("utf-8-sig"))["inputs"]
        given = next(each for each in inputs if each["name"] == "scores")
        scores = np.array(given["data"], np.float64).reshape(given["shape"]).astype(DATATYPES[given["datatype"]])
        assert np.array_equal(job.scores, scores.astype(job.dtype))

    answered(check)


def v2_binary(data: bytes) -> None:
    """Tensors behind the JSON, which is as long as bytes 1 and 2 leave it; where they leave nothing, it is longer than the body."""
    behind, body = int.from_bytes(data[1:3], "little"), data[3:]
    length = None if behind == WHOLE else behind if behind > len(body) else len(body) - behind
    answered(lambda: inferred(model_of(data), body, length))


def v2_binary_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    body, length = nearly_valid.v2_binary(data[1:])
    with naming(body):
        answered(lambda: inferred(model_of(data), body, length))


def v2_grpc(data: bytes) -> None:
    """A ModelInferRequest."""
    answered(lambda: called(data))


def called(data: bytes) -> None:
    """What a message asks for is replied to; an error can be sent in a stream, where it must be UTF-8."""
    try:
        message = grpc.parsed(pb.ModelInferRequest, data)
        inference = grpc.decode(message, find_model(message.model_name, message.model_version), REGIONS, MOST_ELEMENTS)
        result = result_of(inference.order.job)
        pb.ModelInferResponse.FromString(grpc.encode(inference, message, REGIONS, result))
        grpc.encode_streamed(inference, message, REGIONS, result)
    except (JobError, RequestError) as error:
        pb.ModelStreamInferResponse(error_message=str(error)).SerializeToString()
        raise


def v2_grpc_nearly_valid(data: bytes) -> None:
    """The same with tensors that fit together, nearly."""
    message = nearly_valid.v2_grpc(data)
    with naming(message):
        v2_grpc(message)
