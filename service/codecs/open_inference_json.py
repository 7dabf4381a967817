"""The Open Inference Protocol's JSON: requests with their numbers in it, or with a word on where they are, and replies."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from models.checks import Array, booleans
from models.errors import InvalidJob, InvalidParameters, NumericOverflow, Problem, escaped, problem
from service.codec import Part
from service.codecs.plain_json import printed
from service.errors import MalformedRequest
from service.json_arrays import Kind, Numbers, counted, numbers
from service.json_object import SHORT, members, short_list
from service.json_outline import IN_A_LIST, Outline, outline
from service.open_inference import VERSION, Inference
from service.open_inference_schema import InferInput, InferRequest
from service.open_inference_tensors import DATATYPE_OF, MOST_INPUTS, MOST_OUTPUTS, datatype
from service.tensors import BOOL, size

LARGEST_WHOLE = 2**53  # beyond, a float does not say which integer was meant
DATA = b'"data"'
COMPACT = (",", ":")
POINTER_DEPTH = 3  # /inputs/0/shape


def read(text: bytes | bytearray, most_elements: int) -> tuple[InferRequest, list[Array | None]]:
    """The message, and each input's numbers where it holds them."""
    has_none = len(text) <= SHORT and DATA not in text  # of the arrays that are worth cutting out
    cut = Outline(bytes(text), {}) if has_none else outline(text, IN_A_LIST)
    given = members(cut)
    for name, most in (("inputs", MOST_INPUTS), ("outputs", MOST_OUTPUTS)):  # before they are looked at one by one
        if isinstance(given.get(name), list) and len(given[name]) > most:
            raise InvalidParameters(Problem(f"/{name}", f"found {len(given[name])}; there can be {most} at most"))
    inputs = given.get("inputs")
    for each in inputs if isinstance(inputs, list) else []:
        for name, value in each.items() if isinstance(each, dict) else ():
            if isinstance(value, str) and value in cut.spans and name != "data":
                each[name] = short_list(text, cut.spans[value])
    try:
        message = InferRequest.model_validate(given)
    except ValidationError as invalid:
        found = invalid.errors(include_url=False)[:8]
        raise InvalidParameters(*(problem(each, "", InferRequest.model_fields, POINTER_DEPTH) for each in found)) from None
    return message, [None if each.data is None else typed(each, text, cut.spans, most_elements) for each in message.inputs]


def typed(given: InferInput, text: bytes | bytearray, spans: Mapping[str, tuple[int, int]], most_elements: int) -> Array:
    """The numbers of an input, from where they were cut out or, if something else stood among them, as Python values."""
    dtype, name = datatype(given.name, given.datatype), escaped(given.name)
    span = spans.get(given.data) if isinstance(given.data, str) else None
    if span is None:
        return shaped(name, counted(given.data, name, kind(dtype)), dtype, given.shape)
    read_as = integers if kind(dtype) == "integer" else numbers
    return shaped(name, read_as(text, span, name, kind(dtype), most_elements), dtype, given.shape)


def integers(text: bytes | bytearray, span: tuple[int, int], name: str, kind: Kind, most_elements: int) -> Numbers:
    """Integers, also where all are written as fractions: a client whose language has one type of number sends 1.0 for 1."""
    try:
        return numbers(text, span, name, kind, most_elements)
    except InvalidJob:
        found = numbers(text, span, name, "number", most_elements)
        if (found.values != np.rint(found.values)).any() or np.abs(found.values).max(initial=0) > LARGEST_WHOLE:
            raise
        return Numbers(found.values.astype(np.int64), found.counts)


def kind(dtype: np.dtype[Any]) -> Kind:
    """What its numbers look like in JSON."""
    if dtype == BOOL:
        return "flag"
    return "integer" if dtype.kind in "iu" else "number"


def shaped(name: str, given: Numbers, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    """Numbers, flat or nested like the shape, as an array of their datatype."""
    count = size(shape, name)
    if len(given.values) != count:
        raise MalformedRequest(f"/{name}: {list(shape)} takes {count} numbers, found {len(given.values)}")
    if given.counts is not None and (len(shape) != 2 or len(given.counts) != shape[0] or (given.counts != shape[1]).any()):
        raise MalformedRequest(f"/{name}: the data is not nested like its shape, {list(shape)}")
    array = given.values.reshape(shape)
    if dtype == BOOL:
        return booleans(array, f"/{name}", array.shape).view(np.uint8)
    with np.errstate(over="ignore"):
        typed = array.astype(dtype)
    fits = typed == array if dtype.kind in "iu" else np.isfinite(typed)
    if not fits.all():
        place = tuple(int(i) for i in np.argwhere(~fits)[0])
        raise NumericOverflow(Problem("/".join([f"/{name}", *map(str, place)]), f"{array[place]} does not fit {DATATYPE_OF[dtype]}"))
    return typed


def head(request: Inference, outputs: Sequence[tuple[Mapping[str, Any], Array | None]]) -> list[Part]:
    """The reply: each output as it is described and, where they are to stand here, its numbers."""
    described = {"model_name": request.model.name, "model_version": VERSION} | ({"id": request.id} if request.id else {})
    parts: list[Part] = [json.dumps(described, separators=COMPACT)[:-1].encode(), b',"outputs":[']
    for i, (about, array) in enumerate(outputs):
        text = json.dumps(about, separators=COMPACT).encode()
        parts += [b"," * (i > 0), text] if array is None else [b"," * (i > 0), text[:-1], b',"data":', *printed(array.reshape(-1)), b"}"]
    return [*parts, b"]}"]
