"""No body, however malformed, gives a 500, ends the service, or changes what another request gets."""

import contextlib
import http.client
import json
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.catalogue import find, names
from service.schema import GradRequest
from tests.service.problems import GOOD, assert_problem

NESTED = 100_000
ROWS, ONE_A_ROW = '{"scores":[[1,2],[3,4]],', '"labels":[[0],[1]]'


def changed(**fields: str) -> str:
    """A good request with these members, as JSON text, besides or instead."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in {"scores": "[[1,2],[3,4]]", "labels": "[[0],[1]]", **fields}.items()) + "}"


HOSTILE: dict[str, tuple[str | bytes, int, str]] = {
    "nothing": (b"", 400, "empty"),
    "white space": (b" \n", 400, ""),
    "not json": ("scores=1", 400, ""),
    "html": ("<html></html>", 400, ""),
    "a null byte": (b"\x00", 400, ""),
    "json and more": (changed() + changed(), 400, ""),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), 400, ""),
    "gzip without saying so": (b"\x1f\x8b\x08\x00\x00", 400, ""),
    "lists nested deep": ("[" * NESTED, 400, ""),
    "lists nested deep and closed": ("[" * NESTED + "]" * NESTED, 400, ""),
    "objects nested deep": ('{"a":' * NESTED + "1" + "}" * NESTED, 400, ""),
    "scores nested deep": (changed(scores="[" * NESTED + "]" * NESTED), 400, "scores"),
    "labels nested deep and unclosed": (changed(labels="[" * NESTED), 400, ""),
    "parameters nested deep": (changed(params='{"a":' * NESTED + "1" + "}" * NESTED), 400, ""),
    "a list of deep lists for params": (changed(params="[" * NESTED + "]" * NESTED), 422, "params"),
    "nested a little": (changed(scores="[[[[1]]]]"), 422, "/scores/0/0"),
    "400 digits in scores": (changed(scores=f"[[1,2],[3,{'9' * 400}]]"), 422, "/scores/1/1"),
    "400 digits in labels": (changed(labels=f"[[0],[{'9' * 400}]]"), 422, "/labels/1/0"),
    "400 digits in a parameter": (changed(params=f'{{"temperature":{"9" * 400}}}'), 422, "/params/temperature"),
    "400 digits in ignore_index": (changed(ignore_index="9" * 400), 422, "/ignore_index"),
    "a million digits": (changed(scores=f"[[1,2],[3,{'9' * 1_000_000}]]"), 422, "/scores/1/1"),
    "a million digits in a field": (changed(ignore_index="9" * 1_000_000), 422, "/ignore_index"),
    "NaN": (changed(scores="[[1,NaN],[3,4]]"), 422, "/scores/0/1"),
    "Infinity": (changed(scores="[[1,2],[-Infinity,4]]"), 422, "/scores/1/0"),
    "1e400": (changed(scores="[[1e400,2],[3,4]]"), 422, "/scores/0/0"),
    "NaN as a string": (changed(scores='[["NaN",2],[3,4]]'), 422, "/scores/0/0"),
    "too large for float32": (changed(scores="[[1e39,2],[3,4]]"), 422, "float64"),
    "a loss too large for float32": (changed(scores="[[3e38,-3e38],[1,2]]", labels="[[1],[0]]"), 422, "float64"),
    "ragged scores": (changed(scores="[[1,2],[3]]"), 422, "/scores/1"),
    "ragged scores of the right sum": (changed(scores="[[1,2],[3],[4,5,6]]"), 422, "/scores/1"),
    "no rows": (changed(scores="[]", labels="[]"), 422, "/scores"),
    "no classes": (changed(scores="[[],[]]", labels="[[],[]]"), 422, "/scores"),
    "a million empty lists": (changed(scores="[" + "[]," * 999_999 + "[]]"), 422, "/scores"),
    "a million empty labels": (changed(labels="[" + "[]," * 999_999 + "[]]"), 422, "/labels"),
    "a plain list of scores": (changed(scores="[1,2]"), 422, "/scores/0"),
    "too few labels": (changed(labels="[[0]]"), 422, "/labels"),
    "too many labels": (changed(labels="[[0],[1],[0]]"), 422, "/labels"),
    "targets of another width": (ROWS + '"targets":[[1],[0]]}', 422, "/targets"),
    "targets of another length": (ROWS + '"targets":[[1,0]]}', 422, "/targets"),
    "targets of no class": (ROWS + '"targets":[[],[]]}', 422, "/targets"),
    "a mask of another shape": (changed(mask="[[1,1]]"), 422, "/mask"),
    "class weights of another length": (changed(class_weight="[1,1,1]"), 422, "/class_weight"),
    "sample weights of another length": (changed(sample_weight="[1]"), 422, "/sample_weight"),
    "element weights of another shape": (changed(element_weight="[[1,1]]"), 422, "/element_weight"),
    "a gradient of another shape": (changed(grad_output="[1,2,3]", reduction='"none"'), 422, "/grad_output"),
    "a gradient array for a mean": (changed(grad_output="[1,2]"), 422, "/grad_output"),
    "both": (changed(targets="[[1,0],[0,1]]"), 422, "both targets and labels"),
    "neither": ('{"scores":[[1,2],[3,4]]}', 422, "neither targets nor labels"),
    "no scores": ("{" + ONE_A_ROW + "}", 422, "/scores"),
    "class -1": (changed(labels="[[0],[-1]]"), 422, "/labels/1/0"),
    "class C": (changed(labels="[[0],[1,2]]"), 422, "/labels/1/1"),
    "class C, without brackets": (changed(labels="[0,2]"), 422, "/labels/1"),
    "the largest class": (changed(labels="[[0],[9223372036854775807]]"), 422, "/labels/1/0"),
    "the smallest class": (changed(labels="[[-9223372036854775808],[1]]"), 422, "/labels/0/0"),
    "a class twice": (changed(labels="[[0],[1,0,1]]"), 422, "/labels/1/2"),
    "true among scores": (changed(scores="[[1,2],[3,true]]"), 422, "/scores/1/1"),
    "true for a class": (changed(labels="[[0],[true]]"), 422, "/labels/1/0"),
    "a fraction for a class": (changed(labels="[[0],[0.5]]"), 422, "/labels/1/0"),
    "an unknown field": (changed(label='"x"'), 422, "did you mean 'labels'"),
    "an unknown field with a slash": (changed(**{"a/b~": "1"}), 422, "/a~1b~0"),
    "an empty name": (changed(**{"": "1"}), 422, "/"),
    "an unknown parameter": (changed(params='{"temprature":1}'), 422, "did you mean 'temperature'"),
    "a parameter out of its range": (changed(params='{"temperature":-1}'), 422, "/params/temperature"),
    "a parameter of the wrong type": (changed(params='{"temperature":"1"}'), 422, "/params/temperature"),
    "true for a parameter": (changed(params='{"temperature":true}'), 422, "/params/temperature"),
    "an unknown loss": (changed(loss='"focl"'), 404, "did you mean 'focal'"),
    "a loss with a path in it": (changed(loss='"../../etc/passwd"'), 404, "no loss named"),
    "a loss of a megabyte": (changed(loss=json.dumps("x" * 1_000_000)), 404, "no loss named"),
    "a negative class weight": (changed(class_weight="[1,-1]"), 422, "/class_weight/1"),
    "half a mask": (changed(mask="[[1,1],[0.5,1]]"), 422, "/mask/1/0"),
    "a name twice": (changed(**{"scor\\u0065s": "[[1]]"}), 400, "twice"),
}
FIELDS = sorted(GradRequest.model_fields)
WRONG = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    '"x"',
    '"NaN"',
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    "[[null,1],[1,1]]",
    "1e400",
    '[["x"]]',
    "NaN",
]
WRONG += [f'{{"{"x" * 5000}":1}}', json.dumps("é" * 5000), json.dumps([1] * 5000)]
NULL_IS_ABSENT = set(FIELDS) - {"scores", "labels", "loss", "params", "reduction", "dtype"}
ADMITTED = {(field, "null") for field in NULL_IS_ABSENT} | {("params", "{}")}
ADMITTED |= {(field, value) for field in ("grad_output", "pos_weight") for value in ("0", "1.5")} | {("grad_output", "-1")}
ADMITTED |= {("ignore_index", "0"), ("ignore_index", "-1")}


@pytest.mark.parametrize("path", ["/loss", "/grad"])
@pytest.mark.parametrize("about", HOSTILE)
def test_a_hostile_body_is_refused_in_words(about: str, path: str, client: TestClient) -> None:
    body, status, names = HOSTILE[about]
    if path == "/loss" and "grad_output" in names:
        names = "/grad_output"
    problem = assert_problem(client.post(path, content=body), status)
    assert any(names in text for text in (problem["detail"], *(each["pointer"] for each in problem.get("errors", [])))), problem
    assert len(json.dumps(problem)) < 5000
    assert client.post(path, json=GOOD).status_code == 200


MANY = ",".join(f'"k{i}":1' for i in range(5000))


@pytest.mark.parametrize("body", [f"{{{MANY}}}", changed(params=f"{{{MANY}}}"), changed(**{"k" * 100_000: "1"})])
def test_a_refusal_is_short_however_much_is_wrong(body: str, client: TestClient) -> None:
    reply = client.post("/grad", content=body)
    assert_problem(reply, 422, "k")
    assert len(reply.content) < 20_000


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("field", FIELDS)
def test_the_wrong_type_in_any_field_is_refused_by_its_name(field: str, value: str, client: TestClient) -> None:
    members = {"loss": '"bce"', "scores": "[[1,2],[3,4]]", "labels": "[[0],[1]]", field: value}
    if field == "targets" and value != "null":
        del members["labels"]
    reply = client.post("/grad", content="{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}")
    if (field, value) in ADMITTED:
        assert reply.status_code == 200, reply.text
    elif field == "loss" and value.startswith('"'):
        assert_problem(reply, 404, "no loss named")
    else:
        assert len(assert_problem(reply, 422, field)["detail"]) < 1000


def test_the_next_request_on_the_same_connection_is_answered(live_service: str) -> None:
    good = json.dumps(GOOD).encode()
    with contextlib.closing(http.client.HTTPConnection(live_service.removeprefix("http://"), timeout=20)) as connection:

        def post(body: str | bytes) -> tuple[int, bytes]:
            connection.request("POST", "/grad", body)
            reply = connection.getresponse()
            return reply.status, reply.read()

        first = post(good)
        assert first[0] == 200
        socket = connection.sock
        for about, (body, status, _) in HOSTILE.items():
            assert post(body)[0] == status, about
            assert post(good) == first, about
        assert connection.sock is socket, "the connection was closed in between"


def refuse_constant(name: str) -> None:
    """JSON has no NaN and no infinity."""
    raise AssertionError(f"{name} in a reply")


def assert_answered(reply: httpx2.Response, request: dict[str, Any] | None = None) -> None:
    """The reply is right in form, whatever the request was."""
    if reply.status_code != 200:
        assert reply.status_code in {400, 404, 413, 415, 422}, (reply.status_code, request)
        assert_problem(reply, reply.status_code)
        return
    answer = json.loads(reply.content, parse_constant=refuse_constant)
    assert set(answer) == {"loss", "grad"}
    assert np.isfinite(np.array(answer["grad"], np.float64)).all()
    assert np.isfinite(np.array(answer["loss"], np.float64)).all()
    if request is not None:
        shape = np.shape(request["scores"])
        assert np.shape(answer["grad"]) == shape
        unit = find(request.get("loss", "softmax_cross_entropy")).about.unit if request.get("reduction") == "none" else ""
        assert np.shape(answer["loss"]) == {"row": shape[:1], "element": shape}.get(unit, ())


FRAGMENT = st.sampled_from(
    ['{"scores":', "[[1,2]]", ',"labels":', "[[0]]", "}", "[", "]", ",", '"', "\\", "1e5", "NaN", '"loss":', "\ufeff", ":"]
)
FUZZ = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(body=st.binary(max_size=200) | st.lists(FRAGMENT, max_size=12).map(lambda parts: "".join(parts).encode()))
def test_no_bytes_are_too_odd_to_be_answered(body: bytes, client: TestClient) -> None:
    assert_answered(client.post("/grad", content=body))


@FUZZ
@given(place=st.integers(0), byte=st.integers(0, 255), insert=st.booleans())
def test_no_single_byte_breaks_it(place: int, byte: int, insert: bool, client: TestClient) -> None:
    body = bytearray(json.dumps(GOOD | {"loss": "bce", "pos_weight": 2, "params": {}, "mask": [[1, 1, 0], [True, 1, 1]]}).encode())
    place %= len(body)
    body[place : place + (not insert)] = bytes([byte])
    assert_answered(client.post("/grad", content=bytes(body)))


NUMBER = (
    st.floats(allow_nan=False, allow_infinity=False) | st.floats(-50, 50) | st.integers(-3, 3) | st.sampled_from([1e4, -1e4, 1e38, 2**63])
)
MATRIX = st.lists(st.lists(NUMBER, min_size=3, max_size=3), min_size=2, max_size=2)
JSON = st.recursive(st.none() | st.booleans() | NUMBER | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=8)
VALID = st.fixed_dictionaries(
    {
        "loss": st.sampled_from(sorted(names(), key=str.lower)),
        "scores": MATRIX,
        "labels": st.lists(st.lists(st.integers(0, 2), max_size=3, unique=True), min_size=2, max_size=2),
    },
    optional={
        "reduction": st.sampled_from(["none", "sum", "mean"]),
        "mean_over": st.sampled_from(["rows", "elements", "weights", "valid", "positives"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "runtime": st.sampled_from(["pytorch", "onnx"]),
        "class_weight": st.lists(st.floats(0, 1e30), min_size=3, max_size=3),
        "sample_weight": st.lists(NUMBER, min_size=2, max_size=2),
        "mask": st.lists(st.lists(st.sampled_from([0, 1, True, False]), min_size=3, max_size=3), min_size=2, max_size=2),
        "ignore_index": st.integers(-1, 2),
        "grad_output": NUMBER,
    },
)


@FUZZ
@given(
    request=VALID,
    fields=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), JSON, max_size=1),
    lost=st.sets(st.sampled_from(FIELDS), max_size=1),
)
def test_no_almost_valid_request_breaks_it(request: dict[str, Any], fields: dict[str, Any], lost: set[str], client: TestClient) -> None:
    request = {name: value for name, value in (request | fields).items() if name not in lost}
    assert_answered(client.post("/grad", content=json.dumps(request).encode()), request)
