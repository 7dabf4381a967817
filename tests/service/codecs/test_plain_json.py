"""application/json: golden bytes, and the same fields as json.loads and numpy give."""

import json
import random
import time
from typing import Any
from unittest import mock

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.contract import Result
from models.errors import InvalidJob, JobError, UnknownLoss
from models.labels import Labels
from service import json_pieces
from service.codecs.plain_json import CODEC, MATRICES, VECTORS, read, write
from service.errors import MalformedRequest, TensorTooLarge
from service.settings import MOST_ELEMENTS
from tests.service.problems import assert_problem

REQUEST = b"""\xef\xbb\xbf{
  "loss": "focal", "params": {"gamma": 1.5, "alpha": null}, "dtype": "float64",
  "scores": [[2.0, 0.5, -1e0], [0.1, 12E-1, 3]], "labels": [[0], [ ]], "label_weights": [[-0.5], []],
  "class_weight": [1, 2, 0.5], "pos_weight": 2, "sample_weight": [1, -1], "element_weight": [[1, 2, 3], [4, 5, 6]],
  "mask": [[1, true, 0], [false, 1, 1]], "ignore_index": -100, "reduction": "none", "mean_over": "valid",
  "grad_output": [[1, 2, 3], [4, 5, 6]], "runtime": "onnx", "targets": null
}"""
SMALL = b'{"loss": "bce", "scores": [[2.0, 0.5], [0.1, 1.2]], "labels": [[0], [1, 0]], "pos_weight": [1, 2], "params": {}}'
WEIGHTS = {"class_weight": [1, 0.5, 2], "sample_weight": [-1, 3], "pos_weight": [1, 2, 3], "grad_output": 2, "ignore_index": -100}
OBJECT = {"loss": "focal", "params": {"gamma": 2, "x": [1, [2]]}, "dtype": "float64", "mask": [[1, 0, 1], [0, 1, 1]], **WEIGHTS}


def fields(text: str | bytes) -> dict[str, Any]:
    """The fields that the codec reads."""
    return read(bytearray(text if isinstance(text, bytes) else text.encode()), {}, MOST_ELEMENTS)


def pointers(text: str | bytes) -> list[str]:
    """Where the request is refused."""
    with pytest.raises(InvalidJob) as refused:
        CODEC.decode(bytearray(text if isinstance(text, bytes) else text.encode()), {}, True, MOST_ELEMENTS)
    return [each.pointer for each in refused.value.problems]


def test_a_request_written_by_hand_gives_its_fields() -> None:
    found = fields(REQUEST)
    labels = found.pop("labels")
    assert isinstance(labels, Labels)
    assert (labels.indices.tolist(), labels.offsets.tolist(), labels.flat) == ([0], [0, 1, 1], False)
    assert labels.indices.dtype == np.int64
    assert labels.weights is not None
    assert labels.weights.tolist() == [-0.5]
    arrays = {name: (value.dtype.kind, value.tolist()) for name, value in found.items() if isinstance(value, np.ndarray)}
    assert arrays == {
        "scores": ("f", [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]),
        "class_weight": ("f", [1, 2, 0.5]),
        "sample_weight": ("f", [1, -1]),
        "element_weight": ("f", [[1, 2, 3], [4, 5, 6]]),
        "mask": ("f", [[1, 1, 0], [0, 1, 1]]),
        "grad_output": ("f", [[1, 2, 3], [4, 5, 6]]),
    }
    assert {name: value for name, value in found.items() if name not in arrays} == {
        "loss": "focal",
        "params": {"gamma": 1.5, "alpha": None},
        "dtype": "float64",
        "pos_weight": 2.0,
        "ignore_index": -100,
        "reduction": "none",
        "mean_over": "valid",
        "runtime": "onnx",
        "targets": None,
    }


def test_one_label_a_row_may_stand_without_its_brackets() -> None:
    labels = fields('{"scores": [[1, 2], [3, 4]], "labels": [1, 0], "label_weights": [0.5, 2]}')["labels"]
    assert (labels.indices.tolist(), labels.offsets.tolist(), labels.weights.tolist(), labels.flat) == ([1, 0], [0, 1, 2], [0.5, 2], True)


@pytest.mark.parametrize(
    ("result", "golden"),
    [
        (Result(loss=np.float32(0.1)), b'{"loss":0.1}'),
        (Result(loss=np.float64(0.1) + 0.2), b'{"loss":0.30000000000000004}'),
        (Result(loss=np.array(np.float32(1) / 3)), b'{"loss":0.33333334}'),
        (Result(loss=np.float32([0.1, -0.0])), b'{"loss":[0.1,-0.0]}'),
        (Result(loss=np.float64([[1e22, 5e-324]])), b'{"loss":[[1e+22,5e-324]]}'),
        (
            Result(loss=np.float32(3.4028235e38), grad=np.float32([[1e-45, 16777216], [0.7, -1]])),
            b'{"loss":3.4028235e+38,"grad":[[1e-45,16777216.0],[0.7,-1.0]]}',
        ),
        (Result(loss=np.float64([2]), grad=np.float64([[1 / 3]])), b'{"loss":[2.0],"grad":[[0.3333333333333333]]}'),
        (Result(loss=np.float64([1, 2]), grad=np.float64([[1, 2], [3, 4]]).T), b'{"loss":[1.0,2.0],"grad":[[1.0,3.0],[2.0,4.0]]}'),
    ],
)
def test_a_result_gives_exactly_these_bytes(result: Result, golden: bytes) -> None:
    assert b"".join(write(result)) == golden


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 70_000), (70_000, 3), (1, 65_537), (65_536, 1), (7, 9_363)])
def test_numbers_come_back_as_they_were_sent_however_many_pieces_they_are_sent_in(dtype: type, shape: tuple[int, int]) -> None:
    bits = np.random.default_rng(1).integers(0, 2**63, shape, dtype=np.uint64).view(np.float64)
    with np.errstate(over="ignore"):
        grad = np.nan_to_num(bits, nan=0.5, posinf=1, neginf=1).astype(dtype)
    grad = np.where(np.isfinite(grad), grad, 0.1).astype(dtype)
    parts = write(Result(loss=grad[:, 0].copy(), grad=grad))
    reply = json.loads(b"".join(parts))
    np.testing.assert_array_equal(np.array(reply["grad"]).astype(dtype), grad)
    np.testing.assert_array_equal(np.array(reply["loss"]).astype(dtype), grad[:, 0])
    assert max(map(len, parts)) < 4 << 20


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_is_printed_in_the_fewest_digits_that_read_back_the_same(value: float) -> None:
    text = b"".join(write(Result(loss=np.float32(value)))).decode()[len('{"loss":') : -1]
    assert np.float32(text) == np.float32(value)
    shortest = np.format_float_scientific(np.float32(value), unique=True, trim="-")
    digits = [each.lower().partition("e")[0].replace(".", "").replace("-", "").strip("0") for each in (text, shortest)]
    assert len(digits[0]) <= len(digits[1])


def escaped(name: str, chance: random.Random) -> str:
    """A JSON string in which some letters are written as escapes."""
    letters = (f"\\u{ord(each):04{chance.choice('xX')}}" if chance.random() < 0.3 else each for each in name)
    return f'"{"".join(letters)}"'


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), min_size=2, max_size=2),
    labels=st.lists(st.lists(st.integers(0, 2), max_size=3), min_size=2, max_size=2),
    left_out=st.sets(st.sampled_from(sorted(OBJECT))),
    chance=st.randoms(use_true_random=False),
    piece_bytes=st.sampled_from([1, 3, 8, 1 << 20]),
)
def test_any_order_spacing_and_spelling_of_the_names_reads_the_same(
    rows: list[list[float]], labels: list[list[int]], left_out: set[str], chance: random.Random, piece_bytes: int
) -> None:
    members = {**{name: value for name, value in OBJECT.items() if name not in left_out}, "scores": rows, "labels": labels}
    names = list(members)
    chance.shuffle(names)
    gap = chance.choice(["", " ", "\n\t\r "])
    inside = ",".join(f"{gap}{escaped(name, chance)}{gap}:{gap}{json.dumps(members[name])}{gap}" for name in names)
    with mock.patch.object(json_pieces, "PIECE_BYTES", piece_bytes):
        found = fields(f"{gap}{{{inside}}}{gap}")
    assert set(found) == set(members)
    for name, value in members.items():
        if name in MATRICES | VECTORS or isinstance(found[name], np.ndarray):
            np.testing.assert_array_equal(found[name], np.array(value, np.float64))
        elif name != "labels":
            assert found[name] == value
    assert np.split(found["labels"].indices, found["labels"].offsets[1:-1])[1].tolist() == labels[1]
    assert found["labels"].counts.tolist() == [len(row) for row in labels]


@pytest.mark.parametrize(
    "text",
    [
        '{"scores":[[1]],"scores":[[1]],"labels":[0]}',
        '{"scores":[[1]],"scor\\u0065s":[[1]],"labels":[0]}',
        '{"\\u0073cores":[[1]],"scores":"x","labels":[0]}',
        '{"scores":[[1]],"labels":[0],"labels":null}',
        '{"scores":[[1]],"labels":[0],"params":{"a":1,"a":1}}',
        '{"scores":[[1]],"labels":[0],"x":1,"x":1}',
    ],
)
def test_a_name_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequest, match="is there twice"):
        fields(text)


def test_a_name_that_is_there_twice_among_very_many_is_found_at_once(client: TestClient) -> None:
    names = [f'"k{i}":1' for i in range(20_000)]
    began = time.perf_counter()
    problem = assert_problem(client.post("/grad", content="{" + ",".join([*names, names[-1]]) + "}"), 400)
    assert time.perf_counter() - began < 1
    assert "k19999" in problem["detail"]


@pytest.mark.parametrize(
    "odd", ['"scores":[[1]]', '\\"scores\\":[[1]]', "]]", "[[", "}{", "{[}]", "\\\\", '\\\\\\"', '","scores":[[9]],"x":"', "ä[\u2028"]
)
def test_brackets_and_names_inside_strings_do_not_confuse_it(odd: str) -> None:
    text = odd if odd.count('"') == odd.count('\\"') else json.dumps(odd)[1:-1]
    whole = (
        f'{{"loss":"{text}","scores":[[1,2]],"params":{{"a":"{text}","scores":[[3]],"b":["{text}",[1]]}},"labels":[[1]],"dtype":"{text}"}}'
    )
    expected = json.loads(whole)
    found = fields(whole)
    assert found["scores"].tolist() == [[1, 2]]
    assert found["labels"].indices.tolist() == [1]
    assert {name: found[name] for name in ("loss", "params", "dtype")} == {name: expected[name] for name in ("loss", "params", "dtype")}


def test_a_loss_named_like_an_array_is_just_unknown() -> None:
    with pytest.raises(UnknownLoss, match=r"no loss named '\"scores\":\[\[1\]\]'"):
        CODEC.decode(bytearray(rb'{"loss":"\"scores\":[[1]]","scores":[[1]],"labels":[0]}'), {}, True, MOST_ELEMENTS)


ODD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, "-" + "9" * 400, "9" * 10_000, '"NaN"', '"Infinity"', '"1"']


@pytest.mark.parametrize("odd", ODD_NUMBERS)
@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("scores", "[[1,2],[3,{}]]", "/scores/1/1"),
        ("targets", "[[1,0],[{},1]]", "/targets/1/0"),
        ("labels", "[[0],[{}]]", "/labels/1/0"),
        ("labels", "[0,{}]", "/labels/1"),
        ("label_weights", "[[1],[{}]]", "/label_weights/1/0"),
        ("class_weight", "[1,{}]", "/class_weight/1"),
        ("sample_weight", "[{},1]", "/sample_weight/0"),
        ("element_weight", "[[1,1],[{},1]]", "/element_weight/1/0"),
        ("mask", "[[1,1],[{},1]]", "/mask/1/0"),
        ("pos_weight", "[1,{}]", "/pos_weight/1"),
        ("pos_weight", "{}", "/pos_weight"),
        ("grad_output", "[[1,1],[{},1]]", "/grad_output/1/0"),
        ("grad_output", "{}", "/grad_output"),
        ("ignore_index", "{}", "/ignore_index"),
        ("params", '{{"temperature":{}}}', "/params/temperature"),
    ],
)
def test_a_number_that_is_none_is_refused_where_it_stands(field: str, value: str, place: str, odd: str) -> None:
    members = {"scores": "[[1,2],[3,4]]", "labels": "[[0],[1]]"} | {field: value.format(odd)}
    if field == "targets":
        del members["labels"]
    assert pointers("{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}") == [place]


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1e400", "9" * 5000])
def test_a_number_that_is_none_is_refused_under_a_name_that_is_unknown(odd: str) -> None:
    assert pointers(f'{{"scores":[[1]],"labels":[0],"x":{odd}}}') == ["/x"]


@pytest.mark.parametrize(
    "body", [b"\xff", b'{"loss":"\xff","scores":[[1]],"labels":[0]}', b'{"scores":[[1\xff]],"labels":[0]}', b'{"\xc3":1}']
)
def test_bytes_that_are_no_utf_8_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="is not application/json"):
        CODEC.decode(bytearray(body), {}, True, MOST_ELEMENTS)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_of_unicode_are_malformed(encoding: str) -> None:
    with pytest.raises(MalformedRequest):
        CODEC.decode(bytearray(SMALL.decode().encode(encoding)), {}, True, MOST_ELEMENTS)


def test_a_byte_order_mark_is_not_minded() -> None:
    found = fields(b"\xef\xbb\xbf" + SMALL)
    assert found.keys() == fields(SMALL).keys()
    assert found["scores"].tolist() == [[2.0, 0.5], [0.1, 1.2]]


@pytest.mark.parametrize("name", ["\\ud800", "\\udfff x", "a\\u0000b", "\\ud83d\\ude00"])
def test_names_that_no_text_can_hold_are_refused_in_words(name: str, client: TestClient) -> None:
    member = f'"{name}":1'
    assert_problem(client.post("/grad", content=f'{{"scores":[[1]],"labels":[0],{member}}}'), 422)
    assert_problem(client.post("/grad", content=f'{{"scores":[[1]],"labels":[0],"params":{{{member}}}}}'), 422)
    assert_problem(client.post("/grad", content=f'{{"scores":[[1]],"labels":[0],"loss":"{name}"}}'), 404)
    assert_problem(client.post("/grad", content=f'{{"scores":[[1]],"labels":[0],"dtype":"{name}"}}'), 422, "dtype")


def test_a_body_that_breaks_off_anywhere_is_refused() -> None:
    for length in range(len(SMALL)):
        with pytest.raises((MalformedRequest, JobError)):
            CODEC.decode(bytearray(SMALL[:length]), {}, True, MOST_ELEMENTS)
    CODEC.decode(bytearray(SMALL), {}, True, MOST_ELEMENTS)


@pytest.mark.parametrize("length", range(0, len(SMALL), 7))
def test_a_body_that_breaks_off_is_400_or_422_on_the_wire(length: int, client: TestClient) -> None:
    reply: httpx2.Response = client.post("/grad", content=SMALL[:length])
    assert_problem(reply, 400 if reply.status_code == 400 else 422)


@pytest.mark.parametrize("text", [b"null", b"true", b"1", b'"x"', b"[]", b"[1]", b'[{"scores":[[1]]}]'])
def test_what_is_no_object_says_so(text: bytes) -> None:
    assert pointers(text) == [""]


@pytest.mark.parametrize("place", ["0", "4"])
def test_ragged_rows_are_named(place: str) -> None:
    rows = [[1, 2]] * 5
    rows[int(place)] = [1]
    named = "1" if place == "0" else place  # row 0 is what the others are held against
    for field in ("scores", "targets", "mask", "element_weight"):
        members: dict[str, Any] = {"loss": "bce", "scores": [[1, 2]] * 5, "targets": [[1, 0]] * 5} | {field: rows}
        assert pointers(json.dumps(members)) == [f"/{field}/{named}"]


@pytest.mark.parametrize(
    ("weights", "pointer"),
    [
        ("[1,1]", "/label_weights"),
        ("[[1]]", "/label_weights"),
        ("[[1],[1,1],[]]", "/label_weights"),
        ("[[1],[1]]", "/label_weights/1"),
        ("[[1,1],[1,1]]", "/label_weights/0"),
        ("[]", "/label_weights"),
    ],
)
def test_label_weights_are_nested_like_labels(weights: str, pointer: str) -> None:
    assert pointers(f'{{"scores":[[1,2],[3,4]],"labels":[[0],[1,0]],"label_weights":{weights}}}') == [pointer]


def test_label_weights_without_labels_are_refused() -> None:
    assert pointers('{"scores":[[1,2]],"targets":[[1,0]],"label_weights":[[1]]}') == ["/label_weights"]


def test_too_much_beside_the_arrays_is_refused() -> None:
    with mock.patch("service.json_object.MOST_BYTES_BESIDE_ARRAYS", 100), pytest.raises(InvalidJob, match="100 bytes"):
        fields('{"scores":[[1]],"labels":[0],"loss":"' + "x" * 100 + '"}')


def test_an_array_of_too_many_numbers_is_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 3 numbers"):
        read(bytearray(b'{"scores":[[1,2],[3,4]],"labels":[0,1]}'), {}, 3)
    assert read(bytearray(b'{"scores":[[1,2],[3,4]],"labels":[0,1]}'), {}, 4)["scores"].shape == (2, 2)
