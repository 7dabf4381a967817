"""The five divisors, for every loss, with all weights and masks at once: each counted here in numpy from docs/semantics.md."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from models.catalogue import find
from models.contract import Job, Runtime
from models.labels import Labels
from tests.models.autograd import REFERENCES
from tests.models.cases import Array, assert_close, by_element, each_label_form, each_loss, gradient, labels_of, lists, single_labels

MEAN_OVER = ["rows", "elements", "valid", "weights", "positives"]
IGNORED = -7  # any integer will do


class Everything:
    """A batch with every weight, a mask with a row of nothing else, a score of -inf, and (for labels) an ignored row."""

    def __init__(self, name: str, form: str, *, plain: bool = False) -> None:
        random = np.random.default_rng(7)
        rows, classes = 7, 4
        self.name, self.form, self.element = name, form, by_element(name)
        self.scores = random.normal(0, 2, (rows, classes))
        self.targets = (random.random((rows, classes)) < 0.5).astype(np.float64)
        self.targets[0], self.targets[1], self.targets[2], self.targets[5] = 0, 1, [0, 1, 0, 1], 1
        if find(name).about.targets != "binary":
            self.targets *= random.uniform(0.2, 1, (rows, classes))
        self.kept = np.ones(rows, bool)
        self.mask = np.ones((rows, classes), bool)
        self.weights: dict[str, Array] = {}
        if plain:
            return
        self.mask[3], self.mask[4, 1], self.mask[5, 2] = False, False, False
        self.scores[2, 0] = -np.inf
        self.weights = {"class_weight": np.array([0.5, 2, 0.7, 3]), "sample_weight": np.array([1.5, -0.4, 2, 0.3, 0, 1, 5])}
        if self.element:
            self.weights["pos_weight"] = np.array([2, 0.5, 1, 3])
            self.weights["element_weight"] = random.uniform(-0.5, 2, (rows, classes))
        if form == "labels":
            self.kept[6] = False

    def job(self, **options: Any) -> Job:
        masked = {} if self.mask.all() else {"mask": self.mask}
        return Job(loss=find(self.name), scores=self.scores, dtype="float64", **self.labels(), **self.weights, **masked, **options)

    def labels(self) -> dict[str, Any]:
        if self.form == "targets":
            return {"targets": self.targets}
        if self.kept.all():
            return {"labels": labels_of(self.targets)}
        given = labels_of(np.where(self.kept[:, None], self.targets, 0))
        assert given.weights is not None
        indices, weights = np.append(given.indices, IGNORED), np.append(given.weights, 0.125)
        offsets = np.append(given.offsets[:-1], len(indices))
        return {"labels": Labels(indices=indices, offsets=offsets, weights=weights), "ignore_index": IGNORED}

    def valid(self) -> Array:
        """[N, C]: what is neither masked nor ignored."""
        return self.mask & np.isfinite(self.scores) & self.kept[:, None]

    def unit_weight(self) -> Array:
        """[N] or [N, C], without the class weights of a row loss: those are inside its equation."""
        sample = self.weights.get("sample_weight", np.ones(len(self.scores))) * self.kept
        if not self.element:
            return sample
        return sample[:, None] * self.weights.get("element_weight", np.ones(self.scores.shape))

    def unreduced(self, scores: torch.Tensor) -> torch.Tensor:
        inside = {key: torch.tensor(self.weights[key]) for key in ("class_weight", "pos_weight") if key in self.weights}
        targets = torch.tensor(np.where(self.kept[:, None], self.targets, 0))
        loss = REFERENCES[self.name](scores, targets, mask=torch.tensor(self.mask), **inside)
        return loss * torch.tensor(self.unit_weight())

    def divisor(self, mean_over: str) -> float:
        rows, classes = self.scores.shape
        valid, targets = self.valid(), np.where(self.valid(), self.targets, 0)
        class_weight = self.weights.get("class_weight", np.ones(classes))
        if mean_over == "rows":
            return rows
        if mean_over == "elements":
            return rows * classes
        if mean_over == "positives":
            return float(targets.sum())
        if mean_over == "valid":
            return int(valid.sum() if self.element else valid.any(1).sum())
        if self.element:
            return float((valid * class_weight * self.unit_weight()).sum())
        total = 0.0
        for n in np.flatnonzero(valid.any(1)):
            own = class_weight[targets[n] != 0]
            mean = 1.0 if "class_weight" not in self.weights else own.mean() if len(own) else 1.0
            total += self.unit_weight()[n] * mean
        return total

    def expected(self, reduction: str, mean_over: str, upstream: Array | float = 1.0) -> tuple[Array, Array]:
        """The reduced loss, and the gradient of Σ upstream · loss."""
        scores = torch.tensor(self.scores, requires_grad=True)
        loss = self.unreduced(scores)
        if reduction != "none":
            loss = loss.sum() / (self.divisor(mean_over) if reduction == "mean" else 1)
        (grad,) = torch.autograd.grad((loss * torch.tensor(upstream)).sum(), scores)
        return loss.detach().numpy(), grad.nan_to_num(0.0).numpy()


@pytest.mark.parametrize("mean_over", MEAN_OVER)
@each_loss
def test_a_mean_divides_by_what_it_says(name: str, mean_over: str, runtime: Runtime) -> None:
    for form, plain in itertools.product(["targets", "labels"], [True, False]):
        batch = Everything(name, form, plain=plain)
        loss, grad = batch.expected("mean", mean_over)
        result = runtime.run(batch.job(reduction="mean", mean_over=mean_over))
        assert result.loss.shape == ()
        assert_close(result.loss, loss, 1e-12, what=f"loss, {form}, {plain=}:")
        assert_close(gradient(result), grad, 1e-12, what=f"gradient, {form}, {plain=}:")


@each_label_form
@each_loss
def test_the_five_divisors_of_the_test_batch_all_differ(name: str, form: str) -> None:
    batch = Everything(name, form)
    assert len({round(batch.divisor(mean_over), 9) for mean_over in MEAN_OVER}) == len(MEAN_OVER)


@each_label_form
@each_loss
def test_a_mean_without_a_word_divides_by_what_the_catalogue_says(name: str, form: str, runtime: Runtime) -> None:
    assert find(name).about.mean_over == ("elements" if by_element(name) else "rows")
    batch = Everything(name, form)
    implied, named = runtime.run(batch.job()), runtime.run(batch.job(reduction="mean", mean_over=find(name).about.mean_over))
    np.testing.assert_array_equal(implied.loss, named.loss)
    np.testing.assert_array_equal(gradient(implied), gradient(named))


@each_loss
@pytest.mark.parametrize("mean_over", ["weights", "positives", "valid"])
def test_a_divisor_of_zero_counts_as_one(name: str, mean_over: str, runtime: Runtime) -> None:
    scores, zeros = np.array([[1.0, -2.0], [0.5, 3.0]]), np.zeros((2, 2))
    nothing: dict[str, dict[str, Any]] = {"weights": {"sample_weight": np.zeros(2)}, "valid": {"mask": zeros}, "positives": {}}
    options = {"loss": find(name), "scores": scores, "targets": zeros, "dtype": "float64", **nothing[mean_over]}
    mean = runtime.run(Job(**options, reduction="mean", mean_over=mean_over))
    total = runtime.run(Job(**options, reduction="sum"))
    np.testing.assert_array_equal(mean.loss, total.loss)
    np.testing.assert_array_equal(gradient(mean), gradient(total))
    assert mean_over == "positives" or (mean.loss == 0 and (gradient(mean) == 0).all())


@each_loss
def test_sample_weights_that_cancel_divide_by_one(name: str, runtime: Runtime) -> None:
    batch = Everything(name, "targets", plain=True)
    batch.weights = {"sample_weight": np.array([1.0, -1, 2, -2, 0.5, -0.5, 0])}
    result, total = runtime.run(batch.job(mean_over="weights")), runtime.run(batch.job(reduction="sum"))
    np.testing.assert_array_equal(result.loss, total.loss)
    np.testing.assert_array_equal(gradient(result), gradient(total))


@each_loss
def test_weights_with_a_negative_sum_divide_by_it(name: str, runtime: Runtime) -> None:
    batch = Everything(name, "targets", plain=True)
    batch.weights = {"sample_weight": np.array([1.0, -3, 0.5, -2, 0.5, -0.5, 0])}
    assert batch.divisor("weights") < 0
    loss, grad = batch.expected("mean", "weights")
    result = runtime.run(batch.job(mean_over="weights"))
    assert_close(result.loss, loss, 1e-12)
    assert_close(gradient(result), grad, 1e-12)


SCORES = np.random.default_rng(3).normal(0, 3, (6, 4))
WEIGHT = np.array([0.3, 2.0, 1.0, 0.7])


def by_torch(indices: list[int], ignore_index: int, **options: Any) -> tuple[Array, Array]:
    scores = torch.tensor(SCORES, requires_grad=True)
    loss = cross_entropy(scores, torch.tensor(indices), ignore_index=ignore_index, **options)
    (grad,) = torch.autograd.grad(loss, scores)
    return loss.detach().numpy(), grad.numpy()


@pytest.mark.parametrize("ignore_index", [-100, 2, -1])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("weight", "reduction"), [(None, "mean"), (WEIGHT, "mean"), (WEIGHT, "sum")], ids=["plain", "mean", "sum"])
def test_single_labels_give_what_torch_gives(
    weight: Array | None, ignore_index: int, label_smoothing: float, reduction: str, runtime: Runtime
) -> None:
    indices = [0, 3, 1, ignore_index, 2 if ignore_index != 2 else 0, ignore_index]
    by_class = None if weight is None else torch.tensor(weight)
    loss, grad = by_torch(indices, ignore_index, weight=by_class, label_smoothing=label_smoothing, reduction=reduction)
    params = {"label_smoothing": label_smoothing}
    options: dict[str, Any] = {"class_weight": weight, "ignore_index": ignore_index, "reduction": reduction, "dtype": "float64"}
    labels = single_labels(indices)
    result = runtime.run(Job(loss=find("softmax_cross_entropy"), scores=SCORES, labels=labels, params=params, **options))
    assert_close(result.loss, loss, 1e-13)
    assert_close(gradient(result), grad, 1e-13)


def test_single_labels_that_are_all_ignored_give_zero(runtime: Runtime) -> None:
    labels = single_labels([-100] * 6)
    for weight in (None, WEIGHT):
        job = Job(loss=find("softmax"), scores=SCORES, labels=labels, class_weight=weight, ignore_index=-100)
        result = runtime.run(job)
        assert result.loss == 0 and (gradient(result) == 0).all()


def test_single_labels_of_class_weight_zero_give_zero(runtime: Runtime) -> None:
    job = Job(loss=find("softmax"), scores=SCORES[:1], labels=single_labels([1]), class_weight=np.array([1.0, 0, 1, 1]))
    result = runtime.run(job)
    assert result.loss == 0 and (gradient(result) == 0).all()


def test_sample_weights_multiply_single_labels_without_a_say_in_their_divisor(runtime: Runtime) -> None:
    indices, sample = [0, 3, 1, 2, 2, 0], np.array([1.0, 2, 0.5, 0, -1, 3])
    scores = torch.tensor(SCORES, requires_grad=True)
    each = cross_entropy(scores, torch.tensor(indices), weight=torch.tensor(WEIGHT), reduction="none") * torch.tensor(sample)
    mean = each.sum() / WEIGHT[indices].sum()
    (grad,) = torch.autograd.grad(mean, scores)
    labels = single_labels(indices)
    options: dict[str, Any] = {"class_weight": WEIGHT, "sample_weight": sample, "dtype": "float64"}
    result = runtime.run(Job(loss=find("softmax"), scores=SCORES, labels=labels, **options))
    assert_close(result.loss, mean.detach().numpy(), 1e-13)
    assert_close(gradient(result), grad.numpy(), 1e-13)


def test_lists_of_one_label_divide_by_rows_as_every_other_form_does(runtime: Runtime) -> None:
    indices = [0, 3, 1, 2, 2, 0]
    plain = Job(loss=find("softmax"), scores=SCORES, labels=single_labels(indices), class_weight=WEIGHT, dtype="float64")
    listed = Job(loss=find("softmax"), scores=SCORES, labels=lists(*([i] for i in indices)), class_weight=WEIGHT, dtype="float64")
    by_weight, by_rows = runtime.run(plain), runtime.run(listed)
    assert_close(by_weight.loss * WEIGHT[indices].sum(), by_rows.loss * len(indices), 1e-13)
    assert_close(gradient(by_weight) * WEIGHT[indices].sum(), gradient(by_rows) * len(indices), 1e-13)
    assert abs(by_weight.loss - by_rows.loss) > 0.01


@pytest.mark.parametrize("mean_over", MEAN_OVER)
def test_single_labels_divide_by_what_is_asked_for_where_it_is(mean_over: str, runtime: Runtime) -> None:
    indices = [0, 3, 1, 2, 2, 0]
    options: dict[str, Any] = {"class_weight": WEIGHT, "mean_over": mean_over, "dtype": "float64"}
    plain = runtime.run(Job(loss=find("softmax"), scores=SCORES, labels=single_labels(indices), **options))
    listed = runtime.run(Job(loss=find("softmax"), scores=SCORES, labels=lists(*([i] for i in indices)), **options))
    np.testing.assert_array_equal(plain.loss, listed.loss)
    np.testing.assert_array_equal(gradient(plain), gradient(listed))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "zlpr", "multilabel_margin"])
def test_single_labels_are_no_exception_for_any_other_loss(name: str, runtime: Runtime) -> None:
    indices = [0, 3, 1, 2, 2, 0]
    plain = runtime.run(Job(loss=find(name), scores=SCORES, labels=single_labels(indices), class_weight=WEIGHT))
    dense = runtime.run(Job(loss=find(name), scores=SCORES, targets=np.eye(4)[indices], class_weight=WEIGHT))
    assert_close(plain.loss, dense.loss, 1e-7)
    assert_close(gradient(plain), gradient(dense), 1e-7)
