"""Requests that fit together but for a few places, in each form: random bytes seldom agree on lengths and are refused early."""

import json
import math
from typing import Any

import numpy as np

from service.codecs.open_inference_grpc import CONTENTS
from service.codecs.safetensors import NAMES
from service.json_object import literal
from service.open_inference import models
from service.open_inference_tensors import DATATYPES
from service.protos import open_inference_pb2 as pb
from tests.fuzz.choices import Choices, options, params, tensors


def plain_json(data: bytes) -> bytes:
    """A body of application/json."""
    choices = Choices(data)
    fields: dict[str, Any] = {}
    for name, word, shape, numbers in tensors(choices):
        array = whole(numbers, word)
        fields[name] = (array.reshape(shape) if min(shape, default=0) > 0 and array.size == math.prod(shape) else array).tolist()
    fields |= {name: literal(value) for name, value in options(choices).items()}
    fields |= {"loss": choices.among(list(models())).removesuffix(".grad"), "params": params(choices)}
    return json.dumps(fields).encode()


def whole(data: bytes, word: str) -> np.ndarray:
    """As many numbers as there are bytes for."""
    return np.frombuffer(data[: len(data) // DATATYPES[word].itemsize * DATATYPES[word].itemsize], DATATYPES[word])


def safetensors(data: bytes) -> bytes:
    """A body of application/vnd.safetensors."""
    choices = Choices(data)
    header: dict[str, Any] = {}
    body = b""
    for each in tensors(choices):
        place = [len(body), len(body) + len(each.data) + choices.rarely()]
        header[each.name] = {"dtype": NAMES[DATATYPES[each.datatype]], "shape": each.shape, "data_offsets": place}
        body += each.data
    loss = choices.among(list(models())).removesuffix(".grad")
    header["__metadata__"] = {"loss": loss, "params": json.dumps(params(choices)), **options(choices)}
    text = json.dumps(header).encode()
    return (len(text) + choices.rarely()).to_bytes(8, "little") + text + body


def v2_binary(data: bytes) -> tuple[bytes, int]:
    """A body of the Open Inference Protocol, and how long the JSON is before its tensors."""
    choices = Choices(data)
    given = tensors(choices)
    inputs: list[dict[str, Any]] = [{"name": name, "datatype": word, "shape": shape} for name, word, shape, _ in given]
    for each, tensor in zip(inputs, given, strict=True):
        each["parameters"] = {"binary_data_size": len(tensor.data) + choices.rarely()}
        if choices.rarely():
            each["parameters"] = {"shared_memory_region": "r", "shared_memory_byte_size": len(tensor.data)}
    message: dict[str, Any] = {"inputs": inputs, "parameters": params(choices) | options(choices)}
    if choices.number() % 2:
        message["parameters"]["binary_data_output"] = choices.among((True, False, 1))
        message["outputs"] = [{"name": choices.among(("loss", "grad")), "parameters": {"binary_data": choices.among((True, False, None))}}]
    text = json.dumps(message).encode()
    return text + b"".join(each.data for each in given), len(text) + choices.rarely()


def v2_grpc(data: bytes) -> bytes:
    """A ModelInferRequest, its numbers raw or as protobuf's own."""
    choices = Choices(data)
    message = pb.ModelInferRequest(model_name=choices.among(list(models())), id=choices.among(("", "7", "é")))
    is_raw = choices.number() % 2 == 0
    for name, word, shape, numbers in tensors(choices):
        given = message.inputs.add(name=name, datatype=word, shape=[min(each, 2**62) for each in shape])
        if is_raw:
            message.raw_input_contents.append(numbers)
        elif word in CONTENTS:
            getattr(given.contents, CONTENTS[word]).extend(whole(numbers, word).tolist())
        if choices.rarely():
            given.parameters["shared_memory_region"].string_param = "r"
    for name, value in (params(choices) | options(choices)).items():
        kind = {bool: "bool_param", float: "double_param"}.get(type(value), "string_param")
        setattr(message.parameters[name], kind, value if kind != "string_param" else str(value))
    for _ in range(choices.number() % 3):
        message.outputs.add(name=choices.among(("loss", "grad", "x")))
    return message.SerializeToString()
