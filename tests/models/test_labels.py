"""Sparse labels: their rows and widths, what ignoring leaves of them, and their padded form."""

import numpy as np

from models.labels import Labels, padded, without_ignored
from tests.models.cases import lists, single_labels


def test_rows_counts_and_width_follow_the_offsets() -> None:
    labels = lists([4, 1], [], [0, 2, 3])
    np.testing.assert_array_equal(labels.counts, [2, 0, 3])
    np.testing.assert_array_equal(labels.rows, [0, 0, 2, 2, 2])
    assert labels.width == 3
    assert lists([], []).width == 0


def test_padding_keeps_the_order_of_each_row() -> None:
    indices, weights = padded(lists([4, 1], [], [0, 2, 3]), "float32")
    np.testing.assert_array_equal(indices, [[4, 1, -1], [-1, -1, -1], [0, 2, 3]])
    assert indices.dtype == np.int64 and weights is None


def test_weights_are_padded_with_zero_in_the_dtype_of_the_job() -> None:
    given = lists([4, 1], [0])
    _, weights = padded(Labels(indices=given.indices, offsets=given.offsets, weights=np.array([0.5, -2, 3])), "float64")
    np.testing.assert_array_equal(weights, [[0.5, -2], [3, 0]])
    assert weights is not None and weights.dtype == np.float64


def test_rows_without_any_label_are_padded_to_one_column() -> None:
    indices, _ = padded(lists([], [], []), "float32")
    np.testing.assert_array_equal(indices, [[-1]] * 3)


def test_nothing_is_ignored_where_nothing_is_said() -> None:
    labels = lists([7], [1, 7])
    assert without_ignored(labels, None) == (labels, None)
    assert without_ignored(labels, 3) == (labels, None)


def test_an_ignored_row_loses_its_label_and_its_weight() -> None:
    given = lists([0, 7], [7], [], [7], [2])
    labels, kept = without_ignored(Labels(indices=given.indices, offsets=given.offsets, weights=np.arange(5.0)), 7)
    np.testing.assert_array_equal(labels.indices, [0, 7, 2])
    np.testing.assert_array_equal(labels.offsets, [0, 2, 2, 2, 2, 3])
    np.testing.assert_array_equal(labels.weights, [0, 1, 4])
    np.testing.assert_array_equal(kept, [True, False, True, False, True])


def test_every_row_may_be_ignored() -> None:
    labels, kept = without_ignored(single_labels([5, 5]), 5)
    assert len(labels.indices) == 0 and labels.width == 0
    np.testing.assert_array_equal(labels.offsets, [0, 0, 0])
    np.testing.assert_array_equal(kept, [False, False])
    assert labels.flat
