"""application/vnd.safetensors: bytes packed by hand, the official library as the judge, and bytes that are not what they say."""

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.catalogue import catalogue
from models.checks import BFLOAT16
from models.contract import Result
from models.errors import InvalidJob, JobError
from service.codecs.safetensors import CODEC, MOST_HEADER_BYTES, read, write
from service.errors import MalformedRequest, RequestError, TensorTooLarge
from tests.service.problems import GOOD, assert_problem, good, weights

TYPE = "application/vnd.safetensors"
MOST = 1000
SCORES = np.array(GOOD["scores"], np.float32)
CSR = {"labels": np.array([0, 1, 2]), "label_offsets": np.array([0, 1, 3])}
REQUEST_HEADER = (
    b'{"__metadata__":{"loss":"focal","params":"{\\"gamma\\":1.5}","reduction":"none"},'
    b'"scores":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},'
    b'"targets":{"dtype":"F64","shape":[1,2],"data_offsets":[8,24]}}'
)
REQUEST = struct.pack("<Q", len(REQUEST_HEADER)) + REQUEST_HEADER + struct.pack("<2f", 2.0, -1.0) + struct.pack("<2d", 1.0, 0.25)


def packed(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A body with this header, or with this text for one, and a length that may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(name: str = "scores", dtype: Any = "F32", shape: Any = (1, 2), offsets: Any = (0, 8)) -> dict[str, Any]:
    """A header of one tensor."""
    return {name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def loaded(body: bytes) -> dict[str, Any]:
    """The tensors that the official library finds; its numpy form does not know bfloat16."""
    types = {"F16": np.float16, "BF16": BFLOAT16, "F32": np.float32, "F64": np.float64}
    return {name: np.frombuffer(each["data"], types[each["dtype"]]).reshape(each["shape"]) for name, each in safetensors.deserialize(body)}


def decoded(body: bytes, most: int = MOST) -> Any:
    """The order that a body gives."""
    return CODEC.decode(bytearray(body), {}, True, most)


def test_a_request_packed_by_hand_gives_its_fields() -> None:
    fields = read(bytearray(REQUEST), {}, MOST)
    assert (fields["scores"].dtype, fields["scores"].tolist()) == (np.float32, [[2.0, -1.0]])
    assert (fields["targets"].dtype, fields["targets"].tolist()) == (np.float64, [[1.0, 0.25]])
    assert {name: fields[name] for name in ("loss", "params", "reduction")} == {
        "loss": "focal",
        "params": {"gamma": 1.5},
        "reduction": "none",
    }


def test_a_result_gives_exactly_these_bytes() -> None:
    header = b'{"grad":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"loss":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}'
    header += b" " * (-len(header) % 8)
    golden = struct.pack("<Q", len(header)) + header + struct.pack("<3f", 0.5, -0.5, 0.25)
    assert b"".join(write(Result(loss=np.float32(0.25), grad=np.float32([[0.5, -0.5]])))) == golden
    half = b"".join(write(Result(loss=np.array([1.0, -2.0], BFLOAT16))))
    assert half.endswith(b"\x80\x3f\x00\xc0")
    assert b'"dtype":"BF16","shape":[2]' in half


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (3, 2)])
def test_the_official_library_reads_what_we_write(dtype: str, shape: tuple[int, ...]) -> None:
    dtype = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    loss, grad = np.full(shape, 0.5, dtype), np.arange(6).reshape(2, 3).T.astype(dtype)
    found = loaded(b"".join(write(Result(loss=loss, grad=grad))))
    np.testing.assert_array_equal(found["loss"], loss)
    np.testing.assert_array_equal(found["grad"], grad)
    assert found["grad"].dtype == dtype


def test_we_read_what_the_official_library_writes() -> None:
    rng = np.random.default_rng(1)
    tensors = {
        "scores": rng.normal(size=(4, 3)),
        "labels": np.array([[0, -1], [1, 2], [-1, -1], [2, -1]], np.int32),
        "label_weights": rng.random((4, 2)).astype(np.float16),
        "class_weight": rng.random(3).astype(BFLOAT16),
        "sample_weight": np.array([1, 2, 3, 4], np.uint8),
        "mask": np.array([[True, True, False]] * 4),
    }
    order = decoded(safetensors.numpy.save(tensors, {"loss": "softmax", "ignore_index": "-7", "format": "np"}))
    job = order.job
    np.testing.assert_array_equal(job.scores, tensors["scores"])
    assert (job.dtype, order.reply_dtype, job.ignore_index) == ("float64", None, -7)
    assert (job.labels.indices.tolist(), job.labels.offsets.tolist()) == ([0, 1, 2, 2], [0, 1, 3, 3, 4])
    np.testing.assert_array_equal(job.labels.weights, tensors["label_weights"].reshape(-1)[[0, 2, 3, 6]].astype(float))
    np.testing.assert_array_equal(job.class_weight, tensors["class_weight"].astype(float))
    assert job.mask.tolist() == tensors["mask"].tolist()


def test_tensors_are_views_of_the_body_and_pieces_views_of_the_result() -> None:
    body = bytearray(safetensors.numpy.save({"scores": SCORES, **CSR}))
    whole = np.frombuffer(body, np.uint8)
    fields = read(body, {}, MOST)
    assert np.shares_memory(whole, fields["scores"])
    assert np.shares_memory(whole, fields["labels"].indices)
    assert np.shares_memory(whole, decoded_in_place(body).job.scores)
    result = Result(loss=np.float32([1, 2]), grad=SCORES)
    assert all(isinstance(part, memoryview) for part in write(result)[1:])
    assert np.shares_memory(np.frombuffer(write(result)[1], np.uint8), SCORES)


def decoded_in_place(body: bytearray) -> Any:
    """The order, over the memory of this body."""
    return CODEC.decode(body, {}, True, MOST)


GOOD_BYTES = struct.pack("<2f", 1.0, 2.0)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "a body of 0"),
    "half a length": (b"\x10\0\0", "a body of 3"),
    "JSON": (json.dumps(GOOD).encode(), "a header of"),
    "a header longer than the body": (packed(one(), GOOD_BYTES, 10_000), "a header of 10000 bytes"),
    "the longest header there is": (packed(one(), GOOD_BYTES, 2**64 - 1), "a header of 18446744073709551615 bytes"),
    "a header longer than may be": (packed(b" " * MOST_HEADER_BYTES + b" {}"), f"a header of {MOST_HEADER_BYTES + 3}"),
    "a header that is cut": (packed(json.dumps(one()).encode()[:-1], GOOD_BYTES), "is not application/vnd.safetensors: "),
    "a header of nothing": (packed(b""), "is not application/vnd.safetensors: "),
    "a header that is a list": (packed([]), "no JSON object"),
    "a header of odd bytes": (packed(b"\xff\xfe"), "is not application/vnd.safetensors: "),
    "deep nesting": (packed(b"[" * 100_000), "is not application/vnd.safetensors: "),
    "a tensor twice": (packed(b'{"scores":' + b"1" + b',"scores":2}'), "'scores' is there twice"),
    "no tensor": (packed({"scores": 1}), "/scores: a tensor has just"),
    "a tensor without a shape": (packed({"scores": {"dtype": "F32", "data_offsets": [0, 8]}}, GOOD_BYTES), "/scores: a tensor has just"),
    "a member too many": (packed({"scores": one()["scores"] | {"x": 1}}, GOOD_BYTES), "/scores: a tensor has just"),
    "an unknown dtype": (packed(one(dtype="F8_E4M3"), GOOD_BYTES), "'F8_E4M3'"),
    "big-endian": (packed(one(dtype=">F4"), GOOD_BYTES), "'>F4'"),
    "a dtype that is a list": (packed(one(dtype=["F32"]), GOOD_BYTES), "the dtype"),
    "a dtype that does not match": (packed(one(dtype="F64"), GOOD_BYTES), "float64 [1, 2] takes 16 bytes, found 8"),
    "a negative shape": (packed(one(shape=[-1, -2]), GOOD_BYTES), "[-1, -2] is no shape"),
    "a shape of floats": (packed(one(shape=[1.0, 2.0]), GOOD_BYTES), "is no shape"),
    "a shape of booleans": (packed(one(shape=[True, 2]), GOOD_BYTES), "is no shape"),
    "a shape with too many dimensions": (packed(one(shape=[1] * 70 + [2]), GOOD_BYTES), "is no shape"),
    "a product that overflows": (packed(one(shape=[2**62, 4], offsets=[0, 0])), "is no shape"),
    "a product that is huge": (packed(one(shape=[2**30, 2**30, 16], offsets=[0, 0])), "takes 73786976294838206464 bytes, found 0"),
    "nothing in a huge shape": (packed(one(shape=[0, 2**62], offsets=[0, 0])), "is no shape"),
    "a shape that is no list": (packed(one(shape=2), GOOD_BYTES), "/scores: a tensor has just"),
    "offsets behind the end": (packed(one(offsets=[8, 16]), GOOD_BYTES), "bytes 8 to 16 do not lie in the 8 bytes"),
    "offsets that fall": (packed(one(offsets=[8, 0]), GOOD_BYTES), "bytes 8 to 0"),
    "negative offsets": (packed(one(offsets=[-8, 0]), GOOD_BYTES), "bytes -8 to 0"),
    "enormous offsets": (packed(one(offsets=[0, 2**80]), GOOD_BYTES), "do not lie"),
    "offsets of floats": (packed(one(offsets=[0.0, 8.0]), GOOD_BYTES), "data_offsets are two integers"),
    "three offsets": (packed(one(offsets=[0, 4, 8]), GOOD_BYTES), "data_offsets are two integers"),
    "overlapping tensors": (packed(one() | one("targets", offsets=[4, 12]), GOOD_BYTES * 2), "overlap at byte 4"),
    "a gap between tensors": (packed(one() | one("targets", offsets=[12, 20]), GOOD_BYTES * 3), "leave a gap at byte 8"),
    "the same bytes twice": (packed(one() | one("targets"), GOOD_BYTES), "overlap at byte 0"),
    "bytes left over": (packed(one(), GOOD_BYTES + b"x"), "1 bytes lie behind its last tensor"),
    "a boolean of 2": (packed(one("mask", "BOOL", [1, 2], [0, 2]), b"\1\2"), "/mask: a boolean is a byte 0 or 1, found 2"),
    "metadata that is a list": (packed({"__metadata__": ["x"], **one()}, GOOD_BYTES), "expected an object of strings"),
    "metadata of numbers": (packed({"__metadata__": {"loss": 1}, **one()}, GOOD_BYTES), "expected an object of strings"),
}
WRONG: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "no scores": ({"targets": SCORES}, {}, "/scores"),
    "an unknown tensor": ({"scores": SCORES, "score": SCORES}, {}, "/score"),
    "integer scores": ({"scores": np.ones((2, 3), np.int64), **CSR}, {}, "/scores"),
    "boolean scores": ({"scores": np.ones((2, 3), bool), **CSR}, {}, "/scores"),
    "labels of floats": ({"scores": SCORES, **CSR, "labels": np.float32([0, 1, 2])}, {}, "/labels"),
    "offsets without labels": ({"scores": SCORES, "label_offsets": CSR["label_offsets"]}, {}, "/label_offsets"),
    "offsets that fall": ({"scores": SCORES, **CSR, "label_offsets": np.array([0, 4, 3])}, {}, "/label_offsets"),
    "labels beyond what is signed": ({"scores": SCORES, **CSR, "labels": np.uint64([0, 1, 2**64 - 1])}, {}, "/labels/1/1"),
    "a class out of range": ({"scores": SCORES, **CSR, "labels": np.array([0, 1, 3])}, {}, "/labels/1/1"),
    "a nan": ({"scores": SCORES * np.float32(np.nan), **CSR}, {}, "/scores/0/0"),
    "plus infinity": ({"scores": SCORES * np.float32(np.inf), **CSR}, {}, "/scores/0/0"),
    "a positive label that is masked": ({"scores": np.where(SCORES == 2, -np.inf, SCORES), **CSR}, {}, "/labels/0/0"),
    "a cube of scores": ({"scores": np.ones((1, 2, 3), np.float32), **CSR}, {}, "/scores"),
    "an unknown option": ({"scores": SCORES, **CSR}, {"los": "focal"}, "/los"),
    "scores in the metadata": ({"targets": SCORES}, {"scores": "[[1, 2, 3]]"}, "/scores"),
    "label weights in the metadata": ({"scores": SCORES, **CSR}, {"label_weights": "[1, 1, 1]"}, "/label_weights"),
    "labels in the metadata": ({"scores": SCORES}, {"labels": "[0, 1]"}, "/labels"),
    "a class weight of words": ({"scores": SCORES, **CSR}, {"class_weight": "x"}, "/class_weight"),
    "a number that is a tensor too": (
        {"scores": SCORES, **CSR, "grad_output": np.array([1, 1], np.float32)},
        {"grad_output": "1"},
        "/grad_output",
    ),
    "an unknown parameter": ({"scores": SCORES, **CSR}, {"params": '{"gama": 1}'}, "/params/gama"),
    "parameters that are no JSON": ({"scores": SCORES, **CSR}, {"params": "gamma=1"}, "/params"),
    "parameters that are a list": ({"scores": SCORES, **CSR}, {"params": "[1]"}, "/params"),
    "an ignore_index that is none": ({"scores": SCORES, **CSR}, {"ignore_index": "x"}, "/ignore_index"),
    "a pos_weight that is none": ({"scores": SCORES, **CSR}, {"pos_weight": "[1]"}, "/pos_weight"),
    "a precision that is half": ({"scores": SCORES, **CSR}, {"dtype": "float16"}, "/dtype"),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_bytes_that_are_not_what_they_say_are_400_in_words(about: str, client: TestClient) -> None:
    body, says = HOSTILE[about]
    with pytest.raises(MalformedRequest) as refused:
        decoded(body)
    assert says in str(refused.value)
    if body:
        assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 400, says)


@pytest.mark.parametrize("about", WRONG)
def test_a_request_that_is_wrong_is_422_and_names_the_tensor(about: str, client: TestClient) -> None:
    tensors, metadata, pointer = WRONG[about]
    body = safetensors.numpy.save(tensors, metadata)
    with pytest.raises(InvalidJob) as refused:
        decoded(body)
    assert [each.pointer for each in refused.value.problems] == [pointer]
    assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 422, pointer)
    assert client.post("/grad", json=GOOD).status_code == 200


def test_a_body_that_breaks_off_anywhere_is_refused() -> None:
    body = safetensors.numpy.save({"scores": SCORES, **CSR}, {"loss": "softmax"})
    for length in range(len(body)):
        with pytest.raises(MalformedRequest):
            decoded(body[:length])
    decoded(body)


def test_a_tensor_of_too_many_numbers_is_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 7 numbers"):
        decoded(packed(one(shape=[2, 4], offsets=[0, 32]), bytes(32)), 7)


@pytest.mark.parametrize("loss", sorted(catalogue()))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_numbers_come_back_as_in_json(loss: str, dtype: type, client: TestClient) -> None:
    request = good(loss, "targets") | weights(loss) | {"reduction": "none", "grad_output": 2, "dtype": np.dtype(dtype).name}
    metadata = {"loss": loss, "reduction": "none", "grad_output": "2", "params": json.dumps(request["params"])}
    tensors = {name: np.float32(request[name]) for name in ("targets", "class_weight", "sample_weight") if name in request}
    body = safetensors.numpy.save({"scores": SCORES.astype(dtype), **tensors}, metadata)
    reply = client.post("/grad", content=body, headers={"content-type": TYPE})
    assert (reply.status_code, reply.headers["content-type"]) == (200, TYPE), reply.text
    found = loaded(reply.content)
    request["scores"] = SCORES.astype(dtype).tolist()
    expected = client.post("/grad", json=request).json()
    assert found["grad"].dtype == dtype
    np.testing.assert_array_equal(found["grad"], np.array(expected["grad"], dtype))
    np.testing.assert_array_equal(found["loss"], np.array(expected["loss"], dtype))


@pytest.mark.parametrize(("asked", "expected"), [({}, "half"), ({"dtype": "float32"}, np.float32), ({"dtype": "float64"}, np.float64)])
@pytest.mark.parametrize("half", [np.dtype(np.float16), BFLOAT16])
def test_half_precision_comes_back_as_it_was_sent_unless_another_is_asked_for(
    asked: Any, expected: Any, half: Any, client: TestClient
) -> None:
    body = safetensors.numpy.save({"scores": SCORES.astype(half), **CSR}, asked)
    found = loaded(client.post("/grad", content=body, headers={"content-type": TYPE}).content)
    dtype = half if expected == "half" else np.dtype(expected)
    assert (found["loss"].dtype, found["grad"].dtype) == (dtype, dtype)
    exact = {**GOOD, "scores": SCORES.astype(half).astype(float).tolist(), "dtype": asked.get("dtype", "float32")}
    reply = client.post("/grad", json=exact).json()
    rounded = np.array(reply["grad"], exact["dtype"]).astype(dtype)
    np.testing.assert_array_equal(found["grad"], rounded)


def test_a_result_that_half_precision_cannot_hold_is_refused_in_words(client: TestClient) -> None:
    body = safetensors.numpy.save({"scores": np.float16([[6e4, -6e4]]), "targets": np.float16([[0, 1]])}, {"reduction": "sum"})
    problem = assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 422, "float16")
    assert "use dtype float32" in problem["detail"]


def test_one_form_may_be_sent_and_another_asked_for(client: TestClient) -> None:
    body = safetensors.numpy.save({"scores": SCORES, **CSR})
    plain = client.post("/grad", json=GOOD).json()
    assert client.post("/grad", content=body, headers={"content-type": TYPE, "accept": "application/json"}).json() == plain
    reply = client.post("/grad", json=GOOD, headers={"accept": "application/x-safetensors"})
    assert reply.headers["content-type"] == TYPE
    np.testing.assert_array_equal(loaded(reply.content)["grad"], np.float32(plain["grad"]))
    half = safetensors.numpy.save({"scores": SCORES.astype(BFLOAT16), **CSR})
    short = client.post("/grad", content=half, headers={"content-type": TYPE, "accept": "application/json"}).json()["loss"]
    assert float(np.float32(short).astype(BFLOAT16)) == short, "it is the bfloat16 that safetensors would hold"


def test_a_masked_class_is_minus_infinity(client: TestClient) -> None:
    scores = np.array([[2.0, -np.inf, -1.0]])
    body = safetensors.numpy.save({"scores": scores, "targets": np.array([[1, 0, 0]], np.uint8)})
    found = loaded(client.post("/grad", content=body, headers={"content-type": TYPE}).content)
    np.testing.assert_allclose(found["loss"], np.log1p(np.exp(-3.0)), rtol=1e-12)
    assert found["grad"][0, 1] == 0


VALID = safetensors.numpy.save({"scores": SCORES, **CSR}, {"loss": "softmax", "params": "{}"})


@given(body=st.binary(max_size=300) | st.binary(max_size=60).map(lambda text: struct.pack("<Q", len(text)) + text))
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes) -> None:
    with pytest.raises((JobError, RequestError)):
        decoded(body)


@given(place=st.integers(0, len(VALID) - 1), byte=st.integers(0, 255), insert=st.booleans())
def test_no_single_byte_raises_anything_but_our_own_errors(place: int, byte: int, insert: bool) -> None:
    body = bytearray(VALID)
    body[place : place + (not insert)] = bytes([byte])
    with contextlib.suppress(JobError, RequestError):
        assert decoded(bytes(body)).job.shape == (2, 3)
