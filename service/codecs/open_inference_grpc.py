"""The Open Inference Protocol's messages over gRPC: tensors as raw contents, as protobuf's own numbers, or in shared memory."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message

from models.checks import Array
from models.contract import HALF, Result
from models.errors import InvalidParameters, Problem, escaped
from service.codec import guarded
from service.errors import MalformedRequest, TensorTooLarge
from service.open_inference import VERSION, Asked, Inference, Model, inference
from service.open_inference_tensors import (
    DATATYPE_OF,
    MOST_INPUTS,
    MOST_OUTPUTS,
    Wanted,
    datatype,
    described,
    in_shared_memory,
    place,
    put,
    shared_bytes,
    wanted,
)
from service.protobuf_fields import refuse_crumbs
from service.protos import open_inference_pb2 as pb
from service.shared_memory import Regions
from service.tensors import size, viewed

M = TypeVar("M", bound=Message)
FORM = "a gRPC message of this method"
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def parsed(kind: type[M], data: bytes) -> M:
    """Bytes -> message; raises MalformedRequest."""
    refuse_crumbs(data)
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise MalformedRequest(f"the {len(data)} bytes are no {kind.DESCRIPTOR.name}: {error}") from None


def decode(message: pb.ModelInferRequest, model: Model, regions: Regions, most_elements: int) -> Inference:
    """A message -> what is asked for; raises like `Codec.decode`."""
    return inference(model, guarded(FORM, read, message, model, regions, most_elements))


def shared_bytes_of(message: pb.ModelInferRequest, regions: Regions) -> int:
    """How many bytes of shared memory it names."""
    named = ({name: each.int64_param for name, each in given.parameters.items()} for given in message.inputs)
    return shared_bytes(named, regions)


def is_raw(message: pb.ModelInferRequest) -> bool:
    """Whether no tensor is of numbers that protobuf wrote."""
    return not any(each.HasField("contents") for each in message.inputs)


def read(message: pb.ModelInferRequest, model: Model, regions: Regions, most_elements: int) -> Asked:
    """The same before its meaning is looked at; raw contents as views of the message's bytes."""
    for name, given, most in (("inputs", message.inputs, MOST_INPUTS), ("outputs", message.outputs, MOST_OUTPUTS)):
        if len(given) > most:
            raise MalformedRequest(f"/{name}: found {len(given)}; there can be {most} at most")
    raw = iter(message.raw_input_contents)
    tensors = [(each.name, tensor(each, raw, bool(message.raw_input_contents), regions, most_elements)) for each in message.inputs]
    left = sum(1 for _ in raw)
    if left:
        raise MalformedRequest(f"raw_input_contents: {left} more than there are inputs that are not in shared memory")
    outputs = [
        wanted(f"/outputs/{i}", each.name, parameters(f"/outputs/{i}", each.parameters), binary=False)
        for i, each in enumerate(message.outputs)
    ]
    everything = [Wanted(name) for name in model.outputs]
    return Asked(message.id, tensors, parameters("/parameters", message.parameters), outputs or everything)


def parameters(where: str, given: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    """Parameters as Python values."""
    return {name: value(f"{where}/{escaped(name)}", each) for name, each in given.items()}


def value(where: str, given: pb.InferParameter) -> Any:
    """The one value that a parameter has."""
    choice = given.WhichOneof("parameter_choice")
    if choice is None:
        raise InvalidParameters(Problem(where, "has no value"))
    return getattr(given, choice)


def tensor(given: pb.ModelInferRequest.InferInputTensor, raw: Iterator[bytes], is_raw: bool, regions: Regions, most: int) -> Array:
    """The numbers of an input."""
    name, shape, dtype = escaped(given.name), list(given.shape), datatype(given.name, given.datatype)
    shared = place(f"/{name}", parameters(f"/{name}", given.parameters))
    if shared is not None:
        return in_shared_memory(name, dtype, shape, shared, regions, most)
    if not is_raw:
        return typed(name, given.contents, dtype, shape, most)
    if given.HasField("contents"):
        raise MalformedRequest(f"/{name}: has contents, and the message has raw_input_contents too")
    data = next(raw, None)
    if data is None:
        raise MalformedRequest(f"/{name}: raw_input_contents ends before it")
    return viewed(data, dtype, shape, name, most)


def typed(name: str, contents: pb.InferTensorContents, dtype: np.dtype[Any], shape: list[int], most: int) -> Array:
    """Numbers that protobuf wrote."""
    word = DATATYPE_OF[dtype]
    if word not in CONTENTS:
        raise MalformedRequest(f"/{name}: {word} is sent in raw_input_contents alone")
    count = size(shape, name)
    found = {field.name: len(numbers) for field, numbers in contents.ListFields()}
    if found != ({CONTENTS[word]: count} if count else {}):
        raise MalformedRequest(f"/{name}: {word} {shape} takes {count} numbers in {CONTENTS[word]}, found {found or 'none'}")
    if count > most:
        raise TensorTooLarge(name, most)
    numbers = np.array(getattr(contents, CONTENTS[word]), np.int64 if dtype.kind == "i" else np.uint64 if dtype.kind == "u" else None)
    if dtype.kind in "iu" and count and not (np.iinfo(dtype).min <= numbers.min() and numbers.max() <= np.iinfo(dtype).max):
        raise MalformedRequest(f"/{name}: not every number fits {word}")
    return numbers.astype(np.uint8 if dtype.kind == "b" else dtype).reshape(shape)


def encode(request: Inference, message: pb.ModelInferRequest, regions: Regions, result: Result) -> bytes:
    """The reply, in the form that the request's tensors had."""
    return reply(request, message, regions, result).SerializeToString()


def encode_streamed(request: Inference, message: pb.ModelInferRequest, regions: Regions, result: Result) -> bytes:
    """The same as one reply of a stream."""
    return pb.ModelStreamInferResponse(infer_response=reply(request, message, regions, result)).SerializeToString()


def reply(request: Inference, message: pb.ModelInferRequest, regions: Regions, result: Result) -> pb.ModelInferResponse:
    """The reply as a message."""
    outputs = request.reply(result)
    put(outputs, regions)
    as_bytes = is_raw(message) or any(array.dtype in HALF for _, array in outputs)
    answer = pb.ModelInferResponse(model_name=request.model.name, model_version=VERSION, id=request.id)
    for each, array in outputs:
        about = described(each, array)
        output = answer.outputs.add(name=each.name, datatype=about["datatype"], shape=about["shape"])
        if each.place is not None:
            for name, word in about["parameters"].items():
                output.parameters[name].MergeFrom(parameter(word))
        if as_bytes:
            answer.raw_output_contents.append(b"" if each.place is not None else array.tobytes())
        elif each.place is None:
            getattr(output.contents, CONTENTS[about["datatype"]]).extend(array.reshape(-1).tolist())
    return answer


def parameter(given: str | int) -> pb.InferParameter:
    """A Python value as a parameter."""
    return pb.InferParameter(string_param=given) if isinstance(given, str) else pb.InferParameter(int64_param=given)
