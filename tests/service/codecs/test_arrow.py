"""application/vnd.apache.arrow.stream: pyarrow as the judge, golden bytes, views of the body, and streams that are not what they say."""

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.catalogue import catalogue
from models.checks import BFLOAT16
from models.contract import Result
from models.errors import InvalidJob, JobError
from service.codecs.arrow import CODEC, read, write
from service.errors import MalformedRequest, RequestError, TensorTooLarge
from tests.service.problems import GOOD, assert_problem

TYPE = "application/vnd.apache.arrow.stream"
MOST = 1000
SCORES = np.float32(GOOD["scores"])
LABELS = pa.array(GOOD["labels"], pa.list_(pa.int32()))
END = struct.pack("<iI", -1, 0)


def rows(array: Any, kind: pa.DataType | None = None) -> pa.Array:
    """[N, C] as a column."""
    array = np.asarray(array)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1), kind), array.shape[1])


def packed(columns: Any, metadata: Any = None, options: Any = None, batches: int = 1) -> bytes:
    """A stream of these columns."""
    batch = pa.record_batch(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        for _ in range(batches):
            stream.write_batch(batch)
    return bytes(sink.getvalue())


TWO = {"scores": rows(SCORES), "labels": LABELS}
BODY = packed(TWO, {"loss": "softmax"})


def decoded(body: bytes, most: int = MOST) -> Any:
    """The order that a body gives."""
    return CODEC.decode(bytearray(body), {}, True, most)


def table(body: bytes) -> pa.Table:
    """A reply, as pyarrow reads it."""
    return pa.ipc.open_stream(body).read_all()


def matrix(column: pa.ChunkedArray) -> Any:
    """A column of lists as [N, C]."""
    return np.array(column.to_pylist())


def flatbuffer_of_message(kind: int, fields: int) -> bytes:
    """A Message of version 5 with a header table that has this many 16-bit fields, all 1: a vtable, a table, a vtable, a table."""
    header = struct.pack("<HH", 4 + 2 * fields, 4 + 2 * fields) + b"".join(struct.pack("<H", 4 + 2 * i) for i in range(fields))
    header += b"\0" * (-len(header) % 4)
    vtable = struct.pack("<6H", 12, 16, 4, 6, 8, 0)
    # root offset, vtable of the message, message: version 4 (V5), header type, offset of the header
    message = struct.pack("<i", 12) + struct.pack("<HBx", 4, kind) + struct.pack("<II", 8 + len(header), 0)
    return struct.pack("<I", 16) + vtable + message + header + struct.pack("<i", len(header)) + struct.pack("<H", 1) * fields


def test_a_stream_gives_its_fields() -> None:
    columns = {
        "scores": rows(SCORES.astype(np.float64)),
        "labels": LABELS,
        "label_weights": pa.array([[0.5], [1, 2]], pa.list_(pa.float32())),
        "sample_weight": pa.array([1, 2], pa.int8()),
        "mask": rows([[True, True, False], [True, True, True]]),
        "grad_output": pa.array([1.0, 2.0]),
    }
    options = {
        "loss": "softmax",
        "params": '{"temperature": 2}',
        "reduction": "none",
        "class_weight": "[1, 2, 3]",
        "pandas": "{}",
        "ARROW:x": "y",
    }
    job = decoded(packed(columns, options)).job
    assert (job.loss.name, job.dtype, job.reduction, job.params["temperature"]) == ("softmax_cross_entropy", "float64", "none", 2.0)
    assert (job.labels.indices.tolist(), job.labels.offsets.tolist(), job.labels.weights.tolist()) == ([0, 1, 2], [0, 1, 3], [0.5, 1, 2])
    assert (job.sample_weight.tolist(), job.class_weight.tolist(), job.grad_output.tolist()) == ([1, 2], [1, 2, 3], [1, 2])
    assert job.mask.tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize(
    ("labels", "flat"),
    [
        (LABELS, False),
        (pa.array(GOOD["labels"], pa.large_list(pa.uint64())), False),
        (rows([[0, -1], [1, 2]]), False),
        (pa.array([0, 2], pa.int8()), True),
    ],
)
def test_labels_come_in_lists_of_any_kind_or_one_a_row(labels: pa.Array, flat: bool) -> None:
    found = decoded(packed({"scores": rows(SCORES), "labels": labels})).job.labels
    assert found.flat == flat
    assert [found.indices[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)] == (
        [[0], [2]] if flat else GOOD["labels"]
    )


def test_numbers_are_views_of_the_body() -> None:
    body = bytearray(BODY)
    whole = np.frombuffer(body, np.uint8)
    fields = read(body, {}, MOST)
    assert np.shares_memory(whole, fields["scores"])
    assert np.shares_memory(whole, fields["labels"].indices)
    assert np.shares_memory(whole, CODEC.decode(body, {}, True, MOST).job.scores)


def test_the_gradient_goes_out_without_a_copy() -> None:
    grad = np.ones((50, 40), np.float32)
    parts = write(Result(loss=np.float32(1), grad=grad))
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), grad) for part in parts if isinstance(part, memoryview))


def test_several_batches_are_one_and_none_is_none() -> None:
    job = decoded(packed(TWO, batches=3)).job
    assert job.shape == (6, 3) and job.labels.offsets.tolist() == [0, 1, 3, 4, 6, 7, 9]
    with pytest.raises(InvalidJob, match=r"/scores: has shape \[0, 3\]"):
        decoded(packed({"scores": rows(SCORES)}, batches=0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_pyarrow_reads_what_we_write(dtype: Any) -> None:
    grad = np.arange(6, dtype=dtype).reshape(2, 3)
    found = table(b"".join(write(Result(loss=np.array(0.5, dtype), grad=grad))))
    assert found.column("loss").to_pylist() == [0.5, 0.5]
    assert matrix(found.column("grad")).tolist() == grad.tolist()
    assert found.schema.field("grad").type == pa.list_(pa.from_numpy_dtype(dtype), 3)
    assert table(b"".join(write(Result(loss=np.array(0.5, dtype))))).column("loss").to_pylist() == [0.5]
    assert table(b"".join(write(Result(loss=grad[:, 0], grad=grad.T[:2].copy().T)))).column("loss").to_pylist() == grad[:, 0].tolist()
    assert matrix(table(b"".join(write(Result(loss=grad)))).column("loss")).tolist() == grad.tolist()


def test_bfloat16_which_arrow_has_not_goes_out_as_float32() -> None:
    found = table(b"".join(write(Result(loss=np.array(1.5, BFLOAT16), grad=np.array([[0.5, -2], [1, 0]], BFLOAT16)))))
    assert found.schema.field("loss").type == pa.float32()
    assert (found.column("loss").to_pylist(), matrix(found.column("grad")).tolist()) == ([1.5, 1.5], [[0.5, -2], [1, 0]])


def test_a_reply_holds_exactly_these_numbers() -> None:
    body = b"".join(write(Result(loss=np.float32([1, 2]), grad=np.float32([[3], [4]]))))
    start = body.rindex(struct.pack("<2f", 1, 2))
    assert body[:4] == b"\xff\xff\xff\xff", "a stream begins with a continuation"
    assert body[start:] == struct.pack("<2f", 1, 2) + struct.pack("<2f", 3, 4) + END, "two buffers of 8 bytes each, and the end"
    assert (len(body) - 24) % 8 == 0


def referred_to_again() -> bytes:
    """A schema whose metadata has one long value a thousand times: each entry after the first refers to the first one's."""
    entries = {"long": "x" * 20_000} | {f"k{i:03}": "v" * 4 for i in range(1000)}
    body = bytearray(packed(TWO, entries))
    long = body.index(b"x" * 20_000) - 4
    place = body.find(b"\x04\x00\x00\x00vvvv")
    places = []
    while place > 0:
        places.append(place)
        place = body.find(b"\x04\x00\x00\x00vvvv", place + 1)
    end = struct.unpack_from("<I", body, 4)[0] + 8
    for at in range(8, end - 4, 4):
        (offset,) = struct.unpack_from("<I", body, at)
        if at + offset in places and at < long:
            struct.pack_into("<I", body, at, long - at)
    return bytes(body)


def dictionary() -> bytes:
    """A stream with a dictionary."""
    return packed({"scores": rows(SCORES), "labels": pa.array([0, 1]).dictionary_encode()})


def an_arrow_file() -> bytes:
    """A file in place of a stream."""
    batch, sink = pa.record_batch(TWO), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as file:
        file.write_batch(batch)
    return bytes(sink.getvalue())


def framed(metadata: bytes) -> bytes:
    """A message of this metadata."""
    metadata += b"\0" * (-len(metadata) % 8)
    return struct.pack("<iI", -1, len(metadata)) + metadata


HOSTILE: dict[str, tuple[bytes, str]] = {
    "JSON": (json.dumps(GOOD).encode(), "is not application/vnd.apache.arrow.stream"),
    "a file": (an_arrow_file(), "is an Arrow file"),
    "no schema": (END, "is not application/vnd.apache.arrow.stream"),
    "compressed by zstd": (packed(TWO, options=pa.ipc.IpcWriteOptions(compression="zstd")), "compressed"),
    "compressed by lz4": (packed(TWO, options=pa.ipc.IpcWriteOptions(compression="lz4")), "compressed"),
    "a big-endian schema": (framed(flatbuffer_of_message(1, 1)), "big-endian"),
    "a dictionary": (dictionary(), "dictionary"),
    "bytes behind the end": (BODY + b"x", "1 bytes lie behind the end"),
    "a stream behind the end": (BODY + BODY, f"{len(BODY)} bytes lie behind the end"),
    "a length that lies": (BODY[:4] + struct.pack("<I", 2**31 - 8) + BODY[8:], "is not application/vnd.apache.arrow.stream"),
    "a negative length": (BODY[:4] + struct.pack("<i", -8) + BODY[8:], "is not application/vnd.apache.arrow.stream"),
    "offsets that run outside": (BODY.replace(struct.pack("<3i", 0, 1, 3), struct.pack("<3i", 0, 1, 9)), "is not"),
    "offsets that fall": (BODY.replace(struct.pack("<3i", 0, 1, 3), struct.pack("<3i", 0, 4, 3)), "is not"),
    "one text a thousand times": (referred_to_again(), "longer than the schema"),
    "very many batches": (packed(TWO, batches=10_001), "more than 10000 messages"),
    "very many columns": (packed({f"c{i}": pa.array([1.0]) for i in range(100)}), "more than 64 fields"),
    "a very long header": (packed(TWO, {"params": " " * (1 << 20)}), "more than 1048576 bytes"),
    "a column twice": (
        packed(pa.RecordBatch.from_arrays([rows(SCORES), rows(SCORES)], names=["scores", "scores"])),
        "/scores: the column is there twice",
    ),
}
FULL = {"scores": rows(SCORES), "labels": LABELS}
WRONG: dict[str, tuple[Any, Any, str]] = {
    "no scores": ({"labels": LABELS}, None, "/scores"),
    "an unknown column": (FULL | {"label": LABELS}, None, "/label"),
    "an unknown option": (FULL, {"los": "focal"}, "/los"),
    "scores in lists": ({"scores": pa.array(SCORES.tolist(), pa.list_(pa.float32())), "labels": LABELS}, None, "/scores"),
    "plain scores": ({"scores": pa.array([1.0, 2.0]), "labels": LABELS}, None, "/scores"),
    "integer scores": ({"scores": rows(SCORES.astype(int)), "labels": LABELS}, None, "/scores"),
    "scores of strings": ({"scores": pa.FixedSizeListArray.from_arrays(pa.array(list("abcdef")), 3), "labels": LABELS}, None, "/scores"),
    "nested scores": ({"scores": pa.FixedSizeListArray.from_arrays(rows(SCORES), 1), "labels": LABELS}, None, "/scores"),
    "a row that is null": ({"scores": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), "labels": LABELS}, None, "/scores"),
    "a value that is null": ({"scores": pa.array([[1.0, None], [1, 2]], pa.list_(pa.float32(), 2)), "labels": LABELS}, None, "/scores"),
    "labels that are null": ({"scores": rows(SCORES), "labels": pa.array([[0], None], pa.list_(pa.int32()))}, None, "/labels"),
    "labels of floats": ({"scores": rows(SCORES), "labels": pa.array([[0.0], [1.0]])}, None, "/labels"),
    "labels of dates": ({"scores": rows(SCORES), "labels": pa.array([0, 1], pa.date32())}, None, "/labels"),
    "a class out of range": ({"scores": rows(SCORES), "labels": pa.array([[0], [3]])}, None, "/labels/1/0"),
    "weights nested otherwise": (FULL | {"label_weights": pa.array([[1.0, 1.0], [1.0]])}, None, "/label_weights"),
    "weights without labels": ({"scores": rows(SCORES), "label_weights": pa.array([[1.0], [1.0]])}, None, "/label_weights"),
    "a nan": ({"scores": rows(SCORES * np.nan), "labels": LABELS}, None, "/scores/0/0"),
    "a class weight that is no list": (FULL, {"class_weight": "x"}, "/class_weight"),
    "a class weight of words": (FULL, {"class_weight": '["x"]'}, "/class_weight/0"),
    "parameters that are a list": (FULL, {"params": "[]"}, "/params"),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_a_stream_that_is_not_what_it_says_is_400_in_words(about: str, client: TestClient) -> None:
    body, says = HOSTILE[about]
    with pytest.raises(MalformedRequest) as refused:
        decoded(body)
    assert says in str(refused.value)
    assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 400, says)


@pytest.mark.parametrize("about", WRONG)
def test_a_stream_that_is_wrong_is_422_and_names_the_column(about: str, client: TestClient) -> None:
    columns, metadata, pointer = WRONG[about]
    body = packed(columns, metadata)
    with pytest.raises(InvalidJob) as refused:
        decoded(body)
    assert [each.pointer for each in refused.value.problems] == [pointer]
    assert_problem(client.post("/grad", content=body, headers={"content-type": TYPE}), 422, pointer)


def test_a_column_of_too_many_numbers_is_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 5 numbers"):
        decoded(BODY, 5)


def test_a_stream_that_breaks_off_is_refused_unless_only_its_end_is_missing() -> None:
    whole = [len(BODY) - 8]
    for length in range(len(BODY)):
        with contextlib.nullcontext() if length in whole else pytest.raises((MalformedRequest, InvalidJob)):
            decoded(BODY[:length])


@pytest.mark.parametrize("loss", sorted(catalogue()))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_numbers_come_back_as_in_json(loss: str, dtype: str, client: TestClient) -> None:
    body = packed({"scores": rows(SCORES.astype(dtype)), "labels": LABELS}, {"loss": loss, "class_weight": "[1, 0.5, 2]"})
    reply = client.post("/grad", content=body, headers={"content-type": TYPE})
    assert (reply.status_code, reply.headers["content-type"]) == (200, TYPE), reply.text
    request = GOOD | {"loss": loss, "class_weight": [1, 0.5, 2], "dtype": dtype, "scores": SCORES.astype(dtype).tolist()}
    expected, found = client.post("/grad", json=request).json(), table(reply.content)
    np.testing.assert_array_equal(matrix(found.column("grad")).astype(dtype), np.array(expected["grad"], dtype))
    np.testing.assert_array_equal(found.column("loss").to_numpy(), np.full(2, expected["loss"], dtype))


def test_one_form_may_be_sent_and_another_asked_for(client: TestClient) -> None:
    plain = client.post("/grad", json=GOOD).json()
    assert client.post("/grad", content=BODY, headers={"content-type": TYPE, "accept": "application/json"}).json() == plain
    reply = client.post("/grad", json=GOOD, headers={"accept": TYPE})
    assert matrix(table(reply.content).column("grad")).astype(np.float32).tolist() == np.float32(plain["grad"]).tolist()


def answered(body: bytes) -> None:
    """Our own errors, or an order."""
    with contextlib.suppress(JobError, RequestError):
        decoded(body)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda text: framed(text)))
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes) -> None:
    answered(body)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_changed_bytes_raise_anything_but_our_own_errors(changes: list[tuple[int, int]]) -> None:
    body = bytearray(BODY)
    for place, byte in changes:
        body[place] = byte
    answered(bytes(body))
