"""The Open Inference Protocol's messages: bytes packed by hand, raw and typed contents, and messages that are not what they say."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.checks import BFLOAT16
from models.contract import Result
from models.errors import InvalidJob, JobError
from service.codecs.open_inference_grpc import CONTENTS, decode, encode, encode_streamed, parsed, reply
from service.errors import MalformedRequest, RequestError, TensorTooLarge
from service.open_inference import find_model
from service.open_inference_tensors import DATATYPES
from service.protos import open_inference_pb2 as pb
from service.shared_memory import Regions

MOST = 1000
NONE = Regions(None)
MODEL = "softmax_cross_entropy.grad"
SCORES = struct.pack("<2f", 2.0, -1.0)
TARGETS = struct.pack("<2d", 1.0, 0.0)
RESULT = Result(loss=np.float32(0.25), grad=np.float32([[0.5, -0.5]]))


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes it: number and wire type 2, length, content."""
    assert number < 16 and len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def entry(key: bytes, parameter: bytes) -> bytes:
    """An entry of a map of parameters."""
    return field(1, key) + field(2, parameter)


BY_HAND = (
    field(1, MODEL.encode())
    + field(3, b"7")
    + field(4, entry(b"reduction", field(3, b"sum")))
    + field(4, entry(b"temperature", b"\x21" + struct.pack("<d", 2.0)))
    + field(5, field(1, b"scores") + field(2, b"FP32") + field(3, b"\x01\x02"))
    + field(5, field(1, b"targets") + field(2, b"FP64") + field(3, b"\x01\x02"))
    + field(6, field(1, b"grad"))
    + field(7, SCORES)
    + field(7, TARGETS)
)
GOLDEN = (
    field(1, MODEL.encode())
    + field(2, b"1")
    + field(3, b"7")
    + field(5, field(1, b"grad") + field(2, b"FP32") + field(3, b"\x01\x02"))
    + field(6, struct.pack("<2f", 0.5, -0.5))
)


def message(*inputs: Any, raw: Any = (), **more: Any) -> pb.ModelInferRequest:
    """A request with these inputs."""
    return pb.ModelInferRequest(model_name=MODEL, inputs=[dict(each) for each in inputs], raw_input_contents=raw, **more)


def tensor(name: str = "scores", datatype: str = "FP32", shape: Any = (1, 2), **more: Any) -> dict[str, Any]:
    """An input."""
    return {"name": name, "datatype": datatype, "shape": shape} | more


def decoded(request: pb.ModelInferRequest) -> Any:
    """What is asked for."""
    return decode(request, find_model(request.model_name), NONE, MOST)


def test_a_request_packed_by_hand_says_what_is_asked_for() -> None:
    found = decoded(parsed(pb.ModelInferRequest, BY_HAND))
    job = found.order.job
    assert (found.id, [each.name for each in found.outputs]) == ("7", ["grad"])
    assert (job.reduction, job.params["temperature"], job.scores.tolist(), job.targets.tolist()) == ("sum", 2.0, [[2, -1]], [[1, 0]])


def test_a_reply_is_exactly_these_bytes() -> None:
    request = parsed(pb.ModelInferRequest, BY_HAND)
    assert encode(decoded(request), request, NONE, RESULT) == GOLDEN
    streamed = encode_streamed(decoded(request), request, NONE, RESULT)
    assert pb.ModelStreamInferResponse.FromString(streamed).infer_response.SerializeToString() == GOLDEN


def test_typed_contents_are_answered_with_typed_contents() -> None:
    request = message(tensor(contents={"fp32_contents": [2, -1]}), tensor("labels", "INT64", [1, 1], contents={"int64_contents": [0]}))
    found = decoded(request)
    assert found.order.job.scores.tolist() == [[2, -1]] and found.order.job.labels.indices.tolist() == [0]
    answer = reply(found, request, NONE, RESULT)
    assert [list(each.contents.fp32_contents) for each in answer.outputs] == [[0.25], [0.5, -0.5]]
    assert not answer.raw_output_contents


def test_raw_contents_are_views_of_the_message() -> None:
    request = message(tensor(), tensor("targets"), raw=[SCORES, SCORES])
    scores = decoded(message(tensor(), tensor("targets"), raw=[SCORES, struct.pack("<2f", 1, 0)])).order.job.scores
    assert not scores.flags.owndata and not scores.flags.writeable
    assert request.raw_input_contents[0] == SCORES


@pytest.mark.parametrize("word", ["FP16", "BF16"])
def test_half_precision_is_raw_both_ways(word: str) -> None:
    half = np.array([[2.0, -1.0]], np.float16 if word == "FP16" else BFLOAT16)
    request = message(tensor(datatype=word), tensor("targets", "FP32"), raw=[half.tobytes(), struct.pack("<2f", 1, 0)])
    answer = reply(decoded(request), request, NONE, RESULT)
    assert [each.datatype for each in answer.outputs] == [word, word]
    assert answer.raw_output_contents[1] == RESULT.grad.astype(half.dtype).tobytes()
    with pytest.raises(MalformedRequest, match=f"/scores: {word} is sent in raw_input_contents alone"):
        decoded(message(tensor(datatype=word, contents={"fp32_contents": [2, -1]})))


@pytest.mark.parametrize(("word", "contents"), CONTENTS.items())
def test_every_datatype_has_its_contents(word: str, contents: str) -> None:
    name = "targets" if word.startswith(("FP", "BOOL")) else "labels"
    sent = tensor(name, word, [1, 2] if name == "targets" else [1, 1], contents={contents: [1, 0] if name == "targets" else [1]})
    job = decoded(message(tensor(contents={"fp32_contents": [2, -1]}), sent)).order.job
    assert (job.targets.tolist() == [[1, 0]]) if name == "targets" else (job.labels.indices.tolist() == [1])
    assert DATATYPES[word].itemsize


def test_parameters_are_of_any_kind() -> None:
    values = {"reduction": "none", "temperature": "2.5", "label_smoothing": 0.1, "ignore_index": -7, "grad_output": 2.0}
    kinds = {str: "string_param", float: "double_param", int: "int64_param"}
    parameters = {name: {kinds[type(value)]: value} for name, value in values.items()}
    request = message(tensor(), tensor("labels", "INT64", [1]), raw=[SCORES, struct.pack("<q", 1)], parameters=parameters)
    job = decoded(request).order.job
    assert (job.reduction, job.params["temperature"], job.params["label_smoothing"], job.ignore_index) == ("none", 2.5, 0.1, -7)
    assert float(job.grad_output) == 2


HOSTILE: dict[str, tuple[pb.ModelInferRequest, str]] = {
    "no raw content for an input": (message(tensor(), tensor("targets"), raw=[SCORES]), "/targets: raw_input_contents ends before it"),
    "more raw contents than inputs": (message(tensor(), raw=[SCORES, SCORES]), "raw_input_contents: 1 more"),
    "raw content that is cut": (message(tensor(), raw=[SCORES[:-1]]), "takes 8 bytes, found 7"),
    "raw content that is too long": (message(tensor(), raw=[SCORES + b"x"]), "takes 8 bytes, found 9"),
    "a datatype that contradicts the bytes": (message(tensor(datatype="FP64"), raw=[SCORES]), "takes 16 bytes, found 8"),
    "both contents": (message(tensor(contents={"fp32_contents": [1, 2]}), raw=[SCORES]), "has contents, and the message has raw"),
    "no contents": (message(tensor()), "takes 2 numbers in fp32_contents, found none"),
    "contents of another type": (message(tensor(contents={"fp64_contents": [1, 2]})), "fp32_contents, found {'fp64_contents': 2}"),
    "contents of two types": (message(tensor(contents={"fp32_contents": [1, 2], "int_contents": [1]})), "int_contents"),
    "too few numbers": (message(tensor(contents={"fp32_contents": [1]})), "found {'fp32_contents': 1}"),
    "a number too large": (message(tensor("labels", "INT8", contents={"int_contents": [1, 128]})), "not every number fits INT8"),
    "a product that overflows": (message(tensor(shape=[2**62, 4]), raw=[b""]), "is no shape"),
    "a product that is huge": (message(tensor(shape=[2**30, 2**30]), raw=[b""]), "takes 4611686018427387904 bytes, found 0"),
    "a negative shape": (message(tensor(shape=[-1, -2]), raw=[SCORES]), "is no shape"),
    "a tensor twice": (message(tensor(), tensor(), raw=[SCORES, SCORES]), "the tensor 'scores' is there twice"),
    "very many outputs": (message(tensor(), raw=[SCORES], outputs=[{"name": "grad"}] * 17), "/outputs: found 17; there can be 16"),
    "very many inputs": (message(*[tensor()] * 65), "/inputs: found 65; there can be 64"),
    "a boolean of 2": (message(tensor("mask", "BOOL"), raw=[b"\1\2"]), "/mask: a boolean is a byte 0 or 1, found 2"),
}
WRONG: dict[str, tuple[pb.ModelInferRequest, str]] = {
    "nothing": (message(), "/scores"),
    "strings": (message(tensor(datatype="BYTES"), raw=[b"\1\0\0\0a"]), "/scores"),
    "an unknown datatype": (message(tensor(datatype="FP8"), raw=[SCORES]), "/scores"),
    "an unknown tensor": (message(tensor("score"), raw=[SCORES]), "/score"),
    "a parameter without a value": (message(tensor(), raw=[SCORES], parameters={"reduction": {}}), "/parameters/reduction"),
    "an unknown parameter": (message(tensor(), raw=[SCORES], parameters={"x": {"bool_param": True}}), "/parameters/x"),
    "an unknown output": (message(tensor(), raw=[SCORES], outputs=[{"name": "hess"}]), "/outputs/0"),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_a_message_that_contradicts_itself_is_malformed(about: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        decoded(HOSTILE[about][0])
    assert HOSTILE[about][1] in str(refused.value)


@pytest.mark.parametrize("about", WRONG)
def test_a_message_that_is_wrong_names_what(about: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        decoded(WRONG[about][0])
    assert refused.value.problems[0].pointer == WRONG[about][1]


def test_too_many_numbers_are_refused() -> None:
    with pytest.raises(TensorTooLarge):
        decoded(message(tensor(shape=[1, 1001]), raw=[bytes(4004)]))
    with pytest.raises(TensorTooLarge):
        decoded(message(tensor(shape=[1, 1001], contents={"fp32_contents": [0] * 1001})))


@given(body=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes) -> None:
    with pytest.raises((JobError, RequestError)):
        decoded(parsed(pb.ModelInferRequest, body))


@given(place=st.integers(0, len(BY_HAND) - 1), byte=st.integers(0, 255), insert=st.booleans())
def test_no_single_byte_raises_anything_but_our_own_errors(place: int, byte: int, insert: bool) -> None:
    body = bytearray(BY_HAND)
    body[place : place + (not insert)] = bytes([byte])
    try:
        decoded(parsed(pb.ModelInferRequest, bytes(body)))
    except (JobError, RequestError):
        return
