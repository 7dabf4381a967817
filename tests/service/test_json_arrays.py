"""Number arrays straight from the text: the same numbers as json.loads, or a refusal that points at the first that does not belong."""

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidJob
from service import json_arrays, json_pieces
from service.errors import MalformedRequest
from service.json_arrays import Kind, Numbers, numbers
from service.json_outline import outline

WHOLE = 1 << 20
PIECES = [1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 21, WHOLE]
WORDS = ["true", "false"]
FORMS = ["0", "-0", "0.0", "-0.0", "1e5", "1.5E-3", "1E+2", "-1e-0", "1e308", "-1.7976931348623157e308", "4.9e-324", "1e-999", "2e-308"]
FORMS += ["9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "1" + "0" * 300]
FORMS += ["0.1000000000000000055511151231257827021181583404541015625", "2.2250738585072011e-308", "123456789.123456789e-9", "0e9999"]
NUMBER = st.sampled_from(FORMS) | st.integers(-(2**63), 2**63).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
INTEGER = st.integers(-(2**63), 2**63 - 1).map(str) | st.sampled_from(["0", "-0", "9223372036854775807", "-9223372036854775808"])


MALFORMED = ["[[1],[2],]", "[[1][2]]", "[[1],,[2]]", "[,[1]]", "[[1],[2]],[[3],[4]]", "[[1],[2]]]", "[1,]", "[1 2]", "[[1],[1 2]]"]
MALFORMED += ["[[1],[01]]", "[[1],[+1]]", "[[.5],[1]]", "[[1.],[1]]", "[[1],[0x1]]", "[[1],[1e]]", "[[1],[-]]", "[[1],[nan]]"]
MALFORMED += ["[[1], [2\x00]]", "[[1],[2\xa0]]"]
HOSTILE = [b'{"a":"' + b"\\n" * 2_000_000 + b'"}', b'{"a":"' + b"\\n" * 2_000_000, b'{"' * 300_000, b'{"a":' * 300_000]
HOSTILE += [b'{"a":[' * 300_000, b'{"a":[1' * 300_000, b'{"a":' + b"[" * 2_000_000, b'{"x":[1],' * 300_000, b'{"a":[' + b"{" * 2_000_000]
HOSTILE += [b'"' * 2_000_001, b'{"' + b"a" * 2_000_000]


@contextlib.contextmanager
def pieces_of(size: int) -> Iterator[None]:
    """Arrays are read in pieces of about so many bytes."""
    with mock.patch.object(json_pieces, "PIECE_BYTES", size):
        yield


def spaced(value: list[object], chance: random.Random) -> str:
    """A nested list of number texts as JSON, with white space wherever it may stand."""

    def gap() -> str:
        return chance.choice(["", "", " ", "\n\t", "\r\n  "])

    inside = f"{gap()},{gap()}".join(spaced(each, chance) if isinstance(each, list) else str(each) for each in value)
    return f"[{gap()}{inside}{gap()}]"


def read(text: str, kind: Kind = "number", piece_bytes: int = WHOLE) -> Numbers:
    """The array of a request, cut out and read in pieces."""
    body = f'{{"x": {text}}}'.encode()
    cut = outline(body)
    assert len(cut.spans) == 1, "the array was not cut out"
    with pieces_of(piece_bytes):
        return numbers(body, *cut.spans.values(), "x", kind)


def refusal(text: str, kind: Kind, piece_bytes: int) -> str:
    """The pointer of the first thing in the array that is refused."""
    with pytest.raises(InvalidJob) as refused:
        read(text, kind, piece_bytes)
    (problem,) = refused.value.problems
    return problem.pointer


def assert_reads_as_json_does(text: str, kind: Kind, piece_bytes: int) -> None:
    value = json.loads(text)
    nested = bool(value) and isinstance(value[0], list)
    flat = [each for row in value for each in row] if nested else value
    expected = np.array(flat, np.int64 if kind == "integer" else np.float64)
    found = read(text, kind, piece_bytes)
    np.testing.assert_array_equal(found.values, expected)
    if kind == "integer":
        assert found.values.dtype == np.int64 or not flat
    else:
        np.testing.assert_array_equal(np.signbit(found.values), np.signbit(expected))
    if nested:
        assert found.counts is not None
        assert found.counts.tolist() == [len(row) for row in value]
    else:
        assert found.counts is None


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(NUMBER, max_size=4), max_size=8), st.randoms(use_true_random=False), st.sampled_from(PIECES))
def test_lists_of_numbers_read_as_python_reads_them(value: list[object], chance: random.Random, piece_bytes: int) -> None:
    assert_reads_as_json_does(spaced(value, chance), "number", piece_bytes)


@settings(deadline=None, max_examples=150)
@given(st.lists(NUMBER, max_size=12), st.randoms(use_true_random=False), st.sampled_from(PIECES))
def test_a_plain_list_of_numbers_reads_as_python_reads_it(value: list[object], chance: random.Random, piece_bytes: int) -> None:
    assert_reads_as_json_does(spaced(value, chance), "number", piece_bytes)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(INTEGER, max_size=4), max_size=8), st.randoms(use_true_random=False), st.sampled_from(PIECES))
def test_integers_keep_all_their_64_bits(value: list[object], chance: random.Random, piece_bytes: int) -> None:
    assert_reads_as_json_does(spaced(value, chance), "integer", piece_bytes)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_number_is_read_to_the_last_bit(form: str) -> None:
    assert_reads_as_json_does(f"[[{form}, 1], [{form}, {form}]]", "number", WHOLE)


@pytest.mark.parametrize("piece_bytes", PIECES)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[1,[]]", "/1"),
        ("[1,[2]]", "/1"),
        ("[[1],2]", "/1"),
        ("[[1],[2],[3],4,[5]]", "/3"),
        ("[[],1]", "/1"),
        ("[[1,[2]],[3,4]]", "/0/1"),
        ("[[3,4],[1,[2]]]", "/1/1"),
        ("[[1,[]],[2,[3,4]]]", "/0/1"),
        ("[[1,2],[[],3],[4]]", "/1/0"),
        ("[[[1]],[[2]]]", "/0/0"),
        ("[[[1],[2]],[[3],[4]]]", "/0/0"),
        ("[[1],[2],[3,[4],[5],[6]],[7]]", "/2/1"),
        ("[[[]]]", "/0/0"),
        ("[[1,true],[1,1]]", "/0/1"),
        ("[[1,1],[1,false]]", "/1/1"),
        ("[true]", "/0"),
        ("[[1],[null]]", "/1/0"),
        ("[null,1]", "/0"),
        ("[[1],null,[2]]", "/1"),
        ("[[1],[NaN]]", "/1/0"),
        ("[[1],[2],[Infinity]]", "/2/0"),
        ("[[1],[2],[-Infinity,1]]", "/2/0"),
        ("[[1],[2],[3],[1e400]]", "/3/0"),
        ("[-1e400]", "/0"),
        ("[[1],[0," + "9" * 400 + "]]", "/1/1"),
        ("[[1],[0,-" + "9" * 100_000 + "]]", "/1/1"),
    ],
)
def test_what_is_no_list_of_numbers_is_pointed_at_in_every_piece(text: str, place: str, piece_bytes: int) -> None:
    assert refusal(text, "number", piece_bytes) == f"/x{place}"
    assert refusal(text.replace(",", " ,\n"), "number", piece_bytes) == f"/x{place}"


@pytest.mark.parametrize("piece_bytes", PIECES)
@pytest.mark.parametrize("odd", ["1.0", "1e0", "0.5", "-0.0", "true", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "[]"])
def test_an_index_is_an_integer_of_64_bits(odd: str, piece_bytes: int) -> None:
    assert refusal(f"[[1],[2,3],[4,{odd}]]", "integer", piece_bytes) == "/x/2/1"
    assert refusal(f"[1,2,{odd}]", "integer", piece_bytes) == "/x/2"


@pytest.mark.parametrize("piece_bytes", [1, 8, WHOLE])
def test_a_mask_is_of_numbers_or_booleans_or_both(piece_bytes: int) -> None:
    for text in ("[[1,0],[0,1]]", "[[true,false],[false,true]]", "[[1,false],[0.0,true]]", "[[true,0],[0,1.0]]"):
        found = read(text, "flag", piece_bytes)
        assert found.values.astype(bool).tolist() == [True, False, False, True]
        assert found.counts is not None
    assert refusal("[[1,0],[true,null]]", "flag", piece_bytes) == "/x/1/1"
    assert refusal("[[1,0],[true,2]]", "flag", piece_bytes) == "/x/1/1"


@settings(max_examples=1000)
@given(st.lists(st.sampled_from([*WORDS, *WORDS, ",", ",", *"tfe10-+. []", "rue", "alse", "null"]), min_size=1, max_size=5).map("".join))
def test_words_beside_anything_are_flags_only_where_python_reads_them_so(inside: str) -> None:
    text = f"[{inside}]"
    try:
        value = json.loads(text)
        expected = [each for row in value for each in row] if isinstance(value[0], list) else value
    except (ValueError, TypeError, IndexError):  # no JSON, not all lists, or nothing in it
        expected = None
    try:
        found = numbers(text.encode(), (0, len(text)), "mask", "flag").values.tolist()
    except (MalformedRequest, InvalidJob):
        assert expected is None or not all(isinstance(each, int | float) and each in (0, 1) for each in expected)
    else:
        assert json.loads(text) is not None
        assert found == (expected or [])


RUN_TOGETHER = ["1.false", "1.true", "0etrue", "0efalse", "-false", "true.0", "truee0", "false.0", "falsee1", "truefalse", "ttruerue"]


@pytest.mark.parametrize("odd", RUN_TOGETHER)
def test_words_that_run_into_numbers_are_no_json(odd: str) -> None:
    with pytest.raises(MalformedRequest):
        read(f"[{odd}]", "flag")


def test_a_mask_of_booleans_is_not_read_slowly() -> None:
    with mock.patch.object(json_arrays, "slow", side_effect=AssertionError):
        assert read("[[true,false],[ false , 1]]", "flag").values.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("piece_bytes", PIECES)
@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_json_is_malformed_in_every_piece(text: str, piece_bytes: int) -> None:
    body = f'{{"x":{text}}}'.encode()
    with pieces_of(piece_bytes):
        spans = outline(body).spans
        if not spans:  # left where it stood: Python's parser will refuse it
            with pytest.raises(ValueError, match="line 1"):
                json.loads(body)
            return
        with pytest.raises(MalformedRequest, match="in x, "):
            numbers(body, *spans.values(), "x", "number")


def test_arrays_of_several_pieces_are_as_long_as_they_were() -> None:
    rows = np.arange(300_000, dtype=np.float64).reshape(-1, 3) / 7
    text = json.dumps(rows.tolist())
    assert len(text) > 3 * WHOLE
    found = read(text)
    np.testing.assert_array_equal(found.values, rows.ravel())
    assert found.counts is not None
    assert (found.counts == 3).all()
    assert len(found.counts) == len(rows)
    odd = text.replace(json.dumps(rows[77_777].tolist()), "[1, 2, null]")
    assert refusal(odd, "number", WHOLE) == "/x/77777/2"


def test_rows_without_labels_stay_integers_when_others_are_read_beside_them() -> None:
    text = "[" + "[],\n" * 400_000 + "[1]]"
    assert read(text, "integer").values.tolist() == [1]
    assert read("[[],[1],[],[2]]", "integer", 1).values.dtype == np.int64


def test_only_arrays_of_the_outermost_object_are_cut_out() -> None:
    for body in (
        b'[{"x": [1]}]',
        b'{"p": {"x": [1]}}',
        b'{"p": [{"x": [1]}]}',
        b'["x", [1]]',
        b'{"p": "\\"x\\": [1]"}',
        b'{"x": ["a"]}',
        b"{",
    ):
        cut = outline(body)
        assert cut.text == body
        assert not cut.spans


def test_what_is_left_beside_the_arrays_is_small_and_still_json() -> None:
    body = b'{"a":"]","scores":[[1,2],[3]],"p":{"x":[1]},"labels" : [ 0,1 ] ,"b":"[","c":[],"d":"\\\\","e":[[]]}'
    cut = outline(body)
    left = json.loads(cut.text)
    assert [body[slice(*cut.spans[left[name]])] for name in ("scores", "labels", "c", "e")] == [b"[[1,2],[3]]", b"[ 0,1 ]", b"[]", b"[[]]"]
    assert (left["a"], left["p"], left["b"], left["d"]) == ("]", {"x": [1]}, "[", "\\")


@pytest.mark.parametrize("body", HOSTILE)
def test_the_outline_of_a_hostile_text_takes_time_and_memory_by_its_length(body: bytes) -> None:
    began = time.perf_counter()
    outline(body)
    assert time.perf_counter() - began < 2
    tracemalloc.start()
    try:
        outline(body)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(body) + (1 << 20)
    finally:
        tracemalloc.stop()


@settings(max_examples=300)
@given(
    rows=st.lists(st.lists(st.sampled_from([0, 1, -2.5, 1e5, 3.25e-3, 123456789]), max_size=9), min_size=1, max_size=8),
    separators=st.sampled_from([",", " , ", ",\n"]),
    piece=st.integers(1, 50),
    long_row=st.integers(1, 100),
    wrong=st.none() | st.tuples(st.integers(0, 7), st.integers(0, 8)),
)
def test_a_long_row_is_read_in_parts_and_pointed_into(
    rows: list[list[float]], separators: str, piece: int, long_row: int, wrong: tuple[int, int] | None
) -> None:
    where = None
    if wrong is not None and wrong[0] < len(rows) and wrong[1] < len(rows[wrong[0]]):
        rows[wrong[0]][wrong[1]] = None  # type: ignore[call-overload]
        where = f"/scores/{wrong[0]}/{wrong[1]}"
    text = json.dumps(rows, separators=(separators, ":")).encode()
    with mock.patch.multiple("service.json_pieces", PIECE_BYTES=piece, LONG_ROW_BYTES=long_row):
        if where is not None:
            with pytest.raises(InvalidJob) as refused:
                numbers(text, (0, len(text)), "scores")
            assert refused.value.problems[0].pointer == where
            return
        found = numbers(text, (0, len(text)), "scores")
    assert found.values.tolist() == [each for row in rows for each in row]
    assert found.counts is not None
    assert found.counts.tolist() == [len(row) for row in rows]


@pytest.mark.parametrize(
    "text", ["[[1],[2],]", "[1,]", "[,1]", "[ ,1]", "[1,,2]", "[[1],,[2]]", "[[1,],[2]]", "[[,1],[2]]", "[[1] [2]]", "[1 2]"]
)
@pytest.mark.parametrize("piece", range(1, 12))
def test_a_comma_too_many_or_too_few_is_never_read_over(text: str, piece: int) -> None:
    with mock.patch.multiple("service.json_pieces", PIECE_BYTES=piece, LONG_ROW_BYTES=1), pytest.raises((MalformedRequest, InvalidJob)):
        numbers(text.encode(), (0, len(text)), "scores")
