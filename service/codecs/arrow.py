"""application/vnd.apache.arrow.stream: an Arrow IPC stream with a row per sample, its columns read where they lie.

Arrow checks its messages and columns itself. What it would do on a sender's behalf is refused before: unpacking buffers, which a few
bytes could make enormous, and swapping the bytes of big-endian numbers.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from models.checks import BFLOAT16, Array
from models.contract import Result
from models.errors import InvalidJob, InvalidTargets, Problem, escaped, few_unknown, problem
from service.codec import Codec, Part
from service.codecs.safetensors import parsed
from service.errors import MalformedRequest, TensorTooLarge
from service.json_arrays import counted
from service.json_object import literal
from service.tensors import NUMBERS, fields

COLUMNS = ("scores", "labels", "label_weights", *(name for name in NUMBERS if name not in ("class_weight", "pos_weight")))
BY_CLASS = ("class_weight", "pos_weight")  # a row per sample has no place for them: they are metadata
FILE_MAGIC = b"ARROW1"
MOST_MESSAGES, MOST_HEADER_BYTES, MOST_FIELDS = 10_000, 1 << 20, 64
# Places in the tables of Arrow's Message, Schema, Field and RecordBatch (Message.fbs and Schema.fbs of its specification).
HEADER, ENDIANNESS, FIELDS, SCHEMA_METADATA, CHILDREN, FIELD_METADATA, COMPRESSION = 2, 0, 1, 2, 5, 6, 3


def read(body: bytearray, headers: Mapping[str, str], most_elements: int) -> dict[str, Any]:
    """Bytes -> the fields of a request; columns as views of them."""
    if body.startswith(FILE_MAGIC):
        raise MalformedRequest("the body is an Arrow file; expected an Arrow stream")
    data = pa.py_buffer(body)
    only_plain_messages(data)
    stream = pa.ipc.open_stream(data)
    schema, batches = stream.schema, list(stream)
    for batch in batches:
        batch.validate(full=True)
    tensors: dict[str, Array] = {}
    for name in known_columns(schema.names):
        tensors |= column(name, joined(schema.field(name).type, [batch.column(name) for batch in batches]), most_elements)
    weights, options = metadata(schema.metadata or {})
    return fields(aligned(tensors) | weights, options)


def only_plain_messages(data: pa.Buffer) -> None:
    """Refuse what is not a schema in this machine's byte order, or a batch of plain buffers; and bytes behind the end."""
    source = pa.BufferReader(data)
    for count, message in enumerate(pa.ipc.MessageReader.open_stream(source)):
        if count > MOST_MESSAGES or message.metadata.size > MOST_HEADER_BYTES:
            raise MalformedRequest(f"more than {MOST_MESSAGES} messages, or one with a header of more than {MOST_HEADER_BYTES} bytes")
        if message.type not in ("schema", "record batch"):
            raise MalformedRequest(f"the stream has a {message.type} message; expected a schema and record batches of plain columns")
        header = memoryview(message.metadata)
        (table,) = struct.unpack_from("<I", header)
        place = follow(header, table, HEADER)
        if message.type == "schema" and (endianness := slot(header, place, ENDIANNESS)) and struct.unpack_from("<h", header, endianness)[0]:
            raise MalformedRequest("the stream is big-endian; expected little-endian numbers")
        if message.type == "schema":
            once_each(header, place)
        if message.type == "record batch" and slot(header, place, COMPRESSION):
            raise MalformedRequest("the stream's buffers are compressed; compress the body instead (Content-Encoding)")
    if source.tell() != data.size:
        raise MalformedRequest(f"{data.size - source.tell()} bytes lie behind the end of the stream")


def once_each(header: memoryview, schema: int) -> None:
    """Refuse a schema of very many fields, or one whose texts are longer than it: a few bytes that are referred to again and again."""
    fields, left = list(tables(header, schema, FIELDS)), len(header)
    pairs = list(tables(header, schema, SCHEMA_METADATA))
    for count, field in enumerate(fields):
        if count > MOST_FIELDS:
            raise MalformedRequest(f"the schema has more than {MOST_FIELDS} fields")
        fields += tables(header, field, CHILDREN)
        pairs += tables(header, field, FIELD_METADATA)
    for pair in pairs:
        left -= sum(struct.unpack_from("<I", header, follow(header, pair, index))[0] for index in (0, 1) if slot(header, pair, index))
        if left < 0:
            raise MalformedRequest("the schema's metadata is longer than the schema")


def tables(buffer: memoryview, table: int, index: int) -> Iterator[int]:
    """The tables of a vector, no more than could lie in the buffer."""
    if slot(buffer, table, index):
        vector = follow(buffer, table, index)
        (count,) = struct.unpack_from("<I", buffer, vector)
        for place in range(vector + 4, vector + 4 + 4 * min(count, len(buffer)), 4):
            yield place + int(struct.unpack_from("<I", buffer, place)[0])


def slot(buffer: memoryview, table: int, index: int) -> int:
    """Where a field of a flatbuffer's table lies; 0: it is not there."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    (length,) = struct.unpack_from("<H", buffer, vtable)
    offset = struct.unpack_from("<H", buffer, vtable + 4 + 2 * index)[0] if 4 + 2 * index < length else 0
    return table + offset if offset else 0


def follow(buffer: memoryview, table: int, index: int) -> int:
    """The table that a field of another refers to."""
    place = slot(buffer, table, index)
    return place + int(struct.unpack_from("<I", buffer, place)[0])


def known_columns(names: list[str]) -> list[str]:
    """The columns, each once; raises InvalidJob for one that is unknown, MalformedRequest for one that is there twice."""
    unknown = [name for name in few_unknown(dict.fromkeys(names), COLUMNS) if name not in COLUMNS]
    if unknown:
        raise InvalidJob(*(problem({"type": "extra_forbidden", "loc": (name,)}, "", COLUMNS) for name in unknown))
    for name in names:
        if names.count(name) > 1:
            raise MalformedRequest(f"/{name}: the column is there twice")
    return names


def joined(kind: pa.DataType, pieces: list[pa.Array]) -> pa.Array:
    """One column of every batch as one; of a single batch as it is."""
    return pieces[0] if len(pieces) == 1 else pa.chunked_array(pieces, kind).combine_chunks()


def column(name: str, array: pa.Array, most_elements: int) -> dict[str, Array]:
    """A column as tensors: plain [N], of lists of one size [N, C], of any lists [L] with [N + 1] offsets."""
    if array.null_count:
        raise wrong(name, "a row is null")
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        return {name: numbers(name, array.flatten(), most_elements).reshape(len(array), kind.list_size)}
    if name in ("labels", "label_weights") and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        offsets = array.offsets.to_numpy()
        return {name: numbers(name, array.flatten(), most_elements), offsets_of(name): offsets - offsets[0]}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        raise wrong(name, f"is {kind}; expected fixed_size_list, whose size is the number of classes")
    return {name: numbers(name, array, most_elements)}


def offsets_of(name: str) -> str:
    """The name of the offsets of a column of lists."""
    return "label_offsets" if name == "labels" else f"{name}_offsets"


def numbers(name: str, values: pa.Array, most_elements: int) -> Array:
    """Plain values, sharing memory with the body; booleans, a bit each, as uint8."""
    kind = values.type
    if values.null_count:
        raise wrong(name, "a value is null")
    if len(values) > most_elements:
        raise TensorTooLarge(name, most_elements)
    if pa.types.is_boolean(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False), np.uint8)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise wrong(name, f"holds {kind}; expected numbers")
    array: Array = values.to_numpy(zero_copy_only=True)
    return array


def aligned(tensors: dict[str, Array]) -> dict[str, Array]:
    """The tensors without the offsets of label_weights, which must be those of labels."""
    offsets = tensors.pop(offsets_of("label_weights"), None)
    if offsets is not None and not np.array_equal(offsets, tensors.get("label_offsets", ())):
        raise wrong("label_weights", "must be nested like labels")
    return tensors


def wrong(name: str, detail: str) -> InvalidTargets:
    """A column that is not what it should be."""
    return InvalidTargets(Problem(f"/{escaped(name)}", detail))


def metadata(given: Mapping[bytes, bytes]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The schema's metadata: what there is one of for each class, and the options; what libraries add says nothing of a loss."""
    texts = {name.decode(): text.decode() for name, text in given.items() if name != b"pandas" and not name.startswith(b"ARROW:")}
    weights = {name: literal(texts[name]) for name in BY_CLASS if name in texts}
    lists = {name: counted(value, name, "number").values for name, value in weights.items() if isinstance(value, list)}
    return lists, {name: parsed(name, text) for name, text in texts.items() if name not in lists}


def write(result: Result) -> list[Part]:
    """The reply: a reduced loss stands in every row, or in a single one where there is no gradient."""
    loss, grad = plain(result.loss), None if result.grad is None else plain(result.grad)
    if loss.ndim == 0:
        loss = np.full(1 if grad is None else len(grad), loss)
    arrays = {"loss": loss} if grad is None else {"loss": loss, "grad": grad}
    batch = pa.record_batch({name: arrow(array) for name, array in arrays.items()})
    pieces = Pieces()
    with pa.PythonFile(pieces, mode="w") as sink, pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return pieces.parts


def plain(array: Array) -> Array:
    """Numbers of a type that Arrow has."""
    return np.asarray(array, np.float32 if array.dtype == BFLOAT16 else None, order="C")


def arrow(array: Array) -> pa.Array:
    """[N], or [N, C] as lists of one size, sharing memory."""
    values = pa.array(array.reshape(-1))
    return values if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, array.shape[1])


class Pieces:
    """A file to write to that keeps what it is given, buffers as views."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def write(self, piece: Any) -> int:
        """One more piece."""
        self.parts.append(piece if isinstance(piece, bytes) else memoryview(piece))
        return len(piece)

    def flush(self) -> None:
        """There is nothing to be done."""

    def close(self) -> None:
        """Nor here."""


CODEC = Codec("application/vnd.apache.arrow.stream", read, write)
