"""application/vnd.apache.arrow.stream: an Arrow IPC stream with a row per sample, read by pyarrow as views of the body."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.checks import BFLOAT16, Array
from models.contract import Result
from models.errors import InvalidJob, InvalidParameters, InvalidScores, Problem, few_unknown, problem, shortened
from service.arrow_messages import messages
from service.codec import Bytes, Codec, Part
from service.codecs.plain_json import nested_alike, plain_number, vector
from service.errors import TensorTooLarge
from service.json_arrays import Numbers, counted, wrong
from service.json_object import literal, unique
from service.metadata import AS_JSON, parsed
from service.tensors import TENSORS, fields

WEIGHTS = ("class_weight", "pos_weight")
COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "scores": (("[C]f",), "fixed_size_list[C] of float16, float32 or float64"),
    **dict.fromkeys(("targets", "mask", "element_weight"), (("[C]f", "[C]i", "[C]b"), "fixed_size_list[C] of numbers or booleans")),
    "labels": (("i", "[]i", "[C]i"), "list of integers, or an integer"),
    "label_weights": (("f", "i", "[]f", "[]i", "[C]f", "[C]i"), "numbers, nested like labels"),
    "sample_weight": (("f", "i"), "a number"),
    "grad_output": (("f", "i", "[C]f", "[C]i"), "a number, or fixed_size_list[C] of numbers"),
    **dict.fromkeys(WEIGHTS, ((), "a JSON list in the schema's metadata")),
}
LETTERS = (("f", pa.types.is_floating), ("i", pa.types.is_integer), ("b", pa.types.is_boolean))
WRITTEN_BY_OTHERS = {"pandas", "huggingface", "r"}  # metadata that libraries add, and that says nothing of a loss
EXTENSION = b"ARROW:extension:name"

SHORT_BYTES = 5 << 15  # in more, there may be very many messages


class Column(NamedTuple):
    """A column: [N] or [N, C] values; or, of lists, all [L] values and the [N + 1] offsets of the rows in them."""

    values: Array
    offsets: Array | None = None

    @property
    def counts(self) -> Array | None:
        """How many values each list has, [N]; None where there are no lists."""
        if self.offsets is not None:
            return np.diff(self.offsets)
        return np.full(*self.values.shape) if self.values.ndim == 2 else None


def read(body: Bytes, headers: Mapping[str, str], most_elements: int) -> dict[str, Any]:
    """Bytes -> the fields of a request; columns as views of them where all rows are in one batch."""
    stream = messages(body)
    header, message = next(stream)
    schema = pa.ipc.read_schema(message)
    names = known(schema)
    given = options(header.pairs(2), names)
    batches = [batch for _, message in stream if (batch := pa.ipc.read_record_batch(message, schema)).num_rows]
    if sum(each.num_rows for each in batches) > most_elements:
        raise TensorTooLarge("scores", most_elements)
    if not batches:
        raise InvalidScores(Problem("/scores", "has no rows; expected [N, C] with N ≥ 1 and C ≥ 1"))
    for each in batches:
        each.validate(full=True)
    return fields(tensors({name: column(name, [each.column(name) for each in batches], most_elements) for name in names}), given)


def known(schema: Any) -> list[str]:
    """The names of the columns; raises InvalidJob for each that is unknown, or of a type that it should not have."""
    types = unique([(each.name, each) for each in schema])
    unknown = [name for name in few_unknown(types, COLUMNS) if name not in COLUMNS]
    problems = [problem({"type": "extra_forbidden", "loc": (name,)}, "", COLUMNS) for name in unknown]
    for name, (forms, words) in COLUMNS.items():
        if name in types and form(types[name]) not in forms:
            problems.append(Problem(f"/{name}", f"is a column of {shortened(str(types[name].type))}; expected {words}"))
    if problems:
        raise InvalidJob(*problems)
    return list(types)


def form(field: Any) -> str:
    """A type in short: f, i or b, behind [] in a list and behind [C] in one of fixed size; ? for any other."""
    if EXTENSION in (field.metadata or {}):
        return "?"
    if pa.types.is_fixed_size_list(field.type):
        return "[C]" + form(field.type.value_field)
    if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
        return "[]" + form(field.type.value_field)
    return next((letter for letter, is_one in LETTERS if is_one(field.type)), "?")


def options(metadata: list[tuple[memoryview, memoryview]], names: list[str]) -> dict[str, Any]:
    """What is no column, from the schema's metadata; raises InvalidParameters for what should be a column, or is one too."""
    given = unique([(str(name, "utf-8"), str(text, "utf-8")) for name, text in metadata])
    given = {name: text for name, text in given.items() if name not in WRITTEN_BY_OTHERS and not name.startswith("ARROW:")}
    twice = [name for name in given if name in names or (name in TENSORS and name not in (*WEIGHTS, "grad_output"))]
    if twice:
        raise InvalidParameters(*(Problem(f"/{name}", "stands in the schema's metadata, and is a column") for name in twice))
    return {name: option(name, text) for name, text in given.items()}


def option(name: str, text: str) -> Any:
    """What a string of the metadata spells: JSON where the field is no word."""
    if name not in WEIGHTS:
        return parsed(name, text) if name in AS_JSON else text
    value = literal(text)
    return vector(name, counted(value, name, "number")) if isinstance(value, list) else plain_number(name, value)


def column(name: str, chunks: list[Any], most_elements: int) -> Column:
    """A column of valid batches, which shares their memory where there is one; booleans as uint8."""
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    is_list = pa.types.is_list(array.type) or pa.types.is_large_list(array.type)
    is_fixed = pa.types.is_fixed_size_list(array.type)
    flat = array.flatten() if is_list or is_fixed else array
    if array.null_count or flat.null_count:
        raise wrong(name, "", "holds nulls; expected a value in every place")
    shape = [len(array), array.type.list_size] if is_fixed else [len(flat)]
    if math.prod(shape) > most_elements:
        raise TensorTooLarge(name, most_elements)
    values = flat.to_numpy(zero_copy_only=not pa.types.is_boolean(flat.type)).reshape(shape)
    offsets = array.offsets.to_numpy() if is_list else None
    if offsets is not None and offsets[0]:
        offsets = offsets - offsets[0]
    return Column(values.view(np.uint8) if values.dtype == np.bool_ else values, offsets)


def tensors(columns: Mapping[str, Column]) -> dict[str, Array]:
    """Columns as tensors, the offsets of the labels as one of them; raises InvalidTargets where those of their weights differ."""
    found = {name: each.values for name, each in columns.items()}
    if "labels" not in columns:
        return found
    labels = columns["labels"]
    if "label_weights" in columns:
        counts = np.ones(len(labels.values), np.int64) if labels.counts is None else labels.counts
        nested_alike(counts, labels.counts is None, Numbers(found["label_weights"], columns["label_weights"].counts))
    return found if labels.offsets is None else found | {"label_offsets": labels.offsets}


class Pieces:
    """A file that keeps what is written to it: buffers as they are, and the bytes between them."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def write(self, data: Any) -> None:
        """Keep one piece."""
        last = self.parts[-1] if self.parts else None
        if isinstance(data, bytes) and isinstance(last, bytes):
            self.parts[-1] = last + data
        else:
            self.parts.append(data if isinstance(data, bytes) else memoryview(data).cast("B"))

    def close(self) -> None:
        """Nothing is held open."""


def write(result: Result) -> list[Part]:
    """The reply: one batch with a row per sample; a loss that is one number stands in each row, or in the only one."""
    rows = 1 if result.grad is None else len(result.grad)
    loss = result.loss if result.loss.ndim else np.broadcast_to(result.loss, rows)
    arrays = {"loss": loss} if result.grad is None else {"loss": loss, "grad": result.grad}
    batch = pa.record_batch({name: packed(array) for name, array in arrays.items()})
    pieces = Pieces()
    with pa.PythonFile(pieces, mode="w") as sink, pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pieces.parts


def packed(array: Array) -> Any:
    """An array [N] or [N, C] as a column that shares its memory where it lies row by row; bfloat16 as float32, which holds it."""
    array = np.ascontiguousarray(array, np.float32 if array.dtype == BFLOAT16 else None)
    values = pa.array(array.reshape(-1))
    return values if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, array.shape[1])


CODEC = Codec("application/vnd.apache.arrow.stream", read, write, quickly_read=lambda body: len(body) <= SHORT_BYTES)
