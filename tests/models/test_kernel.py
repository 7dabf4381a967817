"""What goes around every equation: weights, masks, ignored rows, reductions and the gradient that arrives from above."""

import itertools
from typing import Any

import numpy as np
import pytest

from models.catalogue import find
from models.contract import Job, Runtime
from tests.models.cases import Array, Batch, assert_close, by_element, each_label_form, each_loss, gradient, job, lists, single_labels
from tests.models.test_mean import MEAN_OVER, Everything

EACH_REDUCTION = [("none", "rows"), ("sum", "rows"), *(("mean", mean_over) for mean_over in MEAN_OVER)]


@pytest.mark.parametrize("reduction", ["none", "sum"])
@each_label_form
@each_loss
def test_every_weight_multiplies_what_it_says(name: str, form: str, reduction: str, runtime: Runtime) -> None:
    batch = Everything(name, form)
    loss, grad = batch.expected(reduction, "rows")
    result = runtime.run(batch.job(reduction=reduction))
    assert_close(result.loss, loss, 1e-12)
    assert_close(gradient(result), grad, 1e-12)


@pytest.mark.parametrize("weight", ["class_weight", "sample_weight", "element_weight", "pos_weight", "mask"])
@each_loss
def test_each_weight_alone_multiplies_what_it_says(name: str, weight: str, runtime: Runtime) -> None:
    batch = Everything(name, "targets")
    if weight not in {*batch.weights, "mask"}:
        pytest.skip(f"{weight} belongs to element losses")
    batch.weights = {weight: batch.weights[weight]} if weight != "mask" else {}
    if weight != "mask":
        batch.mask[:], batch.scores[2, 0] = True, 0.5
    for reduction, mean_over in EACH_REDUCTION:
        loss, grad = batch.expected(reduction, mean_over)
        result = runtime.run(batch.job(reduction=reduction, mean_over=mean_over))
        assert_close(result.loss, loss, 1e-12)
        assert_close(gradient(result), grad, 1e-12)


@each_label_form
@each_loss
def test_the_gradient_is_the_derivative_of_the_loss_that_is_returned(name: str, form: str, runtime: Runtime) -> None:
    for reduction, mean_over in EACH_REDUCTION:
        batch = Everything(name, form)
        random = np.random.default_rng(0)
        upstream = random.normal(0, 1, batch.unit_weight().shape) if reduction == "none" else np.array(-1.75)
        options = {"reduction": reduction, "mean_over": mean_over}
        grad = gradient(runtime.run(batch.job(grad_output=upstream, **options)))
        here, step = np.isfinite(batch.scores), 1e-5
        directions = [np.where(here, random.normal(0, 1, here.shape), 0) for _ in range(2)]
        directions += [np.outer(np.arange(len(here)) == 1, axis) for axis in np.eye(here.shape[1])]  # each axis of one row
        for direction in directions:
            found = slope(batch, direction * step, upstream, runtime, options) / step
            assert_close((grad * direction).sum(), found, 1e-7, what=f"{reduction} over {mean_over}:")


def slope(batch: Everything, move: Array, upstream: Array, runtime: Runtime, options: dict[str, Any]) -> Any:
    """Half the difference of Σ upstream · loss across a move of the scores, by the loss alone."""
    start, ends = batch.scores, []
    for sign in (1, -1):
        batch.scores = start + sign * move
        ends.append((runtime.run(batch.job(wants_grad=False, **options)).loss * upstream).sum())
    batch.scores = start
    return (ends[0] - ends[1]) / 2


@each_loss
def test_a_number_from_above_multiplies_the_gradient_and_leaves_the_loss(name: str, runtime: Runtime) -> None:
    batch = Everything(name, "targets")
    for reduction, mean_over in EACH_REDUCTION:
        plain = runtime.run(batch.job(reduction=reduction, mean_over=mean_over))
        for number in (2.5, np.array(2.5), 0.0):
            scaled = runtime.run(batch.job(reduction=reduction, mean_over=mean_over, grad_output=number))
            np.testing.assert_array_equal(scaled.loss, plain.loss)
            assert_close(gradient(scaled), gradient(plain) * number, 1e-14, what=f"{reduction} over {mean_over}:")


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "everything"])
@each_label_form
@each_loss
def test_an_array_from_above_multiplies_each_unit(name: str, form: str, plain: bool, runtime: Runtime) -> None:
    batch = Everything(name, form, plain=plain)
    upstream = np.random.default_rng(2).normal(0, 1, batch.unit_weight().shape)
    loss, grad = batch.expected("none", "rows", upstream)
    result = runtime.run(batch.job(reduction="none", grad_output=upstream))
    assert_close(result.loss, loss, 1e-12)
    assert_close(gradient(result), grad, 1e-12)


@each_loss
def test_the_loss_alone_is_the_same_loss(name: str, runtime: Runtime) -> None:
    batch = Everything(name, "labels")
    for reduction, mean_over in EACH_REDUCTION:
        both = runtime.run(batch.job(reduction=reduction, mean_over=mean_over))
        alone = runtime.run(batch.job(reduction=reduction, mean_over=mean_over, wants_grad=False))
        assert alone.grad is None and both.grad is not None
        assert both.loss.tobytes() == alone.loss.tobytes()


@each_loss
def test_an_unreduced_loss_has_the_shape_of_its_unit(name: str, runtime: Runtime) -> None:
    batch = Batch(np.zeros((3, 2)), np.zeros((3, 2)))
    given = job(name, batch, reduction="none", dtype="float32")
    result = runtime.run(given)
    assert result.loss.shape == given.loss_shape == ((3, 2) if by_element(name) else (3,))
    assert gradient(result).shape == (3, 2)
    assert result.loss.dtype == gradient(result).dtype == np.float32


@pytest.mark.parametrize("ignore_index", [-1, 1, 10**6, -(10**6)])
@each_loss
def test_an_ignored_row_is_not_there(name: str, ignore_index: int, runtime: Runtime) -> None:
    scores = np.array([[0.5, 1.0, -2.0], [3.0, 0.1, 9.0], [0.0, 0.0, 1.0]])
    labels = lists([0, 2], [ignore_index], [2])
    found = runtime.run(Job(loss=find(name), scores=scores, labels=labels, ignore_index=ignore_index, reduction="none", dtype="float64"))
    rest = runtime.run(Job(loss=find(name), scores=scores[[0, 2]], labels=lists([0, 2], [2]), reduction="none", dtype="float64"))
    assert (found.loss[1] == 0).all() and (gradient(found)[1] == 0).all()
    assert_close(found.loss[[0, 2]], rest.loss, 1e-15)
    assert_close(gradient(found)[[0, 2]], gradient(rest), 1e-15)


@each_loss
def test_a_row_that_holds_the_ignored_value_beside_another_is_not_ignored(name: str, runtime: Runtime) -> None:
    scores = np.array([[0.5, 1.0, -2.0], [3.0, 0.1, 9.0]])
    with_it = Job(loss=find(name), scores=scores, labels=lists([0, 1], [1]), ignore_index=1, reduction="none")
    without = Job(loss=find(name), scores=scores, labels=lists([0, 1], [1]), reduction="none")
    found, plain = runtime.run(with_it), runtime.run(without)
    np.testing.assert_array_equal(found.loss[0], plain.loss[0])
    np.testing.assert_array_equal(gradient(found)[0], gradient(plain)[0])
    assert (found.loss[1] == 0).all()


@each_loss
def test_plain_integers_and_lists_of_one_ignore_alike(name: str, runtime: Runtime) -> None:
    scores = np.random.default_rng(0).normal(0, 1, (3, 4))
    options: dict[str, Any] = {"loss": find(name), "scores": scores, "ignore_index": -100, "reduction": "none"}
    plain = runtime.run(Job(labels=single_labels([3, -100, 0]), **options))
    listed = runtime.run(Job(labels=lists([3], [-100], [0]), **options))
    np.testing.assert_array_equal(plain.loss, listed.loss)
    np.testing.assert_array_equal(gradient(plain), gradient(listed))


@each_label_form
@each_loss
def test_a_masked_score_may_be_anything(name: str, form: str, runtime: Runtime) -> None:
    mask = np.array([[1, 0, 1], [0, 0, 0]])
    targets = np.array([[1.0, 0, 0], [0, 1, 0]])
    results = []
    for hidden in (0.0, 1e30, -1e30, -np.inf):
        scores = np.where(mask == 1, np.array([[0.5, 0.0, 2.0]]), hidden)
        results.append(runtime.run(job(name, Batch(scores, targets, {"mask": mask}), form, reduction="none", dtype="float32")))
    for result in results:
        np.testing.assert_array_equal(result.loss, results[0].loss)
        np.testing.assert_array_equal(gradient(result), gradient(results[0]))
        assert (gradient(result)[mask == 0] == 0).all()
        assert (gradient(result)[0, [0, 2]] != 0).all()


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "zlpr"])
def test_a_masked_class_leaves_the_sums_of_its_row(name: str, runtime: Runtime) -> None:
    scores, targets = np.array([[1.0, 50.0, -2.0]]), np.array([[1.0, 1.0, 0.0]])
    masked = runtime.run(job(name, Batch(scores, targets, {"mask": np.array([[1, 0, 1]])})))
    absent = runtime.run(job(name, Batch(scores[:, [0, 2]], targets[:, [0, 2]])))
    assert_close(masked.loss, absent.loss, 1e-15)
    assert_close(gradient(masked)[:, [0, 2]], gradient(absent), 1e-15)


@each_loss
def test_a_mask_of_ones_changes_nothing(name: str, runtime: Runtime) -> None:
    batch = Everything(name, "targets", plain=True)
    plain, masked = batch.job(), Job(**{**vars_of(batch.job()), "mask": np.ones(batch.scores.shape)})
    assert runtime.run(plain).loss == runtime.run(masked).loss


def vars_of(given: Job) -> dict[str, Any]:
    return {"loss": given.loss, "scores": given.scores, "targets": given.targets, "dtype": given.dtype}


@each_loss
def test_a_number_for_every_positive_is_that_number_for_each_class(name: str, runtime: Runtime) -> None:
    if not by_element(name):
        pytest.skip("pos_weight belongs to element losses")
    batch = Everything(name, "targets", plain=True)
    number = runtime.run(Job(**vars_of(batch.job()), pos_weight=2.5))
    vector = runtime.run(Job(**vars_of(batch.job()), pos_weight=np.full(4, 2.5)))
    assert number.loss.tobytes() == vector.loss.tobytes()
    assert gradient(number).tobytes() == gradient(vector).tobytes()


def test_a_negative_sample_weight_turns_the_gradient_round(runtime: Runtime) -> None:
    for name, reduction in itertools.product(["softmax_cross_entropy", "focal"], ["none", "sum", "mean"]):
        batch = Everything(name, "targets", plain=True)
        up = runtime.run(batch.job(reduction=reduction))
        batch.weights = {"sample_weight": np.full(7, -1.0)}
        down = runtime.run(batch.job(reduction=reduction))
        assert_close(down.loss, -up.loss, 1e-15)
        assert_close(gradient(down), -gradient(up), 1e-15)
