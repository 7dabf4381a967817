"""ARFF, as far as multi-label data use it: numeric and nominal attributes, dense and sparse rows, `?` where a value is missing.

The form is described at https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/. Strings, dates, relations and
weights of rows are refused: a network of numbers has no use for them.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # a backslash takes the next character as it is
WORD = re.compile(rf"(?:{QUOTED}|[^,'\"])*")  # up to the next comma that is not in quotes
ATTRIBUTE = re.compile(rf"@attribute\s+({QUOTED}|[^\s'\"{{}}]+)\s*(.+)", re.IGNORECASE)
NUMERIC = {"numeric", "real", "integer"}
WANTED = "<name>-train.arff, <name>-test.arff and <name>.xml"
MANY = 2  # so many words have one natural order as numbers, 0 and 1; more have none

Array = np.ndarray[Any, np.dtype[np.float64]]


class DataError(Exception):
    """Data that cannot be read: which file, which line, what is wrong there, and what would do."""


@dataclass(frozen=True)
class Attribute:
    """A column: its name and, where it is nominal, the number that each of its values stands for."""

    name: str
    codes: dict[str, float] | None = None

    def number(self, text: str) -> float:
        """A value as it is written -> its number, NaN where it is missing."""
        if text == "?":
            return math.nan
        if self.codes is None:
            if not is_number(text):
                raise ValueError(f"attribute {self.name!r}: {shown(text)} is no finite number")
            return float(text)
        if text not in self.codes:
            raise ValueError(f"attribute {self.name!r}: {shown(text)} is not one of its values {{{','.join(self.codes)}}}")
        return self.codes[text]

    def unnamed(self) -> float:
        """What a sparse row means by leaving this attribute out: 0, or the first of its values."""
        return 0.0 if self.codes is None else next(iter(self.codes.values()))


@dataclass(frozen=True)
class Table:
    """A file: attributes, values [rows, attributes] with NaN where missing, and the line that each row stands in."""

    file: Path
    attributes: list[Attribute]
    values: Array
    lines: list[int]


def read(file: Path) -> Table:
    """The whole file, or a DataError."""
    lines = meaningful_lines(file)
    attributes = header(file, lines)
    rows = []
    for number, line in lines:
        with at(file, number):
            rows.append((number, sparse(line, attributes) if line.startswith("{") else dense(line, attributes)))
    if not rows:
        raise DataError(f"{file}: no rows after @data")
    return Table(file, attributes, np.array([values for _, values in rows]), [number for number, _ in rows])


def meaningful_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Each line that is neither empty nor a comment, with its number."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}; a data set is a folder with {WANTED}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start} is no UTF-8; save the file in that encoding") from None
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("%"):
            yield number, stripped


class at:  # noqa: N801 - used as a function
    """Whatever is wrong within the block is wrong at this line of this file."""

    def __init__(self, file: Path, number: int) -> None:
        self.place = f"{file}:{number}"

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ValueError):
            raise DataError(f"{self.place}: {error}") from None


def header(file: Path, lines: Iterator[tuple[int, str]]) -> list[Attribute]:
    """The attributes in their order; takes the lines up to and with @data."""
    attributes: dict[str, Attribute] = {}
    for number, line in lines:
        word = line.split(None, 1)[0].lower()
        with at(file, number):
            if word == "@data":
                if attributes:
                    return list(attributes.values())
                raise ValueError("@data without an @attribute before it; each column needs one")
            if word != "@relation":
                found = attribute(line)
                if found.name in attributes:
                    raise ValueError(f"attribute {found.name!r} is there twice; each needs a name of its own")
                attributes[found.name] = found
    raise DataError(f"{file}: no line @data; it stands between the attributes and the rows")


def attribute(line: str) -> Attribute:
    """`@attribute NAME numeric` (or real, integer), or `@attribute NAME {value,value,…}`."""
    match = ATTRIBUTE.fullmatch(line)
    if not match:
        raise ValueError(f"{shown(line)} is none of @relation NAME, @attribute NAME TYPE, @data")
    name, kind = unquoted(match[1]), match[2]
    if kind.lower() in NUMERIC:
        return Attribute(name)
    if not (kind.startswith("{") and kind.endswith("}")):
        raise ValueError(f"attribute {name!r} has the type {shown(kind)}; numeric, and values in braces such as {{0,1}}, can be read")
    values = [unquoted(each) for each in words(kind[1:-1])]
    if all(map(is_number, values)):
        return Attribute(name, {value: float(value) for value in values})
    if len(values) > MANY:
        raise ValueError(f"attribute {name!r} has {len(values)} values that are not numbers; write an attribute {{0,1}} for each of them")
    return Attribute(name, {value: float(code) for code, value in enumerate(values)})


def dense(line: str, attributes: list[Attribute]) -> list[float]:
    """`value,value,…`: as many as there are attributes."""
    found = words(line)
    if len(found) != len(attributes):
        raise ValueError(f"{len(found)} values, but the header has {len(attributes)} attributes")
    return [each.number(unquoted(word)) for each, word in zip(attributes, found, strict=True)]


def sparse(line: str, attributes: list[Attribute]) -> list[float]:
    """`{index value,index value,…}` with indices from 0, each at most once."""
    if not line.endswith("}"):
        raise ValueError("a row that begins with { ends with }")
    named: dict[int, float] = {}
    for word in words(line[1:-1]) if line[1:-1].strip() else []:
        index, value = (*word.split(None, 1), "", "")[:2]
        if not (index.isdecimal() and value):
            raise ValueError(f"{shown(word)} is no 'index value'; a sparse row is {{index value,index value,…}}")
        if int(index) >= len(attributes):
            raise ValueError(f"index {index}, but the header has {len(attributes)} attributes, and indices begin at 0")
        if int(index) in named:
            raise ValueError(f"index {index} is there twice")
        named[int(index)] = attributes[int(index)].number(unquoted(value))
    return [named.get(place, each.unnamed()) for place, each in enumerate(attributes)]


def words(text: str) -> list[str]:
    """What stands between the commas, without the space around it; quotes are still on."""
    if "'" not in text and '"' not in text:
        return [each.strip() for each in text.split(",")]
    found, place = [], 0
    while True:
        match = WORD.match(text, place)
        assert match is not None  # it matches the empty text too
        found.append(match[0].strip())
        if match.end() == len(text):
            return found
        if text[match.end()] != ",":
            raise ValueError(f"a quote that does not end: {shown(text[match.end() :])}")
        place = match.end() + 1


def unquoted(word: str) -> str:
    """A word without its quotes and backslashes."""
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[:1] in ("'", '"') else word


def is_number(text: str) -> bool:
    """Whether this is a finite number as ARFF writes them (Python's own 1_000 is none)."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def shown(text: str) -> str:
    """Quoted, and cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
