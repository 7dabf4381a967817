"""application/vnd.apache.arrow.stream: bytes packed by hand, pyarrow as the judge, and bytes that are not what they say."""

import contextlib
import gc
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.catalogue import catalogue
from models.checks import BFLOAT16, Array
from models.contract import Result
from models.errors import InvalidJob, JobError
from service import arrow_messages
from service.arrow_messages import MOST_FIELDS, MOST_HEADER_BYTES
from service.codecs.arrow import CODEC, read, write
from service.errors import MalformedRequest, RequestError, TensorTooLarge
from tests.service.problems import GOOD, assert_problem, good, weights

TYPE = "application/vnd.apache.arrow.stream"
MOST = 1000
SCORES = np.array(GOOD["scores"], np.float32)
END = struct.pack("<Ii", 2**32 - 1, 0)


# A flatbuffer by hand, after Arrow's Message.fbs and Schema.fbs. The members of a table are in the order of those files: None where one
# is absent, bytes for a scalar, and what is referred to otherwise: a table, or a vector of tables, of characters, or of 16-byte structs.
class Table:
    def __init__(self, *members: Any) -> None:
        self.members = members


class Vector:
    def __init__(self, items: Sequence[Any] | bytes, item_bytes: int = 1, end: bytes = b"") -> None:
        self.items, self.item_bytes, self.end = items, item_bytes, end


def text(value: str) -> Vector:
    return Vector(value.encode(), end=b"\0")


def flatbuffer(root: Table) -> bytes:
    """Parents before what they refer to, each thing once, however often it is referred to."""
    order: list[Any] = []
    seen: set[int] = set()

    def visit(node: Any) -> None:
        if id(node) not in seen:
            seen.add(id(node))
            for each in node.members if isinstance(node, Table) else () if isinstance(node.items, bytes) else node.items:
                if isinstance(each, Table | Vector):
                    visit(each)
            order.append(node)

    visit(root)
    out, places, references = bytearray(4), {}, [(0, root)]
    for node in reversed(order):
        if isinstance(node, Table):
            sizes = [0 if each is None else len(each) if isinstance(each, bytes) else 4 for each in node.members]
            out += bytes(-len(out) % 8)
            vtable, members = len(out), bytearray(4)
            entries = []
            for size, each in zip(sizes, node.members, strict=True):
                members += bytes(-len(members) % max(size, 1))
                entries.append(len(members) if size else 0)
                members += each if isinstance(each, bytes) else bytes(size)
            head = struct.pack(f"<{2 + len(sizes)}H", 4 + 2 * len(sizes), len(members), *entries)
            out += head + bytes(-len(head) % 8)
            places[id(node)] = place = len(out)
            members[:4] = struct.pack("<i", place - vtable)
            references += [(place + at, each) for at, each in zip(entries, node.members, strict=True) if isinstance(each, Table | Vector)]
            out += members
        else:
            out += bytes(-(len(out) + 4) % max(node.item_bytes, 4))
            places[id(node)] = len(out)
            if isinstance(node.items, bytes):
                out += struct.pack("<I", len(node.items) // node.item_bytes) + node.items + node.end
            else:
                references += [(len(out) + 4 + 4 * i, each) for i, each in enumerate(node.items)]
                out += struct.pack("<I", len(node.items)) + bytes(4 * len(node.items))
    for at, node in references:
        out[at : at + 4] = struct.pack("<I", places[id(node)] - at)
    return bytes(out + bytes(-len(out) % 8))


FLOAT32, INT32, LIST = (3, Table(struct.pack("<h", 1))), (2, Table(struct.pack("<i", 32), b"\1")), (12, Table())


def fixed(size: int) -> tuple[int, Table]:
    return 16, Table(struct.pack("<i", size))


def metadata(pairs: dict[str, str]) -> Vector:
    return Vector([Table(text(name), text(value)) for name, value in pairs.items()])


def field(name: str, kind: tuple[int, Table], *children: Table, pairs: Vector | None = None, dictionary: Table | None = None) -> Table:
    return Table(text(name), b"\1", bytes([kind[0]]), kind[1], dictionary, Vector(children), pairs)


def schema(*fields: Table, pairs: Vector | None = None, endianness: int = 0) -> Table:
    return Table(struct.pack("<h", endianness), Vector(fields), pairs)


def record_batch(rows: int, nodes: Sequence[int], buffers: Sequence[tuple[int, int]], compression: Table | None = None) -> Table:
    """Nodes by their lengths, without nulls; buffers by where they lie and how long they are."""
    lengths = b"".join(struct.pack("<2q", each, 0) for each in nodes)
    places = b"".join(struct.pack("<2q", *each) for each in buffers)
    return Table(struct.pack("<q", rows), Vector(lengths, 16), Vector(places, 16), compression)


def message(kind: int, header: Table | None, body: bytes = b"", pairs: Vector | None = None, version: int = 4) -> bytes:
    """A message; kind 1 is a schema, 2 a dictionary batch, 3 a record batch, and version 4 is called V5."""
    body += bytes(-len(body) % 8)
    head = flatbuffer(Table(struct.pack("<h", version), bytes([kind]), header, struct.pack("<q", len(body)), pairs))
    return struct.pack("<Ii", 2**32 - 1, len(head)) + head + body


SCORES_FIELD, LABELS_FIELD = field("scores", fixed(3), field("item", FLOAT32)), field("labels", LIST, field("item", INT32))
OPTIONS = {"loss": "softmax", "params": '{"temperature":2}', "reduction": "none", "ARROW:schema": "x", "pandas": "{}"}
SCHEMA = message(1, schema(SCORES_FIELD, LABELS_FIELD, pairs=metadata(OPTIONS)))
NODES, BUFFERS = (2, 6, 2, 3), [(0, 0), (0, 0), (0, 24), (24, 0), (24, 12), (40, 0), (40, 12)]
BODY = struct.pack("<6f", *SCORES.flat) + struct.pack("<3i4x", 0, 1, 3) + struct.pack("<3i4x", 0, 1, 2)
BATCH = message(3, record_batch(2, NODES, BUFFERS), BODY)
REQUEST = SCHEMA + BATCH + END


def with_labels(*offsets: int, values: Sequence[int] = (0, 1, 2)) -> bytes:
    """The request with other offsets of its two lists."""
    lists = struct.pack("<3i4x", *offsets) + struct.pack(f"<{len(values)}i", *values)
    buffers = [*BUFFERS[:6], (40, 4 * len(values))]
    return SCHEMA + message(3, record_batch(2, (2, 6, 2, len(values)), buffers), BODY[:24] + lists) + END


def matrix(values: Array) -> Any:
    """[N, C] as a column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def batch(_metadata: dict[str, str] | None = None, **columns: Any) -> Any:
    """A record batch with these columns; numpy's are matrices."""
    arrays = {name: matrix(each) if isinstance(each, np.ndarray) else each for name, each in columns.items()}
    return pa.record_batch(arrays).replace_schema_metadata(_metadata or {})


def stream(*batches: Any, **options: Any) -> bytes:
    """Record batches as pyarrow writes them."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for each in batches:
            writer.write_batch(each)
    return bytes(sink.getvalue())


def as_file(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table)
    return bytes(sink.getvalue())


def array(column: Any) -> Array:
    """A column that pyarrow has read, as [N] or [N, C]."""
    column = column.combine_chunks()
    is_fixed = pa.types.is_fixed_size_list(column.type)
    return column.flatten().to_numpy().reshape(len(column), -1) if is_fixed else column.to_numpy()


def loaded(body: bytes) -> dict[str, Array]:
    """The columns that pyarrow finds."""
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    return {name: array(table.column(name)) for name in table.column_names}


def decoded(body: bytes | bytearray, most: int = MOST) -> Any:
    """The order that a body gives."""
    return CODEC.decode(bytearray(body), {}, True, most)


LABELS = pa.array(GOOD["labels"], pa.list_(pa.int32()))
PLAIN = batch(scores=SCORES, labels=LABELS)
VALID = stream(batch({"loss": "softmax", "params": "{}"}, scores=SCORES, labels=LABELS, mask=np.ones((2, 3), bool)))


def test_a_request_packed_by_hand_gives_its_fields() -> None:
    found = read(bytearray(REQUEST), {}, MOST)
    labels = found.pop("labels")
    assert (labels.indices.tolist(), labels.offsets.tolist(), labels.weights, labels.flat) == ([0, 1, 2], [0, 1, 3], None, False)
    scores = found.pop("scores")
    assert (scores.dtype, scores.tolist()) == (np.float32, SCORES.tolist())
    assert found == {"loss": "softmax", "params": {"temperature": 2}, "reduction": "none"}
    judge = pa.ipc.open_stream(REQUEST).read_all()
    judge.validate(full=True)
    assert judge.to_pydict() == {"scores": SCORES.tolist(), "labels": GOOD["labels"]}
    assert judge.schema.metadata == {name.encode(): value.encode() for name, value in OPTIONS.items()}


def test_a_result_gives_exactly_these_columns_of_bytes() -> None:
    reply = b"".join(write(Result(loss=np.float32(0.25), grad=np.float32([[0.5, -0.5, 0], [1, 2, -3]]))))
    assert reply.endswith(struct.pack("<2f", 0.25, 0.25) + struct.pack("<6f", 0.5, -0.5, 0, 1, 2, -3) + END)
    names = pa.ipc.open_stream(reply).schema
    assert names == pa.schema({"loss": pa.float32(), "grad": pa.list_(pa.float32(), 3)})
    assert b"".join(write(Result(loss=np.float64(0.25)))).endswith(struct.pack("<d", 0.25) + END)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("wants_grad", [True, False])
def test_pyarrow_reads_what_we_write(dtype: Any, shape: tuple[int, ...], wants_grad: bool) -> None:
    loss = (np.arange(6, dtype=np.float32)[: int(np.prod(shape))].reshape(shape) / 4).astype(dtype)
    grad = np.arange(6).reshape(3, 2).T.astype(dtype)  # does not lie row by row
    found = loaded(b"".join(write(Result(loss=loss, grad=grad if wants_grad else None))))
    rows = shape or (2 if wants_grad else 1,)
    sent = np.dtype(np.float32) if dtype is BFLOAT16 else np.dtype(dtype)
    assert list(found) == (["loss", "grad"] if wants_grad else ["loss"])
    np.testing.assert_array_equal(found["loss"], np.broadcast_to(loss.astype(sent), rows))
    assert {each.dtype for each in found.values()} == {sent}
    if wants_grad:
        np.testing.assert_array_equal(found["grad"], grad.astype(sent))


@pytest.mark.parametrize("scores", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("matrix", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64, np.bool_])
def test_matrices_of_every_type_are_read(scores: type, matrix: type) -> None:
    ones = np.array([[1, 0, 1], [0, 0, 1]], matrix)
    found = read(bytearray(stream(batch(scores=SCORES.astype(scores), targets=ones, mask=ones, element_weight=ones))), {}, MOST)
    assert found["scores"].dtype == scores
    np.testing.assert_array_equal(found["scores"], SCORES.astype(scores))
    for name in ("targets", "mask", "element_weight"):
        assert found[name].dtype == (np.uint8 if matrix is np.bool_ else matrix)
        np.testing.assert_array_equal(found[name], ones)
    assert found.get("dtype") == ("float64" if scores is np.float64 else None)


@pytest.mark.parametrize("form", [pa.list_, pa.large_list])
@pytest.mark.parametrize("integer", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_lists_of_every_integer_are_labels(form: Any, integer: str) -> None:
    rows, weights = [[], [2, 0], [], [1]], [[], [0.5, 2], [], [-1]]
    columns = {"labels": pa.array(rows, form(getattr(pa, integer)())), "label_weights": pa.array(weights, pa.list_(pa.float32()))}
    found = read(bytearray(stream(batch(scores=np.ones((4, 3)), **columns))), {}, MOST)["labels"]
    assert (found.indices.dtype.name, found.indices.tolist(), found.offsets.tolist()) == (integer, [2, 0, 1], [0, 0, 2, 2, 3])
    assert (found.weights.tolist(), found.flat) == ([0.5, 2, -1], False)


def test_lists_of_fixed_size_are_labels_padded_with_minus_one() -> None:
    columns = {"labels": np.array([[0, -1], [2, 1]]), "label_weights": np.array([[1.5, 9], [2, 3]])}
    found = read(bytearray(stream(batch(scores=SCORES, **columns))), {}, MOST)["labels"]
    assert (found.indices.tolist(), found.offsets.tolist(), found.weights.tolist(), found.flat) == (
        [0, 2, 1],
        [0, 1, 3],
        [1.5, 2, 3],
        False,
    )


def test_a_column_of_integers_is_one_label_a_row() -> None:
    columns = {"labels": pa.array([2, 0]), "label_weights": pa.array([0.5, 2]), "sample_weight": pa.array([1, 2], pa.uint8())}
    found = read(bytearray(stream(batch({"grad_output": "2.5"}, scores=SCORES, **columns))), {}, MOST)
    labels = found["labels"]
    assert (labels.indices.tolist(), labels.weights.tolist(), labels.flat) == ([2, 0], [0.5, 2], True)
    assert (found["sample_weight"].tolist(), found["grad_output"]) == ([1, 2], 2.5)


def test_options_stand_in_the_metadata_of_the_schema() -> None:
    options = {"loss": "bce", "params": '{"label_smoothing":0.1}', "reduction": "none", "mean_over": "valid", "dtype": "float64"}
    options |= {"runtime": "onnx", "class_weight": "[1, 2.5, 0]", "pos_weight": "[1,2,3]"}
    others = {"pandas": "{}", "ARROW:schema": "\u00e9", "ARROW:else": "", "huggingface": "{}", "r": "A\n3\n"}
    order = decoded(stream(batch({**options, **others}, scores=SCORES, targets=SCORES, grad_output=SCORES)))
    job = order.job
    assert (job.loss.name, job.params["label_smoothing"], job.reduction, job.mean_over, job.dtype, order.runtime) == (
        *("binary_cross_entropy", 0.1, "none", "valid", "float64", "onnx"),
    )
    assert (job.class_weight.tolist(), job.pos_weight.tolist()) == ([1, 2.5, 0], [1, 2, 3])
    np.testing.assert_array_equal(job.grad_output, SCORES)
    ignoring = decoded(stream(batch({"ignore_index": "-7"}, scores=SCORES, labels=pa.array([-7, 1]))))
    assert ignoring.job.kept.tolist() == [False, True]
    assert decoded(stream(batch({"loss": "bce", "pos_weight": "2.5"}, scores=SCORES, labels=LABELS))).job.pos_weight == 2.5


def test_half_precision_is_replied_in_half_precision() -> None:
    order = decoded(stream(batch(scores=SCORES.astype(np.float16), labels=LABELS)))
    assert (order.job.dtype, order.reply_dtype) == ("float32", np.float16)


def test_columns_are_views_of_the_body() -> None:
    body = bytearray(stream(batch({"loss": "bce"}, scores=SCORES, labels=LABELS, label_weights=LABELS, element_weight=SCORES)))
    whole = np.frombuffer(body, np.uint8)
    found = read(body, {}, MOST)
    labels = found["labels"]
    for each in (found["scores"], found["element_weight"], labels.indices, labels.offsets, labels.weights):
        assert np.shares_memory(whole, each)
        assert each.flags.aligned
    assert np.shares_memory(whole, CODEC.decode(body, {}, True, MOST).job.scores)
    np.testing.assert_array_equal(found["scores"], SCORES)


def test_pieces_are_views_of_the_result_and_outlive_it() -> None:
    loss, grad = np.arange(2000.0), np.arange(6000.0).reshape(2000, 3)
    parts = write(Result(loss=loss, grad=grad))
    assert [type(each) for each in parts] == [bytes, memoryview, memoryview, bytes]
    assert np.shares_memory(np.frombuffer(parts[1], np.uint8), loss)
    assert np.shares_memory(np.frombuffer(parts[2], np.uint8), grad)
    expected = grad.copy()
    del loss, grad
    gc.collect()
    np.testing.assert_array_equal(loaded(b"".join(parts))["grad"], expected)


def test_batches_are_put_together() -> None:
    masks = np.array([[True, True, False], [True, False, True]])
    columns = {"labels": LABELS, "sample_weight": pa.array([1.0, 2.0]), "mask": masks, "label_weights": pa.array([[0.5], [1, 2]])}
    whole = batch({"loss": "bce"}, scores=SCORES, **columns)
    found = read(bytearray(stream(whole, whole.slice(0, 0), whole.slice(1), whole)), {}, MOST)
    labels = found["labels"]
    np.testing.assert_array_equal(found["scores"], SCORES[[0, 1, 1, 0, 1]])
    assert (labels.indices.tolist(), labels.offsets.tolist()) == ([0, 1, 2, 1, 2, 0, 1, 2], [0, 1, 3, 5, 6, 8])
    assert labels.weights.tolist() == [0.5, 1, 2, 1, 2, 0.5, 1, 2]
    assert found["mask"].tolist() == masks[[0, 1, 1, 0, 1]].tolist()
    assert found["sample_weight"].tolist() == [1, 2, 2, 1, 2]


def test_an_empty_batch_beside_the_one_with_rows_costs_no_copy() -> None:
    body = bytearray(stream(PLAIN.slice(0, 0), PLAIN, PLAIN.slice(0, 0)))
    assert np.shares_memory(np.frombuffer(body, np.uint8), read(body, {}, MOST)["scores"])


def test_lists_may_leave_values_at_both_ends_unused() -> None:
    labels = read(bytearray(with_labels(2, 3, 5, values=[9, 9, 0, 1, 2, 9])), {}, MOST)["labels"]
    assert (labels.indices.tolist(), labels.offsets.tolist()) == ([0, 1, 2], [0, 1, 3])


ITEM = field("item", FLOAT32)
LONG = text("x" * 1000)
BOMB = Vector([Table(LONG, LONG)] * 200)  # 400,000 characters in two thousand bytes
PAIRS = Vector([Table(text(""), text(""))] * 257)
TWICE = Vector([Table(text(name), text("{}")) for name in ("params", "params")])
MANY = Vector([field("item", FLOAT32)] * 9)
LEVELS = Table(text("x"), b"\1", b"\x0c", Table(), None, Vector([Table(text("x"), b"\1", b"\x0c", Table(), None, MANY)] * 9))
CORRUPT = bytearray(REQUEST)
CORRUPT[len(SCHEMA) + 8 : len(SCHEMA) + 12] = struct.pack("<I", 2**31)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "JSON": (json.dumps(GOOD).encode(), "at byte 0 of"),
    "safetensors": (safetensors.numpy.save({"scores": SCORES}), "at byte 0 of"),
    "an Arrow file": (as_file(PLAIN), "is an Arrow file; expected an Arrow stream"),
    "half a prefix": (b"\xff\xff\xff\xff", "at byte 0 of 4"),
    "another marker": (b"\xff\xff\xff\xfe" + REQUEST[4:], "at byte 0 of"),
    "the framing of before 1.0": (stream(PLAIN, use_legacy_format=True), "at byte 0 of"),
    "a negative length": (struct.pack("<Ii", 2**32 - 1, -8) + REQUEST[8:], "at byte 0 of"),
    "a length that is not padded": (
        REQUEST[:4] + struct.pack("<i", struct.unpack_from("<i", REQUEST, 4)[0] - 4) + REQUEST[8:],
        "at byte 0",
    ),
    "a length beyond the body": (REQUEST[:4] + struct.pack("<i", 1 << 16) + REQUEST[8:], "at byte 0 of"),
    "a length that is too short": (REQUEST[:4] + struct.pack("<i", 8) + REQUEST[8:], "leads out of itself"),
    "a header longer than may be": (struct.pack("<Ii", 2**32 - 1, MOST_HEADER_BYTES + 8) + bytes(MOST_HEADER_BYTES + 8), "at byte 0 of"),
    "a header of zeros": (struct.pack("<Ii", 2**32 - 1, 64) + bytes(64), "found a message of no type"),
    "just an end": (END, "it has no schema"),
    "a batch first": (BATCH + END, "found a record batch in the Arrow stream; expected the schema"),
    "two schemas": (SCHEMA + SCHEMA + END, "found a schema in the Arrow stream; expected the record batch"),
    "a schema without a header": (message(1, None) + END, "found a schema"),
    "a tensor": (SCHEMA + message(4, Table()) + END, "found a tensor"),
    "a message of an unknown kind": (SCHEMA + message(77, Table()) + END, "found a message of no type"),
    "a dictionary batch": (SCHEMA + message(2, Table(struct.pack("<q", 0), record_batch(0, [], []))) + END, "found a dictionary batch"),
    "an old version": (message(1, schema(SCORES_FIELD), version=2) + END, "is not application/vnd.apache.arrow.stream: "),
    "bytes behind the end": (REQUEST + b"x", "1 bytes lie behind the end"),
    "a stream behind the end": (REQUEST + REQUEST, f"{len(REQUEST)} bytes lie behind the end"),
    "half an end": (SCHEMA + BATCH + END[:4], "at byte"),
    "big-endian": (message(1, schema(SCORES_FIELD, LABELS_FIELD, endianness=1)) + BATCH + END, "big-endian; expected little-endian"),
    "zstd": (stream(PLAIN, compression="zstd"), "a record batch is compressed"),
    "lz4": (stream(PLAIN, compression="lz4"), "a record batch is compressed"),
    "compression that says nothing": (SCHEMA + message(3, record_batch(2, NODES, BUFFERS, Table()), BODY) + END, "is compressed"),
    "compression as it was written in 0.17": (
        SCHEMA + message(3, record_batch(2, NODES, BUFFERS), BODY, metadata({"ARROW:experimental_compression": "zstd"}), version=3) + END,
        "the message of a record batch has metadata of its own",
    ),
    "a message whose metadata lies over itself": (message(1, schema(SCORES_FIELD), pairs=BOMB) + END, "has metadata of its own"),
    "a schema whose metadata lies over itself": (message(1, schema(SCORES_FIELD, pairs=BOMB)) + END, "metadata that lies over itself"),
    "a field whose metadata lies over itself": (message(1, schema(field("x", FLOAT32, pairs=BOMB))) + END, "lies over itself"),
    "an item whose metadata lies over itself": (message(1, schema(field("x", LIST, field("x", FLOAT32, pairs=BOMB)))) + END, "lies over"),
    "more metadata than may be": (message(1, schema(SCORES_FIELD, pairs=PAIRS)) + END, "has a list of 257 entries; expected at most 256"),
    "more columns than may be": (message(1, schema(*[ITEM] * (MOST_FIELDS + 1))) + END, f"more than {MOST_FIELDS} fields"),
    "columns within columns": (message(1, schema(LEVELS)) + END, f"more than {MOST_FIELDS} fields"),
    "an option twice": (message(1, schema(SCORES_FIELD, pairs=TWICE)) + END, "'params' is there twice"),
    "an option that is no UTF-8": (SCHEMA.replace(b"softmax", b"softma\xff") + BATCH + END, "is not application/vnd.apache.arrow.stream: "),
    "a column twice": (stream(pa.record_batch([PLAIN[0], PLAIN[0]], names=["scores", "scores"])), "'scores' is there twice"),
    "offsets that fall": (with_labels(0, 3, 1), "is not application/vnd.apache.arrow.stream: "),
    "offsets that run outside": (with_labels(0, 1, 4), "is not application/vnd.apache.arrow.stream: "),
    "offsets far outside": (with_labels(0, 1, 2**31 - 1), "is not application/vnd.apache.arrow.stream: "),
    "negative offsets": (with_labels(-1, 1, 3), "is not application/vnd.apache.arrow.stream: "),
    "more rows than there are": (SCHEMA + message(3, record_batch(3, NODES, BUFFERS), BODY) + END, "is not application/vnd"),
    "a column of more rows than the batch": (SCHEMA + message(3, record_batch(2, (2, 6, 3, 3), BUFFERS), BODY) + END, "is not application"),
    "a child that is too short": (SCHEMA + message(3, record_batch(2, (2, 5, 2, 3), BUFFERS), BODY) + END, "is not application/vnd"),
    "a child of negative length": (SCHEMA + message(3, record_batch(2, (2, -6, 2, 3), BUFFERS), BODY) + END, "is not application/vnd"),
    "a negative number of rows": (SCHEMA + message(3, record_batch(-2, NODES, BUFFERS), BODY) + END, "is not application/vnd"),
    "too few columns": (SCHEMA + message(3, record_batch(2, NODES[:2], BUFFERS), BODY) + END, "is not application/vnd"),
    "too few buffers": (SCHEMA + message(3, record_batch(2, NODES, BUFFERS[:5]), BODY) + END, "is not application/vnd"),
    "a buffer behind the body": (SCHEMA + message(3, record_batch(2, NODES, [*BUFFERS[:6], (4096, 12)]), BODY) + END, "is not application"),
    "a buffer that is too long": (
        SCHEMA + message(3, record_batch(2, NODES, [*BUFFERS[:6], (40, 2**40)]), BODY) + END,
        "is not application",
    ),
    "a buffer before the body": (SCHEMA + message(3, record_batch(2, NODES, [*BUFFERS[:6], (-64, 12)]), BODY) + END, "is not application"),
    "a buffer that is too short": (SCHEMA + message(3, record_batch(2, NODES, [*BUFFERS[:2], (0, 8), *BUFFERS[3:]]), BODY) + END, "is not"),
    "offsets that are too short": (
        SCHEMA + message(3, record_batch(2, NODES, [*BUFFERS[:4], (24, 8), *BUFFERS[5:]]), BODY) + END,
        "is not",
    ),
    "a reference that leads nowhere": (bytes(CORRUPT), "leads out of itself"),
    "a batch without a length or anything else": (SCHEMA + message(3, Table()) + END, "is not application/vnd.apache.arrow.stream: "),
    "a schema without fields": (message(1, Table()) + END, "is not application/vnd.apache.arrow.stream: "),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_bytes_that_are_not_what_they_say_are_400_in_words(about: str, client: TestClient) -> None:
    body, says = HOSTILE[about]
    with pytest.raises(MalformedRequest) as refused:
        decoded(body)
    assert says in str(refused.value)
    assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 400, says)


def list_of(values: Any, kind: Any) -> Any:
    return pa.array(values, pa.list_(kind))


def fixed_list(values: Any, kind: Any = None) -> Any:
    return pa.array(values, pa.list_(kind or pa.float32(), 3))


def extended(column: Any, name: str = "labels", *, inside: bool = False) -> Any:
    """A batch in which a column, or what it is a list of, is of an extension type that nobody knows."""
    about = {"ARROW:extension:name": "mine"}
    kind = pa.list_(pa.field("item", column.type.value_type, metadata=about)) if inside else column.type
    fields = [pa.field("scores", PLAIN[0].type), pa.field(name, kind, metadata=None if inside else about)]
    return pa.record_batch([PLAIN[0], column.cast(kind)], schema=pa.schema(fields))


ROW = pa.array([1.0, None])
WRONG: dict[str, tuple[Any, list[str]]] = {
    "no scores": (batch(labels=LABELS), ["/scores"]),
    "no column at all": (pa.record_batch({}), ["/scores"]),
    "no rows": (PLAIN.slice(0, 0), ["/scores"]),
    "no classes": (batch(scores=pa.array([[], []], pa.list_(pa.float32(), 0)), labels=LABELS), ["/scores"]),
    "neither targets nor labels": (batch(scores=SCORES), ["/targets"]),
    "both targets and labels": (batch(scores=SCORES, targets=SCORES, labels=LABELS), ["/labels"]),
    "an unknown column": (batch(scores=SCORES, labels=LABELS, label=LABELS), ["/label"]),
    "an index of pandas": (batch(scores=SCORES, labels=LABELS, __index_level_0__=pa.array([1, 2])), ["/__index_level_0__"]),
    "two wrong columns": (batch(scores=SCORES, mask=ROW, targets=ROW), ["/targets", "/mask"]),
    "offsets as a column": (batch(scores=SCORES, labels=pa.array([0, 1]), label_offsets=pa.array([0, 1])), ["/label_offsets"]),
    "class weights as a column": (batch(scores=SCORES, labels=LABELS, class_weight=pa.array([1.0, 2.0])), ["/class_weight"]),
    "pos weights as a column": (batch({"loss": "bce"}, scores=SCORES, labels=LABELS, pos_weight=pa.array([1.0, 2.0])), ["/pos_weight"]),
    "scores of integers": (batch(scores=np.ones((2, 3), np.int64), labels=LABELS), ["/scores"]),
    "scores of booleans": (batch(scores=np.ones((2, 3), bool), labels=LABELS), ["/scores"]),
    "scores of decimals": (batch(scores=fixed_list([[1, 2, 3]] * 2, pa.decimal128(5)), labels=LABELS), ["/scores"]),
    "scores in lists": (batch(scores=list_of(SCORES.tolist(), pa.float32()), labels=LABELS), ["/scores"]),
    "ragged scores": (batch(scores=list_of([[1, 2], [3]], pa.float32()), labels=LABELS), ["/scores"]),
    "scores of a number a row": (batch(scores=pa.array([1.0, 2.0]), labels=LABELS), ["/scores"]),
    "scores of cubes": (batch(scores=pa.array([[[1.0]]] * 2, pa.list_(pa.list_(pa.float32(), 1), 1)), labels=LABELS), ["/scores"]),
    "scores as a tensor": (batch(scores=pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [3]), PLAIN[0])), ["/scores"]),
    "scores as text": (batch(scores=pa.array(["1", "2"]), labels=LABELS), ["/scores"]),
    "scores of nothing": (batch(scores=pa.nulls(2), labels=LABELS), ["/scores"]),
    "scores as a struct": (batch(scores=pa.array([{"a": 1.0}] * 2), labels=LABELS), ["/scores"]),
    "a dictionary": (batch(scores=SCORES, labels=pa.array([0, 1]).dictionary_encode()), ["/labels"]),
    "run ends": (batch(scores=SCORES, labels=pa.RunEndEncodedArray.from_arrays(pa.array([2]), pa.array([0]))), ["/labels"]),
    "a union": (batch(scores=SCORES, labels=pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([0, 1])])), ["/labels"]),
    "a map": (batch(scores=SCORES, labels=pa.array([[(0, 1)]] * 2, pa.map_(pa.int32(), pa.int32()))), ["/labels"]),
    "a list view": (batch(scores=SCORES, labels=pa.array([[0], [1]], pa.list_view(pa.int32()))), ["/labels"]),
    "times": (batch(scores=SCORES, labels=pa.array([0, 1], pa.timestamp("s"))), ["/labels"]),
    "an extension of a list": (extended(LABELS), ["/labels"]),
    "a list of extensions": (extended(LABELS, inside=True), ["/labels"]),
    "labels of floats": (batch(scores=SCORES, labels=list_of([[0], [1]], pa.float32())), ["/labels"]),
    "labels of booleans": (batch(scores=SCORES, labels=list_of([[True], [False]], pa.bool_())), ["/labels"]),
    "a label of a boolean": (batch(scores=SCORES, labels=pa.array([True, False])), ["/labels"]),
    "labels in lists of lists": (batch(scores=SCORES, labels=list_of([[[0]], [[1]]], pa.list_(pa.int32()))), ["/labels"]),
    "labels beyond what is signed": (batch(scores=SCORES, labels=list_of([[0], [1, 2**64 - 1]], pa.uint64())), ["/labels/1/1"]),
    "a class out of range": (batch(scores=SCORES, labels=list_of([[0], [1, 3]], pa.int64())), ["/labels/1/1"]),
    "a class twice": (batch(scores=SCORES, labels=list_of([[0], [1, 1]], pa.int64())), ["/labels/1/1"]),
    "a label out of range": (batch(scores=SCORES, labels=pa.array([0, -1])), ["/labels/1"]),
    "weights without labels": (batch(scores=SCORES, label_weights=LABELS), ["/label_weights"]),
    "weights nested otherwise": (
        batch(scores=SCORES, labels=list_of([[0], [1]], pa.int8()), label_weights=pa.array([1, 2])),
        ["/label_weights"],
    ),
    "weights in lists": (batch(scores=SCORES, labels=pa.array([0, 1]), label_weights=list_of([[1], [2]], pa.int8())), ["/label_weights"]),
    "other weights": (batch(scores=SCORES, labels=LABELS, label_weights=list_of([[1, 2], [3]], pa.int8())), ["/label_weights/0"]),
    "padded weights": (batch(scores=SCORES, labels=LABELS, label_weights=np.ones((2, 2))), ["/label_weights/0"]),
    "weights of another width": (batch(scores=SCORES, labels=np.array([[0, 1]] * 2), label_weights=np.ones((2, 3))), ["/label_weights/0"]),
    "weights of booleans": (
        batch(scores=SCORES, labels=LABELS, label_weights=list_of([[True], [True] * 2], pa.bool_())),
        ["/label_weights"],
    ),
    "a null": (batch(scores=SCORES, labels=LABELS, sample_weight=ROW), ["/sample_weight"]),
    "a row of scores that is null": (batch(scores=fixed_list([[1, 2, 3], None]), labels=LABELS), ["/scores"]),
    "a score that is null": (batch(scores=fixed_list([[1, 2, 3], [1, 2, None]]), labels=LABELS), ["/scores"]),
    "a target that is null": (batch(scores=SCORES, targets=fixed_list([[1, None, 3], [1, 2, 3]])), ["/targets"]),
    "a mask that is null": (batch(scores=SCORES, labels=LABELS, mask=fixed_list([[True] * 3, [True, None, True]], pa.bool_())), ["/mask"]),
    "a row of labels that is null": (batch(scores=SCORES, labels=list_of([[1], None], pa.int32())), ["/labels"]),
    "a label that is null": (batch(scores=SCORES, labels=list_of([[1], [1, None]], pa.int32())), ["/labels"]),
    "one label that is null": (batch(scores=SCORES, labels=pa.array([1, None], pa.int32())), ["/labels"]),
    "a nan": (batch(scores=SCORES * np.float32(np.nan), labels=LABELS), ["/scores/0/0"]),
    "plus infinity": (batch(scores=SCORES * np.float32(np.inf), labels=LABELS), ["/scores/0/0"]),
    "a positive label that is masked": (batch(scores=np.where(SCORES == 2, -np.inf, SCORES), labels=LABELS), ["/labels/0/0"]),
    "another number of classes": (batch(scores=SCORES, targets=np.ones((2, 2))), ["/targets"]),
    "a gradient of another shape": (batch({"reduction": "none"}, scores=SCORES, labels=LABELS, grad_output=SCORES), ["/grad_output"]),
    "a gradient a row for a mean": (batch(scores=SCORES, labels=LABELS, grad_output=pa.array([1.0, 2.0])), ["/grad_output"]),
    "an unknown option": (batch({"los": "focal"}, scores=SCORES, labels=LABELS), ["/los"]),
    "an option of safetensors": (batch({"format": "pt"}, scores=SCORES, labels=LABELS), ["/format"]),
    "scores as an option": (batch({"scores": "[[1]]"}, labels=LABELS), ["/scores"]),
    "labels as an option": (batch({"labels": "[1]"}, scores=SCORES), ["/labels"]),
    "targets twice": (batch({"targets": "[[1]]"}, scores=SCORES, targets=SCORES), ["/targets"]),
    "a gradient twice": (
        batch({"reduction": "none", "grad_output": "2"}, scores=SCORES, labels=LABELS, grad_output=pa.array([1, 2])),
        ["/grad_output"],
    ),
    "a gradient of a list": (batch({"reduction": "none", "grad_output": "[1,2]"}, scores=SCORES, labels=LABELS), ["/grad_output"]),
    "a class weight": (batch({"class_weight": "2"}, scores=SCORES, labels=LABELS), ["/class_weight"]),
    "a class weight of text": (batch({"class_weight": "[1,2"}, scores=SCORES, labels=LABELS), ["/class_weight"]),
    "class weights that are null": (batch({"class_weight": "[1,2,null]"}, scores=SCORES, labels=LABELS), ["/class_weight/2"]),
    "class weights that are true": (batch({"class_weight": "[1,2,true]"}, scores=SCORES, labels=LABELS), ["/class_weight/2"]),
    "class weights that are not finite": (batch({"class_weight": "[1,2,Infinity]"}, scores=SCORES, labels=LABELS), ["/class_weight/2"]),
    "class weights that are huge": (batch({"class_weight": f"[1,2,{'9' * 400}]"}, scores=SCORES, labels=LABELS), ["/class_weight/2"]),
    "too few class weights": (batch({"class_weight": "[1,2]"}, scores=SCORES, labels=LABELS), ["/class_weight"]),
    "nested class weights": (batch({"class_weight": "[[1,2,3]]"}, scores=SCORES, labels=LABELS), ["/class_weight/0"]),
    "an unknown parameter": (batch({"params": '{"gama": 1}'}, scores=SCORES, labels=LABELS), ["/params/gama"]),
    "parameters that are no JSON": (batch({"params": "gamma=1"}, scores=SCORES, labels=LABELS), ["/params"]),
    "a precision that is half": (batch({"dtype": "float16"}, scores=SCORES, labels=LABELS), ["/dtype"]),
}


@pytest.mark.parametrize("about", WRONG)
def test_a_request_that_is_wrong_is_422_and_names_the_column(about: str, client: TestClient) -> None:
    table, pointers = WRONG[about]
    body = stream(table)
    with pytest.raises(InvalidJob) as refused:
        decoded(body)
    assert [each.pointer for each in refused.value.problems] == pointers
    assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 422, pointers[0])


def test_ragged_scores_are_told_what_they_should_be() -> None:
    with pytest.raises(InvalidJob, match=r"/scores: is a column of 'list<item: float>'; expected fixed_size_list\[C\] of float16"):
        decoded(stream(WRONG["ragged scores"][0]))


@pytest.mark.parametrize("text", ["true", "[1,2", "9" * 400, "{}"])
def test_a_weight_is_told_what_it_should_be(text: str) -> None:
    with pytest.raises(InvalidJob, match="/pos_weight: expected a number or a list, found "):
        decoded(stream(batch({"loss": "bce", "pos_weight": text}, scores=SCORES, labels=LABELS)))


def test_a_stream_that_breaks_off_anywhere_is_refused_and_one_that_only_has_no_end_is_not() -> None:
    for length in range(len(REQUEST)):
        if length == len(SCHEMA):
            with pytest.raises(InvalidJob, match="/scores: has no rows"):
                decoded(REQUEST[:length])
        elif length == len(SCHEMA + BATCH):
            assert decoded(REQUEST[:length]).job.shape == (2, 3)
        else:
            with pytest.raises(MalformedRequest):
                decoded(REQUEST[:length])
    assert decoded(REQUEST).job.shape == (2, 3)


def test_columns_of_too_many_numbers_are_refused_by_name() -> None:
    masks = batch(scores=SCORES, labels=LABELS, mask=np.ones((2, 9), bool))
    for table, name in [(PLAIN, "scores"), (masks, "mask")]:
        most = 5 if name == "scores" else 17
        with pytest.raises(TensorTooLarge, match=f"/{name} has more than {most} numbers"):
            decoded(stream(table), most)
    lists = batch(scores=np.ones((2, 1), np.float32), labels=list_of([[0], [1] * 9], pa.int8()))
    with pytest.raises(TensorTooLarge, match="/labels has more than 9 numbers"):
        decoded(stream(lists), 9)
    with pytest.raises(TensorTooLarge, match="/scores has more than 6 numbers"):
        decoded(stream(*[batch(scores=np.ones((2, 3)), labels=LABELS)] * 2), 6)
    assert decoded(stream(PLAIN), 6).job.shape == (2, 3)


@pytest.mark.parametrize("name", ["scores", "labels"])
def test_rows_without_numbers_are_not_endless(name: str) -> None:
    fields = {"scores": field("scores", fixed(0), ITEM), "labels": field("labels", fixed(0), field("item", INT32))}
    rows = 2**40
    nothing = message(3, record_batch(rows, (rows, 0), [(0, 0)] * 3))
    with pytest.raises(TensorTooLarge):
        decoded(message(1, schema(fields[name])) + nothing + END)


def test_batches_are_not_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_messages, "MOST_BATCHES", 3)
    assert decoded(SCHEMA + BATCH * 3 + END).job.shape == (6, 3)
    with pytest.raises(MalformedRequest, match="expected the end, behind 3 record batches"):
        decoded(SCHEMA + BATCH * 4 + END)


def test_metadata_may_fill_the_schema_when_it_lies_there_once() -> None:
    weights = json.dumps(np.linspace(0, 1, 5000).tolist())
    honest = batch({"class_weight": weights, "pandas": "x" * 500_000}, scores=np.zeros((2, 5000), np.float32), labels=LABELS)
    assert decoded(stream(honest), 10_000).job.class_weight.shape == (5000,)
    many = pa.schema([field.with_metadata({f"PARQUET:field_{i}": "1" for i in range(20)}) for field in PLAIN.schema])
    assert decoded(stream(PLAIN.cast(many))).job.shape == (2, 3)


def test_a_stream_of_the_older_version_four_is_read() -> None:
    assert decoded(stream(PLAIN, metadata_version=pa.ipc.MetadataVersion.V4)).job.shape == (2, 3)


@pytest.mark.parametrize("loss", sorted(catalogue()))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_the_same_numbers_come_back_as_in_json(loss: str, dtype: type, reduction: str, client: TestClient) -> None:
    request = good(loss) | weights(loss) | {"reduction": reduction, "grad_output": 2, "dtype": np.dtype(dtype).name}
    options = {"loss": loss, "reduction": reduction, "grad_output": "2", "params": json.dumps(request["params"])}
    columns = {"labels": pa.array(request["labels"])} if "labels" in request else {"targets": fixed_list(request["targets"])}
    if "sample_weight" in request:
        columns["sample_weight"] = pa.array(request["sample_weight"])
    if "class_weight" in request:
        options["class_weight"] = json.dumps(request["class_weight"])
    body = stream(batch(options, scores=SCORES.astype(dtype), **columns))
    reply = client.post("/grad", content=body, headers={"content-type": TYPE})
    assert (reply.status_code, reply.headers["content-type"]) == (200, TYPE), reply.text
    found = loaded(reply.content)
    expected = client.post("/grad", json=request | {"scores": SCORES.astype(dtype).tolist()}).json()
    assert (found["grad"].dtype, found["loss"].dtype) == (dtype, dtype)
    np.testing.assert_array_equal(found["grad"], np.array(expected["grad"], dtype))
    wanted = np.array(expected["loss"], dtype)
    np.testing.assert_array_equal(found["loss"], wanted if wanted.ndim else np.full(2, wanted))


@pytest.mark.parametrize("form", ["targets", "single labels", "padded labels", "several batches"])
def test_labels_of_every_form_are_those_of_json(form: str, client: TestClient) -> None:
    dense, padded = np.array([[1, 0, 0], [0, 1, 1]], np.uint8), np.array([[0, -1], [1, 2]])
    tables = {
        "targets": ([batch(scores=SCORES, targets=dense)], {"targets": dense.tolist()}),
        "single labels": (
            [batch({"class_weight": "[1,2,3]"}, scores=SCORES, labels=pa.array([0, 2]))],
            {"labels": [0, 2], "class_weight": [1, 2, 3]},
        ),
        "padded labels": ([batch(scores=SCORES, labels=padded)], {"labels": GOOD["labels"]}),
        "several batches": ([PLAIN.slice(0, 1), PLAIN.slice(1)], {"labels": GOOD["labels"]}),
    }
    batches, members = tables[form]
    found = loaded(client.post("/grad", content=stream(*batches), headers={"content-type": TYPE}).content)
    expected = client.post("/grad", json={"scores": GOOD["scores"], **members}).json()
    np.testing.assert_array_equal(found["grad"], np.float32(expected["grad"]))
    np.testing.assert_array_equal(found["loss"], np.full(2, np.float32(expected["loss"])))


def test_a_loss_alone_stands_in_one_row(client: TestClient) -> None:
    found = loaded(client.post("/loss", content=stream(PLAIN), headers={"content-type": TYPE}).content)
    assert list(found) == ["loss"]
    np.testing.assert_array_equal(found["loss"], [np.float32(client.post("/loss", json=GOOD).json()["loss"])])


@pytest.mark.parametrize(("asked", "dtype"), [({}, np.float16), ({"dtype": "float32"}, np.float32), ({"dtype": "float64"}, np.float64)])
def test_half_precision_comes_back_as_it_was_sent_unless_another_is_asked_for(asked: Any, dtype: type, client: TestClient) -> None:
    body = stream(batch(asked, scores=SCORES.astype(np.float16), labels=LABELS))
    found = loaded(client.post("/grad", content=body, headers={"content-type": TYPE}).content)
    assert {each.dtype for each in found.values()} == {np.dtype(dtype)}


def test_another_form_may_be_asked_for_in_reply(client: TestClient) -> None:
    plain = client.post("/grad", json=GOOD).json()
    body = stream(PLAIN)
    assert client.post("/grad", content=body, headers={"content-type": TYPE, "accept": "application/json"}).json() == plain
    reply = client.post("/grad", json=GOOD, headers={"accept": TYPE})
    assert reply.headers["content-type"] == TYPE
    np.testing.assert_array_equal(loaded(reply.content)["grad"], np.float32(plain["grad"]))
    csr = {"scores": SCORES.astype(BFLOAT16), "labels": np.array([0, 1, 2]), "label_offsets": np.array([0, 1, 3])}
    brain = {"content": safetensors.numpy.save(csr), "headers": {"content-type": "application/vnd.safetensors", "accept": TYPE}}
    grad = loaded(client.post("/grad", **brain).content)["grad"]
    assert grad.dtype == np.float32
    np.testing.assert_array_equal(grad.astype(BFLOAT16).astype(np.float32), grad, "they are the bfloat16 that safetensors would hold")
    np.testing.assert_allclose(grad, plain["grad"], rtol=2**-6)


def test_a_reply_may_be_compressed_and_a_request_too(client: TestClient) -> None:
    rows = 5000
    table = batch(scores=np.tile(SCORES, (rows, 1)), labels=pa.array(GOOD["labels"] * rows))
    plain = client.post("/grad", content=stream(table), headers={"content-type": TYPE, "accept-encoding": "identity"})
    gzipped = client.post("/grad", content=stream(table), headers={"content-type": TYPE, "accept-encoding": "gzip"})
    assert gzipped.headers["content-encoding"] == "gzip"
    assert gzipped.content == plain.content
    assert loaded(plain.content)["grad"].shape == (2 * rows, 3)


def test_a_masked_class_is_minus_infinity(client: TestClient) -> None:
    body = stream(batch(scores=np.array([[2.0, -np.inf, -1.0]]), targets=np.array([[1, 0, 0]], np.uint8)))
    found = loaded(client.post("/grad", content=body, headers={"content-type": TYPE}).content)
    np.testing.assert_allclose(found["loss"], [np.log1p(np.exp(-3.0))], rtol=1e-12)
    assert found["grad"][0, 1] == 0


@given(body=st.binary(max_size=300) | st.binary(max_size=200).map(lambda text: SCHEMA + text))
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes) -> None:
    with pytest.raises((JobError, RequestError)):
        decoded(body)


@given(
    body=st.sampled_from([REQUEST, VALID, stream(PLAIN, compression="zstd")]),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3),
    insert=st.booleans(),
)
def test_no_few_bytes_raise_anything_but_our_own_errors(body: bytes, changes: list[tuple[int, int]], insert: bool) -> None:
    mutated = bytearray(body)
    for place, byte in changes:
        at = place % len(mutated)
        mutated[at : at + (not insert)] = bytes([byte])
    with contextlib.suppress(JobError, RequestError):
        assert decoded(mutated).job.shape[0] <= MOST
