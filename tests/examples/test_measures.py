"""What a row of scores stands for, and how good that is, counted by hand."""

import numpy as np
import pytest

from examples.train import measures

SCORES = np.array([[2.0, 1.0, -3.0, 0.5], [-1.0, -2.0, -1.5, -8.0], [0.1, 0.2, 3.0, -0.1]])
TRUTH = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])


def counted(truth, found):
    """F1 = 2·hits / (true + found)."""
    total = truth.sum() + found.sum()
    return 2 * (truth * found).sum() / total if total else 0.0


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        ("softmax_cross_entropy", [[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]]),  # p > 1/4
        ("binary_cross_entropy", [[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]]),  # score > 0
    ],
)
def test_classes_are_found_by_the_rule_of_the_loss(loss, found):
    found = np.array(found)
    measured = measures.measured(loss, SCORES, TRUTH)
    assert measured["micro-F1"] == pytest.approx(counted(TRUTH, found))
    assert measured["macro-F1"] == pytest.approx(np.mean([counted(TRUTH[:, c], found[:, c]) for c in range(4)]))


def test_average_precision_is_the_precision_at_each_label_found_and_leaves_out_a_class_without_labels():
    values = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    truth = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert measures.mean_average_precision(truth, values) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_a_softmax_is_judged_alike_whatever_is_added_to_the_scores_of_a_row():
    moved = SCORES + np.array([[700.0], [-700.0], [0.0]])
    assert measures.measured("softmax_cross_entropy", moved, TRUTH) == pytest.approx(
        measures.measured("softmax_cross_entropy", SCORES, TRUTH)
    )


def test_the_largest_scores_have_confidences():
    for loss in ("softmax_cross_entropy", "focal"):
        values = measures.confidence(loss, np.array([[1e4, -1e4, 0.0]]))
        np.testing.assert_allclose(values, [[1, 0, 0 if loss == "softmax_cross_entropy" else 0.5]])
