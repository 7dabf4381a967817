"""Bytes become arrays without a copy, and arrays the fields of a request."""

from typing import Any

import numpy as np
import pytest

from models.checks import BFLOAT16
from models.errors import InvalidJob
from models.labels import Labels
from service.errors import MalformedRequest, TensorTooLarge
from service.tensors import fields, labels, raw, size, viewed

FLOAT = np.dtype("<f4")
SCORES = np.ones((2, 3), np.float32)


def found(**tensors: Any) -> tuple[list[int], list[int], list[float] | None, bool]:
    """What labels come to, as plain lists."""
    got = labels({name: np.asarray(each) for name, each in tensors.items() if name != "ignore_index"}, tensors.get("ignore_index"))
    return got.indices.tolist(), got.offsets.tolist(), None if got.weights is None else got.weights.tolist(), got.flat


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_an_array_shares_the_memory_of_its_bytes(kind: Any) -> None:
    data = kind(np.arange(6, dtype=FLOAT).tobytes())
    array = viewed(data, FLOAT, [2, 3], "scores", 6)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("length", [0, 23, 25])
def test_bytes_that_are_not_as_many_as_the_shape_takes_are_refused(length: int) -> None:
    with pytest.raises(MalformedRequest, match=rf"/scores: float32 \[2, 3\] takes 24 bytes, found {length}"):
        viewed(bytes(length), FLOAT, [2, 3], "scores", 6)


def test_booleans_are_bytes_of_0_and_1() -> None:
    assert viewed(b"\0\1", np.dtype(bool), [2], "mask", 6).tolist() == [0, 1]
    with pytest.raises(MalformedRequest, match="/mask: a boolean is a byte 0 or 1, found 255"):
        viewed(b"\0\xff", np.dtype(bool), [2], "mask", 6)


def test_numbers_are_little_endian_on_any_machine() -> None:
    assert viewed(b"\x00\x00\x80\x3f", FLOAT, [1], "scores", 1).tolist() == [1.0]
    assert viewed(b"\x80\x3f", BFLOAT16, [1], "scores", 1).astype(float).tolist() == [1.0]


@pytest.mark.parametrize(("shape", "count"), [([], 1), ([0], 0), ([2, 3], 6), ([0, 6], 0)])
def test_a_shape_has_a_size(shape: list[int], count: int) -> None:
    assert size(shape, "scores") == count


def test_more_numbers_than_may_be_are_refused_by_name() -> None:
    with pytest.raises(TensorTooLarge, match="/scores has more than 6 numbers"):
        viewed(bytes(28), FLOAT, [7], "scores", 6)


@pytest.mark.parametrize("shape", [[2**31 - 1] * 8, [2**20, 2**20]])
def test_a_product_of_dimensions_does_not_wrap_around(shape: list[int]) -> None:
    with pytest.raises(MalformedRequest, match="bytes, found 0"):
        viewed(b"", FLOAT, shape, "scores", 6)


@pytest.mark.parametrize("shape", [[-1], [2, -3], [1.0], [True], ["2"], [None], [1] * 9, [[2]], [2**31], [2**62, 4], [0, 2**62], [2**80]])
def test_what_is_no_shape_is_refused(shape: Any) -> None:
    with pytest.raises(MalformedRequest, match="is no shape"):
        size(shape, "scores")


def test_labels_come_as_offsets_padded_or_one_a_row() -> None:
    assert found(labels=[0, 1, 2], label_offsets=[0, 1, 3]) == ([0, 1, 2], [0, 1, 3], None, False)
    assert found(labels=[[0, -1], [1, 2]]) == ([0, 1, 2], [0, 1, 3], None, False)
    assert found(labels=[[-1, 4], [-1, -1]], label_weights=[[9, 0.5], [9, 9]]) == ([4], [0, 1, 1], [0.5], False)
    assert found(labels=[2, 0]) == ([2, 0], [0, 1, 2], None, True)
    assert found(labels=np.empty((2, 0), int)) == ([], [0, 0, 0], None, False)
    assert found(labels=np.array([[1, 255]], np.uint8)) == ([1, 255], [0, 2], None, False)
    assert found(labels=np.array([[1, 2**64 - 1]], np.uint64)) == ([1, 2**64 - 1], [0, 2], None, False)


def test_padding_that_is_the_ignore_index_too_leaves_a_row_out() -> None:
    assert found(labels=[[-1, -1], [0, -1]], ignore_index=-1) == ([-1, 0], [0, 1, 2], None, False)
    assert found(labels=[[-1, -1], [0, -1]], ignore_index=-100) == ([0], [0, 0, 1], None, False)


@pytest.mark.parametrize(
    ("tensors", "pointer"),
    [
        ({"label_weights": [1.0]}, "/label_weights"),
        ({"label_offsets": [0, 1]}, "/label_offsets"),
        ({"labels": [0.5]}, "/labels"),
        ({"labels": [0], "label_offsets": [0.0, 1.0]}, "/label_offsets"),
        ({"labels": [[0]], "label_offsets": [0, 1]}, "/labels"),
        ({"labels": [[[0]]]}, "/labels"),
        ({"labels": [0, 1], "label_weights": [1.0]}, "/label_weights"),
        ({"labels": [[0, 1]], "label_weights": [1.0, 1.0]}, "/label_weights"),
    ],
)
def test_labels_in_any_other_form_are_refused(tensors: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        found(**tensors)
    assert [each.pointer for each in refused.value.problems] == [pointer]


def test_the_precision_is_that_of_the_scores_unless_an_option_says_otherwise() -> None:
    assert "dtype" not in fields({"scores": SCORES}, {})
    assert "dtype" not in fields({"scores": SCORES.astype(np.float16)}, {})
    assert fields({"scores": SCORES.astype(np.float64)}, {})["dtype"] == "float64"
    assert fields({"scores": SCORES.astype(np.float64)}, {"dtype": "float32"})["dtype"] == "float32"
    assert isinstance(fields({"scores": SCORES, "labels": np.array([0, 1])}, {})["labels"], Labels)


def test_unknown_tensors_are_named_and_only_a_few_of_many() -> None:
    with pytest.raises(InvalidJob) as refused:
        fields({"scores": SCORES, "score": SCORES}, {})
    assert [each.pointer for each in refused.value.problems] == ["/score"]
    assert "did you mean 'scores'?" in str(refused.value)
    with pytest.raises(InvalidJob) as refused:
        fields({f"x{i}": SCORES for i in range(1000)}, {})
    assert len(refused.value.problems) == 8


def test_the_bytes_of_an_array_are_its_own_where_it_lies_row_by_row() -> None:
    assert np.shares_memory(np.frombuffer(raw(SCORES), np.uint8), SCORES)
    assert bytes(raw(np.float32([[1, 2], [3, 4]]).T)) == np.float32([1, 3, 2, 4]).tobytes()
    assert bytes(raw(np.array(1, BFLOAT16))) == b"\x80\x3f"


def test_one_number_may_have_a_dimension_where_the_loss_is_one() -> None:
    one = {"scores": SCORES, "grad_output": np.float32([2])}
    assert fields(one, {})["grad_output"].shape == fields(one, {"reduction": "sum"})["grad_output"].shape == ()
    assert fields(one, {"reduction": "none"})["grad_output"].shape == (1,)
