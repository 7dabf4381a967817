"""The Open Inference Protocol with tensors behind its JSON (the binary tensor data extension), or in shared memory."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from models.checks import Array
from models.contract import Result
from models.errors import escaped, shortened
from service.codec import BINARY_BYTES, TEXT_BYTES, Body, Bytes, Part, guarded, text_of
from service.codecs import open_inference_json
from service.errors import MalformedRequest
from service.open_inference import Asked, Inference, Model, inference
from service.open_inference_schema import InferInput, InferOutput, InferRequest
from service.open_inference_tensors import datatype, described, flag, in_shared_memory, place, put, wanted
from service.shared_memory import Regions
from service.tensors import raw, viewed

LENGTH = "Inference-Header-Content-Length"
BINARY, JSON = "application/octet-stream", "application/json"
SIZE = "binary_data_size"
ALIGNMENT = 8


def header_length(text: str | None) -> int | None:
    """How long the JSON is before the tensors, from the header of the request; None: all of the body is JSON."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise MalformedRequest(f"{LENGTH}: found {shortened(text)}; expected the number of bytes that the JSON takes")
    return int(text)


def lead(length: int | None) -> int:
    """How many bytes to put before a body so that the tensors in it begin where numbers of any type may."""
    return 0 if length is None else -length % ALIGNMENT


class Parsed(NamedTuple):
    """A body apart: its JSON, the numbers that stood there, and what lies behind it."""

    message: InferRequest
    arrays: list[Array | None]
    behind: memoryview
    length: int | None

    @property
    def nbytes(self) -> int:
        """Of all the numbers."""
        return len(self.behind) + sum(each.nbytes for each in self.arrays if each is not None)


def parsed(body: Bytes, length: int | None, most_elements: int) -> Parsed:
    """The body, behind its lead -> its parts; raises MalformedRequest, or InvalidJob."""
    before = lead(length)
    if length is not None and length > len(body) - before:
        raise MalformedRequest(f"{LENGTH}: the JSON cannot take {length} bytes of a body of {len(body) - before}")
    text = text_of(body if length is None else body[before : before + length])
    with hinted(length is None and SIZE.encode() in text):
        message, arrays = guarded(form(length), open_inference_json.read, text, most_elements)
    return Parsed(message, arrays, memoryview(body)[len(body) if length is None else before + length :], length)


def quickly_parsed(body: Bytes, length: int | None) -> bool:
    """Whether `parsed` takes less than handing the body to another thread."""
    return (len(body) if length is None else length) <= TEXT_BYTES


def quickly_encoded(request: Inference, result: Result) -> bool:
    """Whether `encode` does."""
    is_text = any(each.place is None and not each.binary for each in request.outputs)
    return result.nbytes <= (TEXT_BYTES if is_text else BINARY_BYTES)


def form(length: int | None) -> str:
    """What a body is called in an error."""
    return JSON if length is None else f"{length} bytes of JSON, and tensors"


@contextlib.contextmanager
def hinted(is_likely: bool) -> Iterator[None]:
    """Say which header is likely to be missing, where something is wrong."""
    try:
        yield
    except MalformedRequest as error:
        hint = f"; tensors behind the JSON need the header {LENGTH}" if is_likely else ""
        raise MalformedRequest(f"{error}{hint}") from None


def decode(given: Parsed, model: Model, regions: Regions, most_elements: int) -> Inference:
    """The parts of a body -> what is asked for; raises like `Codec.decode`."""
    with hinted(given.length is None and any(SIZE in (each.parameters or {}) for each in given.message.inputs)):
        asked = guarded(form(given.length), read, given, model, regions, most_elements)
    return inference(model, asked)


def read(given: Parsed, model: Model, regions: Regions, most_elements: int) -> Asked:
    """The same before its meaning is looked at; tensors behind the JSON as views of the body."""
    message, behind, tensors = given.message, given.behind, []
    for each, array in zip(message.inputs, given.arrays, strict=True):
        found, behind = placed(each, array, behind, regions, most_elements)
        tensors.append((each.name, found))
    if len(behind):
        raise MalformedRequest(f"{len(behind)} bytes lie behind the last tensor; each takes as many as its binary_data_size says")
    parameters = dict(message.parameters or {})
    binary = flag(parameters.pop("binary_data_output", False), "/parameters/binary_data_output")
    asked = message.outputs or [InferOutput(name=name) for name in model.outputs]
    outputs = [wanted(f"/outputs/{i}/parameters", each.name, each.parameters or {}, binary) for i, each in enumerate(asked)]
    return Asked(message.id or "", tensors, parameters, outputs)


def placed(given: InferInput, array: Array | None, behind: memoryview, regions: Regions, most: int) -> tuple[Array, memoryview]:
    """The numbers of an input, from the one place where they are; and what is left behind the JSON."""
    name, parameters = escaped(given.name), given.parameters or {}
    dtype, shape = datatype(given.name, given.datatype), given.shape
    nbytes, shared = parameters.get(SIZE), place(f"/{name}/parameters", parameters)
    if sum(each is not None for each in (array, nbytes, shared)) != 1:
        raise MalformedRequest(f"/{name}: its numbers must be in one place: in data, {SIZE} bytes behind the JSON, or in shared memory")
    if array is not None:
        return array, behind
    if shared is not None:
        return in_shared_memory(name, dtype, shape, shared, regions, most), behind
    if type(nbytes) is not int or not 0 <= nbytes <= len(behind):
        raise MalformedRequest(f"/{name}: {SIZE} is {shortened(nbytes)}, and {len(behind)} bytes are left behind the JSON")
    return viewed(behind[:nbytes], dtype, shape, name, most), behind[nbytes:]


def encode(request: Inference, regions: Regions, result: Result, coding: str = "identity") -> Body:
    """The reply: JSON, and behind it the outputs that are to be binary."""
    outputs = request.reply(result)
    put(outputs, regions)
    is_text = [each.place is None and not each.binary for each, _ in outputs]
    head = open_inference_json.head(
        request, [(described(*each), each[1] if text else None) for each, text in zip(outputs, is_text, strict=True)]
    )
    blobs: list[Part] = [raw(array) for each, array in outputs if each.binary and each.place is None]
    if not blobs:
        return Body(head, JSON).compressed(coding)
    return Body([*head, *blobs], BINARY, {LENGTH: str(sum(map(len, head)))}).compressed(coding)
