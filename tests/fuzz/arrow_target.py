"""Arrow IPC streams, where this installation reads them; pyarrow is C++, and coverage does not see into it."""

import importlib
import importlib.util
from typing import Any

from service.negotiation import CODECS
from tests.fuzz.json_targets import wants_grad
from tests.fuzz.judge import answered, decoded

MEDIA_TYPE = "application/vnd.apache.arrow.stream"


def is_there() -> bool:
    """Whether there is a codec to fuzz."""
    return importlib.util.find_spec("pyarrow") is not None and hasattr(importlib.import_module("service.codecs.arrow"), "read")


def arrow_body(data: bytes) -> None:
    """application/vnd.apache.arrow.stream."""
    answered(lambda: decoded(CODECS[MEDIA_TYPE], data[1:], wants_grad(data)))


def seeds() -> list[bytes]:
    """Streams with dense targets, with lists of labels, and with one label a row."""
    import pyarrow as pa

    matrix = pa.array([[2.0, 0.5], [0.1, 1.2]], pa.list_(pa.float32(), 2))
    columns = [
        {"scores": matrix, "targets": matrix.cast(pa.list_(pa.float64(), 2))},
        {"scores": matrix, "labels": pa.array([[0], [0, 1]], pa.list_(pa.int32())), "sample_weight": pa.array([1.0, 0.5])},
        {"scores": matrix.cast(pa.list_(pa.float16(), 2)), "labels": pa.array([0, 1], pa.int64())},
    ]
    return [b"g" + stream(pa.table(each).replace_schema_metadata({"loss": "softmax", "reduction": "none"})) for each in columns]


def stream(table: Any) -> bytes:
    """A table as an IPC stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
