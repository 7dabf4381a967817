"""What is done at once takes little, whatever a request holds: nothing small to look at keeps the event loop from others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.catalogue import find
from models.contract import Job, Runtime
from models.errors import InvalidTargets
from models.labels import Labels
from service.codec import BINARY_BYTES, TEXT_BYTES
from service.codecs import open_inference_binary as binary
from service.codecs import safetensors
from service.negotiation import CODECS

MOST = 1 << 25


def header(length: int, nbytes: int) -> bytes:
    return length.to_bytes(8, "little") + bytes(nbytes - 8)


@pytest.mark.parametrize(
    ("media_type", "body", "quick"),
    [
        ("application/json", bytes(TEXT_BYTES), True),
        ("application/json", bytes(TEXT_BYTES + 1), False),
        ("application/vnd.safetensors", header(300, BINARY_BYTES), True),
        ("application/vnd.safetensors", header(300, BINARY_BYTES + 1), False),
        ("application/vnd.safetensors", header(1 << 14, BINARY_BYTES), False),
        ("application/vnd.apache.arrow.stream", bytes(1 << 18), False),
    ],
)
def test_a_body_is_read_at_once_where_that_is_quick(media_type: str, body: bytes, quick: bool) -> None:
    assert CODECS[media_type].quickly_read(bytearray(body)) is quick


def test_numbers_in_the_json_count_as_much_as_those_behind_it() -> None:
    text = b'{"inputs":[{"name":"scores","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}'
    assert binary.parsed(bytearray(text), None, MOST).nbytes == 16


def job(shape: tuple[int, int], loss: str = "softmax_cross_entropy", dtype: Any = "float32") -> Job:
    return Job(
        loss=find(loss), scores=np.zeros(shape), labels=Labels(indices=np.zeros(0, int), offsets=np.zeros(shape[0] + 1, int)), dtype=dtype
    )


@pytest.mark.parametrize(
    ("given", "fused", "without"),
    [
        (lambda: job((1, 1000)), True, True),
        (lambda: job((256, 1000)), True, False),
        (lambda: job((256, 1000), dtype="float64"), False, False),
        (lambda: job((1 << 14, 1)), False, False),
        (lambda: job((1 << 12, 1)), False, True),
        (lambda: job((64, 1000), "lsep"), False, False),
    ],
)
def test_a_job_is_run_at_once_where_that_is_quick(
    given: Callable[[], Job], fused: bool, without: bool, runtimes: dict[str, Runtime]
) -> None:
    pytorch: Any = runtimes["pytorch"]
    assert pytorch.quick(given()) is (fused if pytorch.fused else without)


def test_a_graph_that_is_new_is_loaded_in_a_thread(runtimes: dict[str, Runtime]) -> None:
    onnx: Any = runtimes["onnx"]
    small = job((3, 4), "hill")
    onnx.session.cache_clear()
    assert not onnx.quick(small)
    onnx.run(small)
    assert onnx.quick(small)


def test_no_more_labels_are_put_in_order_than_there_are_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    argsort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda keys, **how: sizes.append(len(keys)) or argsort(keys, **how))
    indices = np.random.default_rng(0).integers(0, 256, 100_000)
    labels = Labels(indices=indices, offsets=np.array([0, len(indices)]))
    twice = next(i for i in range(len(indices)) if indices[i] in indices[:i])
    with pytest.raises(InvalidTargets, match=rf"/labels/0/{twice}: class {indices[twice]} is there twice"):
        Job(loss=find("softmax_cross_entropy"), scores=np.zeros((1, 256)), labels=labels)
    assert sizes == [257]


def test_a_header_says_how_long_it_is() -> None:
    assert not safetensors.quickly_read(bytearray(b"\xff" * 100))
