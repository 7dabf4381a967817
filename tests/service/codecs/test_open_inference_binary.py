"""Tensors behind the Open Inference Protocol's JSON: bytes packed by hand, views of the body, and lengths that lie."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contract import Result
from models.errors import InvalidJob, JobError
from service.codecs.open_inference_binary import decode, encode, header_length, lead, parsed
from service.errors import MalformedRequest, RequestError, TensorTooLarge
from service.open_inference import find_model
from service.shared_memory import Regions

MOST = 1000
NONE = Regions(None)
MODEL = "softmax_cross_entropy.grad"
SCORES = struct.pack("<6f", 2.0, 0.5, -1.0, 0.1, 1.2, 3.0)
LABELS = struct.pack("<4q", 0, -1, 1, 2)


def tensor(name: str, datatype: str, shape: list[int], size: Any = None, **more: Any) -> dict[str, Any]:
    """An input whose bytes are behind the JSON."""
    return (
        {"name": name, "datatype": datatype, "shape": shape} | ({} if size is None else {"parameters": {"binary_data_size": size}}) | more
    )


def output(**parameters: Any) -> dict[str, Any]:
    """A request for the gradient alone."""
    return TWO | {"outputs": [{"name": "grad", "parameters": parameters}]}


TWO = {"inputs": [tensor("scores", "FP32", [2, 3], 24), tensor("labels", "INT64", [2, 2], 32)]}


def decoded(request: Any, data: bytes = b"", length: int | None = -1, model: str = MODEL) -> Any:
    """What is asked for; the length of the JSON is right unless another is said."""
    text = json.dumps(request).encode()
    length = len(text) if length == -1 else length
    return decode(parsed(bytearray(lead(length)) + text + data, length, MOST), find_model(model), NONE, MOST)


def test_tensors_lie_behind_the_json_in_the_order_of_the_inputs() -> None:
    job = decoded(TWO, SCORES + LABELS).order.job
    assert job.scores.tolist() == np.float32([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]).tolist()
    assert (job.labels.indices.tolist(), job.labels.offsets.tolist()) == ([0, 1, 2], [0, 1, 3])


def test_some_may_be_in_the_json_and_some_behind_it() -> None:
    mixed = {"inputs": [tensor("labels", "INT64", [2, 2], data=[0, -1, 1, 2]), tensor("scores", "FP32", [2, 3], 24)]}
    job = decoded(mixed, SCORES).order.job
    assert job.scores[1, 2] == 3.0 and job.labels.indices.tolist() == [0, 1, 2]


def test_a_binary_reply_is_exactly_these_bytes() -> None:
    request = decoded(TWO | {"id": "7", "parameters": {"binary_data_output": True}}, SCORES + LABELS)
    reply = encode(request, NONE, Result(loss=np.float32(0.25), grad=np.float32([[0.5, -0.5]])))
    text = (
        b'{"model_name":"softmax_cross_entropy.grad","model_version":"1","id":"7","outputs":['
        b'{"name":"loss","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}},'
        b'{"name":"grad","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}'
    )
    assert b"".join(reply.parts) == text + struct.pack("<3f", 0.25, 0.5, -0.5)
    assert reply.headers == {"Inference-Header-Content-Length": str(len(text))}
    assert reply.media_type == "application/octet-stream"


def test_each_output_is_binary_or_not_as_it_is_asked_for() -> None:
    asked = [{"name": "grad", "parameters": {"binary_data": True}}, {"name": "loss"}]
    request = decoded(TWO | {"outputs": asked}, SCORES + LABELS)
    reply = encode(request, NONE, Result(loss=np.float32(0.25), grad=np.float32([[0.5, -0.5]])))
    length = int(reply.headers["Inference-Header-Content-Length"])
    body = b"".join(reply.parts)
    about = json.loads(body[:length])
    assert [each["name"] for each in about["outputs"]] == ["grad", "loss"]
    assert about["outputs"][1]["data"] == [0.25]
    assert body[length:] == struct.pack("<2f", 0.5, -0.5)
    text = TWO | {"outputs": [{"name": "loss", "parameters": {"binary_data": False}}], "parameters": {"binary_data_output": True}}
    unless = decoded(text, SCORES + LABELS)
    assert encode(unless, NONE, Result(loss=np.float32(0.25))).headers == {}


@pytest.mark.parametrize("spaces", range(9))
def test_tensors_are_aligned_views_of_the_body_however_long_the_json_is(spaces: int) -> None:
    text = json.dumps({"inputs": [tensor("scores", "FP64", [1, 2], 16), tensor("targets", "FP64", [1, 2], 16)]}).encode() + b" " * spaces
    body = bytearray(lead(len(text))) + text + struct.pack("<4d", 1, 2, 0, 1)
    job = decode(parsed(body, len(text), MOST), find_model(MODEL), NONE, MOST).order.job
    whole = np.frombuffer(body, np.uint8)
    assert np.shares_memory(whole, job.scores) and np.shares_memory(whole, job.targets)
    assert job.scores.flags.aligned and job.targets.flags.aligned


def test_pieces_of_a_reply_are_views_of_the_result() -> None:
    grad = np.ones((2, 3), np.float32)
    request = decoded(TWO | {"parameters": {"binary_data_output": True}}, SCORES + LABELS)
    assert np.shares_memory(np.frombuffer(encode(request, NONE, Result(loss=np.float32(1), grad=grad)).parts[-1], np.uint8), grad)


@pytest.mark.parametrize(("text", "length"), [(None, None), ("0", 0), ("17", 17)])
def test_the_length_of_the_json_is_a_header(text: str | None, length: int | None) -> None:
    assert header_length(text) == length


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "0x10", "abc", "٣", "9" * 20, " 7", "7, 7"])
def test_a_header_that_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest, match="Inference-Header-Content-Length"):
        header_length(text)


MASK = tensor("mask", "BOOL", [2, 3], 6)
SCORE = [tensor("scores", "FP32", [2, 3], 24)]
HOSTILE: dict[str, tuple[Any, bytes, int | None, str]] = {
    "a header beyond the body": (TWO, SCORES + LABELS, 10_000, "cannot take 10000 bytes"),
    "a header that is too short": (TWO, SCORES + LABELS, 5, "is not application/json"),
    "a header of nothing": (TWO, SCORES + LABELS, 0, "is not application/json"),
    "a header that is too long": (TWO, SCORES + LABELS, len(json.dumps(TWO)) + 3, "is not"),
    "no header, and tensors behind the JSON": (TWO, SCORES + LABELS, None, "need the header Inference-Header-Content-Length"),
    "no header, and no tensors behind the JSON": (TWO, b"", None, "0 bytes are left behind the JSON"),
    "a tensor too few": (TWO, SCORES, -1, "/labels: binary_data_size is 32, and 0 bytes are left"),
    "a tensor that is cut": (TWO, SCORES + LABELS[:-1], -1, "and 31 bytes are left"),
    "bytes left over": (TWO, SCORES + LABELS + b"x", -1, "1 bytes lie behind the last tensor"),
    "bytes left over behind JSON alone": ({"inputs": [tensor("scores", "FP32", [1, 1], data=[1])]}, b"x", -1, "1 bytes lie behind"),
    "a size that contradicts the shape": ({"inputs": [tensor("scores", "FP32", [2, 3], 20)]}, SCORES[:20], -1, "takes 24 bytes, found 20"),
    "a dtype that contradicts the size": ({"inputs": [tensor("scores", "FP64", [2, 3], 24)]}, SCORES, -1, "takes 48 bytes, found 24"),
    "a negative size": ({"inputs": [tensor("scores", "FP32", [2, 3], -24)]}, SCORES, -1, "binary_data_size is -24"),
    "a size that is text": ({"inputs": [tensor("scores", "FP32", [2, 3], "24")]}, SCORES, -1, "binary_data_size is '24'"),
    "a size that is a boolean": ({"inputs": [tensor("scores", "FP32", [2, 3], True)]}, SCORES, -1, "binary_data_size is true"),
    "a size that is a fraction": ({"inputs": [tensor("scores", "FP32", [2, 3], 24.0)]}, SCORES, -1, "binary_data_size is 24.0"),
    "data in two places": ({"inputs": [tensor("scores", "FP32", [2, 3], 24, data=[1] * 6)]}, SCORES, -1, "must be in one place"),
    "data nowhere": ({"inputs": [tensor("scores", "FP32", [2, 3])]}, b"", -1, "must be in one place"),
    "a tensor twice": ({"inputs": SCORE + SCORE}, SCORES * 2, -1, "the tensor 'scores' is there twice"),
    "a product that overflows": ({"inputs": [tensor("scores", "FP32", [2**62, 4], 0)]}, b"", -1, "is no shape"),
    "a product that is huge": ({"inputs": [tensor("scores", "FP32", [2**30, 2**30], 0)]}, b"", -1, "takes 4611686018427387904 bytes"),
    "a negative shape": ({"inputs": [tensor("scores", "FP32", [-2, -3], 24)]}, SCORES, -1, "is no shape"),
    "a boolean of 2": ({"inputs": [*SCORE, MASK]}, SCORES + b"\0\1\2\0\0\0", -1, "/mask: a boolean is a byte 0 or 1"),
}
NO_NAME = {"shared_memory_region": 1}
WRONG: dict[str, tuple[Any, bytes, str]] = {
    "an unknown tensor": ({"inputs": [*SCORE, tensor("label", "INT64", [2, 2], 32)]}, SCORES + LABELS, "/label"),
    "strings": ({"inputs": [tensor("scores", "BYTES", [1], 5)]}, b"\1\0\0\0a", "/scores"),
    "integer scores": ({"inputs": [tensor("scores", "INT32", [2, 3], 24)]}, SCORES, "/scores"),
    "an unknown parameter": (TWO | {"parameters": {"gama": 1}}, SCORES + LABELS, "/parameters/gama"),
    "a parameter of another loss": (TWO | {"parameters": {"gamma": 1}}, SCORES + LABELS, "/parameters/gamma"),
    "a bad parameter": (TWO | {"parameters": {"temperature": -1}}, SCORES + LABELS, "/params/temperature"),
    "a bad option": (TWO | {"parameters": {"reduction": "average"}}, SCORES + LABELS, "/reduction"),
    "a loss among the parameters": (TWO | {"parameters": {"loss": "focal"}}, SCORES + LABELS, "/parameters/loss"),
    "an array where a number belongs": (TWO | {"parameters": {"grad_output": [1, 2]}}, SCORES + LABELS, "/parameters/grad_output"),
    "a flag that is none": (TWO | {"parameters": {"binary_data_output": 1}}, SCORES + LABELS, "/parameters/binary_data_output"),
    "an unknown output": (TWO | {"outputs": [{"name": "gard"}]}, SCORES + LABELS, "/outputs/0"),
    "an output twice": (TWO | {"outputs": [{"name": "grad"}, {"name": "grad"}]}, SCORES + LABELS, "/outputs/1"),
    "a classification": (output(classification=2), SCORES + LABELS, "/outputs/0/parameters/classification"),
    "an output flag that is none": (output(binary_data="yes"), SCORES + LABELS, "/outputs/0/parameters/binary_data"),
    "a region that is no name": ({"inputs": [tensor("scores", "FP32", [2, 3], parameters=NO_NAME)]}, b"", "/scores/parameters"),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_bytes_that_are_not_what_they_say_are_malformed(about: str) -> None:
    request, data, length, says = HOSTILE[about]
    with pytest.raises(MalformedRequest) as refused:
        decoded(request, data, length)
    assert says in str(refused.value)


@pytest.mark.parametrize("about", WRONG)
def test_a_request_that_is_wrong_names_what(about: str) -> None:
    request, data, pointer = WRONG[about]
    with pytest.raises(InvalidJob) as refused:
        decoded(request, data)
    assert [each.pointer for each in refused.value.problems] == [pointer]


def test_the_gradient_is_no_output_of_the_loss_alone() -> None:
    with pytest.raises(InvalidJob, match=r"/outputs/0: no output 'grad'; did you mean|/outputs/0: no output 'grad'; known: loss"):
        decoded(TWO | {"outputs": [{"name": "grad"}]}, SCORES + LABELS, model="softmax_cross_entropy")


def test_a_tensor_beyond_the_limit_is_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 1000"):
        decoded({"inputs": [tensor("scores", "FP32", [1, 1001], 4004)]}, bytes(4004))


def test_shared_memory_that_is_off_says_how_to_turn_it_on() -> None:
    shared = {"shared_memory_region": "mine", "shared_memory_byte_size": 24}
    with pytest.raises(MalformedRequest, match="GRADWIRE_SHARED_MEMORY=true") as refused:
        decoded({"inputs": [tensor("scores", "FP32", [2, 3], parameters=shared)]})
    assert "mine" not in str(refused.value)


VALID = json.dumps(TWO).encode()


@given(body=st.binary(max_size=200), length=st.none() | st.integers(0, 250))
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes, length: int | None) -> None:
    with pytest.raises((JobError, RequestError)):
        decode(parsed(bytearray(lead(length)) + body, length, MOST), find_model(MODEL), NONE, MOST)


@given(place=st.integers(0, len(VALID) - 1), byte=st.integers(0, 255), insert=st.booleans(), off=st.integers(-3, 3))
def test_no_single_byte_raises_anything_but_our_own_errors(place: int, byte: int, insert: bool, off: int) -> None:
    text = bytearray(VALID)
    text[place : place + (not insert)] = bytes([byte])
    length = len(text) + off
    try:
        decode(parsed(bytearray(lead(length)) + text + SCORES + LABELS, length, MOST), find_model(MODEL), NONE, MOST)
    except (JobError, RequestError):
        return
