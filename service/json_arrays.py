"""A number array, straight from its text to numpy: no number becomes a Python object on the way.

`numbers` reads one array, a piece at a time, because the parser holds the interpreter's lock while it works and other requests should
not notice. simdjson flattens nested and ragged lists silently, so every piece is counted: the brackets, the rows and the numbers in each
must agree. Only where they do not is a piece read again, slowly, to say what is wrong and where.
"""

import json
import math
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import simdjson

from models.checks import Array
from models.errors import InvalidJob, InvalidScores, InvalidTargets, Problem, shortened
from service.errors import MalformedRequest, TensorTooLarge
from service.json_pieces import Piece, pieces

Kind = Literal["number", "integer", "flag"]
MOST_DIGITS = 4000  # of an integer, where something is wrong; Python refuses longer ones


@dataclass(frozen=True)
class Numbers:
    """One array: all its numbers in a row, and how many each of its lists has (None: it is itself a plain list of numbers)."""

    values: Array
    counts: Array | None


class Place(NamedTuple):
    """Where in its field a piece begins."""

    row: int
    column: int


START = Place(0, 0)


def numbers(body: bytes | bytearray, span: tuple[int, int], name: str, kind: Kind = "number", most: int = 1 << 62) -> Numbers:
    """Read the array of the field `name`.

    Raises InvalidJob with a pointer, MalformedRequest where it is not JSON, and TensorTooLarge where there are more than `most` numbers.
    """
    parser, left = simdjson.Parser(), most
    values: list[Array] = []
    counts: list[Array] = []
    place = START
    for piece in pieces(body, *span):
        found = piece_of_numbers(parser, piece, name, kind, place)
        if values and (found.counts is None) == bool(counts):
            raise wrong(name, f"/{place.row}", "expected either lists or numbers, found both")
        values.append(found.values)
        left -= len(found.values)
        if left < 0:
            raise TensorTooLarge(name, most)
        if found.counts is None:
            place = Place(place.row + len(found.values), 0)
            continue
        rows = np.concatenate([found.counts[:1] + place.column, found.counts[1:]])
        counts.append(rows[:-1] if piece.goes_on else rows)
        place = Place(place.row + len(counts[-1]), int(rows[-1]) if piece.goes_on else 0)
    return Numbers(np.concatenate(values), np.concatenate(counts) if counts else None)


def piece_of_numbers(parser: simdjson.Parser, piece: Piece, name: str, kind: Kind, place: Place) -> Numbers:
    """One piece, fast; or, if anything about it is odd, slowly."""
    try:
        found = fast(parser, piece, kind)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        found = None
    return found or slow(piece.text, name, kind, place)


def fast(parser: simdjson.Parser, piece: Piece, kind: Kind) -> Numbers | None:
    """What simdjson reads, if every bracket, row and number is accounted for."""
    text = with_numbers(piece.text) if kind == "flag" else piece.text
    document = parser.parse(text)
    if not isinstance(document, simdjson.Array):
        return None
    buffer = document.as_buffer(of_type="i" if kind == "integer" else "d")
    dtype = np.int64 if kind == "integer" else np.float64
    values = np.frombuffer(buffer, dtype) if len(memoryview(buffer)) else np.empty(0, dtype)
    counts = np.fromiter(map(len, cast(Iterable[Sized], document)), np.int64) if piece.lists else None  # a number has none: TypeError
    if counts is not None and (len(counts) != piece.lists or counts.sum() != len(values)):
        return None
    if text != piece.text and ((values != 0) & (values != 1)).any():  # where there are no words, whoever wants flags checks that
        return None
    return Numbers(values, counts)


def with_numbers(text: bytes) -> bytes:
    """1 and 0 for true and false, with spaces around: what was no JSON is none still."""
    return text.replace(b"true", b" 1  ").replace(b"false", b"  0  ") if b"e" in text else text


def slow(piece: bytes, name: str, kind: Kind, place: Place) -> Numbers:
    """The same by Python's parser: to say what is wrong with a piece."""
    try:
        value = json.loads(piece, parse_int=any_integer)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise MalformedRequest(f"the body is not application/json: in {name}, {shortened(reason)}") from None
    return counted(value, name, kind, place)


def counted(value: Any, name: str, kind: Kind, place: Place = START) -> Numbers:
    """A list, or list of lists, of Python numbers; raises InvalidJob for the first thing in it that does not belong."""
    refuse_odd(value, name, kind, place)
    rows = value if value and isinstance(value[0], list) else None
    flat = value if rows is None else [each for row in rows for each in row]
    dtype = np.int64 if kind == "integer" else np.float64
    return Numbers(np.array(flat, dtype), None if rows is None else np.array([len(row) for row in rows]))


def any_integer(digits: str) -> float:
    """An integer of any length; beyond what any float can hold, infinity."""
    return int(digits) if len(digits) < MOST_DIGITS else math.inf


def refuse_odd(value: Any, name: str, kind: Kind, place: Place) -> None:
    """Raise for the first thing that is not what this field holds: all numbers, or all lists of numbers."""
    if not isinstance(value, list):
        raise wrong(name, "", f"expected a list, found {described(value)}")
    lists = bool(value) and isinstance(value[0], list)
    for i, row in enumerate(value, place.row):
        if lists and not isinstance(row, list):
            raise wrong(name, f"/{i}", f"expected a list, like the rows before; found {described(row)}")
        first_column = place.column if i == place.row else 0
        for j, each in enumerate(row, first_column) if lists else [(None, row)]:
            if not fits(each, kind):
                raise wrong(name, f"/{i}" if j is None else f"/{i}/{j}", f"expected {EXPECTED[kind]}, found {described(each)}")


EXPECTED = {"number": "a finite number", "integer": "an integer", "flag": "0, 1, true or false"}


def fits(value: Any, kind: Kind) -> bool:
    """Whether one entry is what this kind of array holds."""
    if kind == "flag":
        return isinstance(value, int | float) and value in (0, 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "integer":
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return abs(value) <= LARGEST


LARGEST = float(np.finfo(np.float64).max)


def described(value: Any) -> str:
    """A JSON value in words."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, float) and math.isinf(value):
        return "an infinity, or a number too large for float64"
    return f"the string {shortened(value)}" if isinstance(value, str) else shortened(value)


def wrong(name: str, place: str, detail: str) -> InvalidJob:
    """The error for something odd at this place of a field."""
    error = InvalidTargets if name in ("targets", "labels", "label_weights") else InvalidScores
    return error(Problem(f"/{name}{place}", detail))
