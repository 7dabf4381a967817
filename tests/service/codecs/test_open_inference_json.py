"""The Open Inference Protocol's JSON: numbers flat or nested, of every datatype, and what is refused of them."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from models.checks import BFLOAT16
from models.contract import Result
from models.errors import InvalidJob
from service.codecs.open_inference_binary import decode, encode, parsed
from service.codecs.open_inference_json import read
from service.errors import MalformedRequest, TensorTooLarge
from service.open_inference import find_model
from service.shared_memory import Regions

MOST = 1000
NONE = Regions(None)
REQUEST = b"""{
  "id": "42", "parameters": {"reduction": "sum", "gamma": 1.5, "alpha": "null", "binary_data_output": false},
  "inputs": [
    {"shape": [2, 3], "name": "scores", "datatype": "FP64", "data": [[2.0, 0.5, -1e0], [0.1, 12E-1, 3]], "parameters": {"x": [1]}},
    {"name": "targets", "datatype": "BOOL", "data": [true, false, 0, 0, 1, true], "shape": [2, 3]}
  ],
  "outputs": [{"name": "grad", "parameters": {"binary_data": false}}], "unknown": {"to us": [1, 2]}
}"""


def sent(datatype: Any = "FP32", shape: Any = (1, 2), data: Any = (1, 2), name: str = "scores", **more: Any) -> dict[str, Any]:
    """A request with one input."""
    return {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data, **more}]}


def arrays(request: Any) -> list[np.ndarray[Any, Any]]:
    """The numbers of its inputs."""
    _, found = read(bytearray(json.dumps(request).encode()), MOST)
    return [each for each in found if each is not None]


def decoded(request: Any, model: str = "softmax_cross_entropy.grad") -> Any:
    """What is asked for."""
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    return decode(parsed(bytearray(text), None, MOST), find_model(model), NONE, MOST)


def test_a_request_written_by_hand_says_what_is_asked_for() -> None:
    found = decoded(REQUEST, "focal.grad")
    job = found.order.job
    assert (found.id, [each.name for each in found.outputs]) == ("42", ["grad"])
    assert (job.loss.name, job.reduction, job.dtype, job.params["gamma"], job.params["alpha"]) == ("focal", "sum", "float64", 1.5, None)
    assert job.scores.tolist() == [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]
    assert job.targets.tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_reply_is_exactly_this_text() -> None:
    request = decoded(REQUEST, "focal.grad")
    reply = encode(request, NONE, Result(loss=np.float64(1), grad=np.float64([[0.1, -0.2]])))
    assert reply.media_type == "application/json"
    assert b"".join(reply.parts) == (
        b'{"model_name":"focal.grad","model_version":"1","id":"42","outputs":['
        b'{"name":"grad","datatype":"FP64","shape":[1,2],"data":[0.1,-0.2]}]}'
    )
    labels = sent(name="labels", datatype="INT8", shape=[1], data=[1])
    everything = decoded({"inputs": [*sent(data=[[1, 2]])["inputs"], *labels["inputs"]]})
    reply = encode(everything, NONE, Result(loss=np.float32(0.1), grad=np.float32([[1]])))
    assert b"".join(reply.parts) == (
        b'{"model_name":"softmax_cross_entropy.grad","model_version":"1","outputs":['
        b'{"name":"loss","datatype":"FP32","shape":[1],"data":[0.1]},{"name":"grad","datatype":"FP32","shape":[1,1],"data":[1.0]}]}'
    )


@pytest.mark.parametrize(
    ("datatype", "dtype", "data"),
    [
        ("BOOL", np.uint8, [True, 0]),
        ("INT8", np.int8, [-128, 127]),
        ("INT16", np.int16, [-(2**15), 5]),
        ("INT32", np.int32, [-(2**31), 5]),
        ("INT64", np.int64, [-(2**63), 2**63 - 1]),
        ("UINT8", np.uint8, [0, 255]),
        ("UINT16", np.uint16, [0, 65535]),
        ("UINT32", np.uint32, [0, 2**32 - 1]),
        ("UINT64", np.uint64, [0, 2**63 - 1]),
        ("FP16", np.float16, [0.5, 65504]),
        ("BF16", BFLOAT16, [0.5, -2]),
        ("FP32", np.float32, [0.1, 1e38]),
        ("FP64", np.float64, [0.1, 1e308]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_numbers_of_every_datatype_flat_or_nested(datatype: str, dtype: Any, data: list[Any], nested: bool) -> None:
    (array,) = arrays(sent(datatype, [1, 2], [data] if nested else data))
    assert (array.dtype, array.shape) == (dtype, (1, 2))
    assert array.tolist() == [np.array(data, dtype).tolist()]


@pytest.mark.parametrize(("shape", "data"), [([0], []), ([2, 0], []), ([2, 0], [[], []]), ([1], [7]), ([], [7]), ([3, 1], [[1], [2], [3]])])
def test_a_shape_may_be_empty_or_of_one_number(shape: list[int], data: Any) -> None:
    (array,) = arrays(sent("INT32", shape, data))
    assert array.shape == tuple(shape)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP32", [1, 2], [1], "[1, 2] takes 2 numbers, found 1"),
        ("FP32", [1, 2], [1, 2, 3], "takes 2 numbers, found 3"),
        ("FP32", [2, 2], [[1, 2, 3], [4]], "not nested like its shape"),
        ("FP32", [4], [[1, 2], [3, 4]], "not nested like its shape"),
        ("FP32", [2, 2], [[1], [2], [3], [4]], "not nested like its shape"),
        ("FP32", [-1, 2], [1, 2], "[-1, 2] is no shape"),
        ("FP32", [2**62, 4], [1, 2], "is no shape"),
        ("FP32", [0, 2**62], [], "is no shape"),
        ("FP32", [2**20, 2**20], [1, 2], "takes 1099511627776 numbers, found 2"),
        ("FP32", [1, 2], [None, 2], "/scores/0: expected a finite number, found null"),
        ("FP32", [1, 2], ["1", 2], "the string '1'"),
        ("FP32", [1, 2], [[[1], [2]]], "found a list"),
        ("FP32", [1, 2], {"0": 1}, "expected a list, found an object"),
        ("FP32", [1, 2], 5, "expected a list, found 5"),
        ("FP32", [1, 2], [1, 1e39], "/scores/0/1: 1e+39 does not fit FP32"),
        ("FP16", [1, 2], [1, 65520], "/scores/0/1: 65520.0 does not fit FP16"),
        ("INT8", [1, 2], [1, 128], "/scores/0/1: 128 does not fit INT8"),
        ("UINT8", [1, 2], [-1, 2], "-1 does not fit UINT8"),
        ("INT64", [1, 2], [1.5, 2], "/scores/0: expected an integer, found 1.5"),
        ("UINT64", [1, 2], [1, 2**64 - 1], "expected an integer"),
        ("BOOL", [1, 2], [1, 2], "/scores/0/1: found 2"),
        ("BYTES", [1, 2], ["a", "b"], "'BYTES' is not among"),
        ("FP8", [1, 2], [1, 2], "'FP8' is not among"),
        ("fp32", [1, 2], [1, 2], "'fp32' is not among"),
        ("", [1, 2], [1, 2], "'' is not among"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_in_words(datatype: str, shape: list[int], data: Any, says: str) -> None:
    with pytest.raises((InvalidJob, MalformedRequest)) as refused:
        arrays(sent(datatype, shape, data))
    assert says in str(refused.value)


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1e400", '"NaN"'])
def test_a_number_that_is_none_is_refused_where_it_stands(odd: str) -> None:
    text = json.dumps(sent(shape=[1, 3], data=[1, 2, 99])).replace("99", odd)
    with pytest.raises(InvalidJob, match="/scores/2"):
        read(bytearray(text.encode()), MOST)


def test_too_many_numbers_are_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 1000"):
        arrays(sent(shape=[1, 1001], data=[0] * 1001))


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({}, "/inputs"),
        ({"inputs": None}, "/inputs"),
        ({"inputs": {}}, "/inputs"),
        ({"inputs": [1]}, "/inputs/0"),
        ({"inputs": [{"name": "scores"}]}, "/inputs/0/datatype"),
        ({"inputs": [{"datatype": "FP32", "shape": [1]}]}, "/inputs/0/name"),
        (sent(name=1), "/inputs/0/name"),
        (sent(datatype=["FP32"]), "/inputs/0/datatype"),
        (sent(shape="2"), "/inputs/0/shape"),
        (sent(shape=[1.5]), "/inputs/0/shape"),
        (sent(parameters=[]), "/inputs/0/parameters"),
        (sent() | {"id": 5}, "/id"),
        (sent() | {"parameters": "x"}, "/parameters"),
        (sent() | {"outputs": ["grad"]}, "/outputs/0"),
        (sent() | {"outputs": [{}]}, "/outputs/0/name"),
        (sent() | {"outputs": {}}, "/outputs"),
    ],
)
def test_a_member_of_the_wrong_form_is_named(request_: Any, pointer: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        decoded(request_)
    assert refused.value.problems[0].pointer == pointer
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize("text", [b"{", b"x", b'{"inputs": [', b"\xff", b'{"inputs": [], "inputs": []}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedRequest):
        decoded(text)


def test_a_request_that_breaks_off_anywhere_is_refused() -> None:
    for length in range(len(REQUEST)):
        with pytest.raises((MalformedRequest, InvalidJob)):
            decoded(REQUEST[:length], "focal.grad")


def test_null_is_as_good_as_absent() -> None:
    nothing = {"id": None, "parameters": None, "outputs": None}
    two = {"inputs": [*sent(parameters=None)["inputs"], *sent("INT64", [1], [1], "labels")["inputs"]]}
    assert decoded(two | nothing).id == ""


def test_integers_may_be_written_as_fractions_as_the_protocols_own_client_does() -> None:
    assert arrays(sent("INT64", [3], [0.0, -1.0, 2.0]))[0].tolist() == [0, -1, 2]
    assert arrays(sent("INT8", [1, 2], [[1.0, 2]]))[0].dtype == np.int8
    for odd in ([0.5, 1.0], [1e300, 0.0], [2.0**60, 0.0]):
        with pytest.raises(InvalidJob, match="/scores/0: expected an integer"):
            arrays(sent("INT64", [2], odd))


@pytest.mark.parametrize(
    "body", ['{"inputs":[%s]}', '{"inputs":[],"outputs":[%s]}', '{"inputs":[{"name":"a","datatype":"FP32","shape":["a",%s]}]}']
)
@pytest.mark.parametrize("crumb", ["{}", "1", '"a"', "null", "[]"])
def test_a_request_of_crumbs_is_refused_for_little(body: str, crumb: str) -> None:
    text = (body % ",".join([crumb] * 300_000)).encode()
    tracemalloc.start()
    with pytest.raises((InvalidJob, MalformedRequest)) as refused:
        decoded(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(str(refused.value)) < 2000
    assert most < 100 * len(text)
