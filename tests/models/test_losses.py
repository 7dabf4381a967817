"""Every loss at the values where formulas break, against the oracle; and in the middle, against autograd and finite differences."""

import itertools
from typing import Any, cast

import numpy as np
import pytest
import torch

from models.catalogue import catalogue, find
from models.contract import Dtype, Job, Runtime
from tests.models.autograd import REFERENCES
from tests.models.cases import (
    BATCHES,
    TOLERANCE,
    VARIANTS,
    Array,
    Batch,
    Params,
    assert_close,
    at_every_edge,
    by_element,
    each_dtype,
    each_label_form,
    each_loss,
    each_variant,
    gradient,
    job,
    of_kind,
    random_targets,
    takes_class_weight,
    truth,
)
from tests.models.exact import exact
from tests.models.references import fitted

WITH_TAILS = [each for each in VARIANTS if by_element(each[0]) and "label_smoothing" not in each[1]]
SMALLEST_NORMAL = {"float32": float(np.finfo(np.float32).tiny), "float64": float(np.finfo(np.float64).tiny)}


def by_autograd(name: str, batch: Batch, params: Params) -> tuple[Array, Array]:
    """Unreduced loss, and the gradient of its sum, by torch from the independent reference."""
    besides = {key: torch.tensor(array) for key, array in batch.besides.items()}
    scores = torch.tensor(batch.scores, requires_grad=True)
    own = {
        key: torch.tensor(np.asarray(each)) if isinstance(each, list) else each
        for key, each in fitted(params, batch.scores.shape[1]).items()
    }
    loss = REFERENCES[name](scores, torch.tensor(batch.targets), **besides, **own)
    (grad,) = torch.autograd.grad(loss.sum(), scores)
    return loss.detach().numpy(), grad.numpy()


def medium(name: str, seed: int, shape: tuple[int, int] = (64, 40), *, with_everything: bool = True) -> Batch:
    """A random batch with weights, a mask and scores of -inf."""
    random = np.random.default_rng(seed)
    scores, targets = random.normal(0, 3, shape), random_targets(name, shape, random)
    if not with_everything:
        return Batch(scores, targets)
    scores[random.random(shape) < 0.05] = -np.inf
    targets[np.isneginf(scores)] = 0
    besides: dict[str, Array] = {"mask": random.random(shape) < 0.9}
    if takes_class_weight(name):
        besides["class_weight"] = random.uniform(0, 2, shape[1])
    targets = of_kind(name, targets, besides["mask"])
    if by_element(name):
        besides["pos_weight"] = random.uniform(0, 4, shape[1])
    return Batch(scores, targets, besides)


def test_every_loss_of_the_catalogue_has_references_and_cases() -> None:
    assert set(catalogue()) == set(REFERENCES) == {name for name, _ in VARIANTS}
    for name, each in catalogue().items():
        cases = [params for loss, params in VARIANTS if loss == name]
        for param, about in each.params.model_fields.items():
            assert any(params.get(param, about.default) != about.default for params in cases), f"{param} of {name} is never varied"


@each_dtype
@each_variant
def test_agrees_with_the_oracle_at_every_edge(name: str, params: Params, dtype: Dtype, runtime: Runtime) -> None:
    for (batch, make), form in itertools.product(BATCHES.items(), ["targets", "labels"]):
        loss, grad = truth(VARIANTS.index((name, params)), batch, dtype)
        result = runtime.run(job(name, make(name), form, params=params, reduction="none", dtype=dtype))
        assert result.loss.dtype == gradient(result).dtype == dtype
        assert_close(result.loss, loss, TOLERANCE[dtype], what=f"loss of {batch} as {form}:")
        assert_close(gradient(result), grad, TOLERANCE[dtype], what=f"gradient of {batch} as {form}:")


@each_dtype
@pytest.mark.parametrize(("name", "params"), WITH_TAILS)
def test_an_elements_tails_keep_their_digits_down_to_the_smallest_normal_number(
    name: str, params: Params, dtype: Dtype, runtime: Runtime
) -> None:
    batch = at_every_edge(name)
    assert (batch.targets[:2] == [[1], [0]]).all()
    loss, grad = truth(VARIANTS.index((name, params)), "at_every_edge", dtype)
    result = runtime.run(job(name, batch, params=params, reduction="none", dtype=dtype))
    assert_close(result.loss[:2], loss[:2], TOLERANCE[dtype], SMALLEST_NORMAL[dtype] / TOLERANCE[dtype])
    assert_close(gradient(result)[:2], grad[:2], TOLERANCE[dtype], SMALLEST_NORMAL[dtype] / TOLERANCE[dtype])


@each_dtype
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "zlpr", "multilabel_soft_margin"])
def test_a_rows_tails_keep_their_digits_too(name: str, dtype: Dtype, runtime: Runtime) -> None:
    scores = np.stack([np.zeros(5), np.array([-8.0, -16, -30, -60, -80])], axis=1)
    batch = Batch(np.concatenate([scores, -scores]), np.tile([[1.0, 0.0]], (10, 1)))
    batch.targets[5:] = [0, 1]
    loss, grad = exact(name, batch.scores, batch.targets)
    result = runtime.run(job(name, batch, reduction="none", dtype=dtype))
    assert_close(result.loss, loss, TOLERANCE[dtype])
    assert_close(gradient(result)[:5, 1], grad[:5, 1], TOLERANCE[dtype], 1e-40)  # the class that nothing pulls at but its own tail


SURE = [
    "zlpr",
    "poly1_cross_entropy",
    "generalized_cross_entropy",
    "symmetric_cross_entropy",
    "marginal_softmax",
    "softmax_focal",
    "asymmetric_softmax",
    "lsep",
]


@each_dtype
@pytest.mark.parametrize("name", SURE)
def test_a_nearly_perfect_row_keeps_the_digits_of_its_small_loss(name: str, dtype: Dtype, runtime: Runtime) -> None:
    scores = np.array([[far, -far, -far - 1] for far in (10.0, 20.0, 40.0, 80.0 if name == "zlpr" else 41.0)])
    batch = Batch(scores, np.tile([[1.0, 0.0, 0.0]], (4, 1)))
    loss, grad = exact(name, batch.scores, batch.targets)
    result = runtime.run(job(name, batch, reduction="none", dtype=dtype))
    assert_close(result.loss, loss, TOLERANCE[dtype], 1e-37)
    assert_close(gradient(result), grad, TOLERANCE[dtype], 1e-37)


@each_label_form
@each_variant
def test_agrees_with_autograd_on_random_batches(name: str, params: Params, form: str, runtime: Runtime) -> None:
    for seed, with_everything in ((0, True), (1, False)):
        batch = medium(name, seed, with_everything=with_everything)
        loss, grad = by_autograd(name, batch, params)
        result = runtime.run(job(name, batch, form, params=params, reduction="none"))
        assert_close(result.loss, loss, 1e-10)
        assert_close(gradient(result), grad, 1e-10)


class OfRuntime(torch.autograd.Function):
    """A runtime's loss and gradient as one differentiable torch function."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, runtime: Runtime, options: dict[str, Any]) -> torch.Tensor:
        ctx.save_for_backward(scores)
        ctx.runtime, ctx.options = runtime, options
        return torch.tensor(runtime.run(Job(scores=scores.detach().numpy(), wants_grad=False, **options)).loss)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (scores,) = ctx.saved_tensors
        grad_output = upstream[0].detach().numpy().copy()
        result = ctx.runtime.run(Job(scores=scores.detach().numpy(), grad_output=grad_output, **ctx.options))
        return torch.tensor(gradient(result)), None, None


@each_label_form
@pytest.mark.parametrize(("name", "params"), [each for each in VARIANTS if not each[1].get("detach_weight")])
def test_the_gradient_is_the_derivative_that_gradcheck_finds(name: str, params: Params, form: str, runtime: Runtime) -> None:
    batch = medium(name, 5, (2, 4), with_everything=False)
    given = job(name, batch, form, params=params)
    labels = {"targets": given.targets} if given.labels is None else {"labels": given.labels}
    options = {"loss": given.loss, "params": fitted(params, 4), "reduction": "none", "dtype": "float64", **labels}
    scores = torch.tensor(batch.scores, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: cast(torch.Tensor, OfRuntime.apply(x, runtime, options)), scores, rtol=1e-5, atol=1e-8)


@each_loss
def test_both_forms_of_the_same_labels_give_the_same_numbers(name: str, runtime: Runtime) -> None:
    for seed in range(3):
        batch = medium(name, seed, (5, 7))
        dense, sparse = (runtime.run(job(name, batch, form)) for form in ("targets", "labels"))
        assert_close(dense.loss, sparse.loss, 1e-14)
        assert_close(gradient(dense), gradient(sparse), 1e-14)


@pytest.mark.parametrize("temperature", [0.1, 10.0])
@each_dtype
def test_a_temperature_costs_no_digits_of_large_scores(temperature: float, dtype: Dtype, runtime: Runtime) -> None:
    scores = (np.array([[10000.0, 9999.9], [9999.95, 10000.0], [-10000.0, -10000.07]])).astype(dtype)
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    loss, grad = exact("softmax_cross_entropy", scores, targets, temperature=temperature)
    params = {"temperature": temperature}
    result = runtime.run(job("softmax_cross_entropy", Batch(scores, targets), params=params, reduction="none", dtype=dtype))
    assert_close(result.loss, loss, TOLERANCE[dtype])
    assert_close(gradient(result), grad, TOLERANCE[dtype])


def test_a_pair_of_the_margin_at_its_kink_has_no_gradient(runtime: Runtime) -> None:
    scores, targets = np.array([[1.0, 0.0, 0.5], [0.0, -1.0, -1.0]]), np.array([[1.0, 0, 0], [1.0, 0, 0]])
    result = runtime.run(job("multilabel_margin", Batch(scores, targets), reduction="none"))
    np.testing.assert_array_equal(result.loss, [0.5 / 3, 0])
    np.testing.assert_array_equal(gradient(result), np.array([[-1, 0, 1], [0, 0, 0]]) / 3)


@pytest.mark.parametrize(
    ("params", "target", "loss"),
    [
        ({"clip": 0.5, "gamma_neg": 0.0}, 0.0, 0.0),  # σ = clip
        ({"clip": 0.5, "gamma_neg": 1.0}, 0.0, 0.0),
        ({"eps": 0.5, "gamma_pos": 0.0}, 1.0, np.log(2)),  # σ = eps
        ({"eps": 0.5, "clip": 0.0, "gamma_neg": 0.0}, 0.0, np.log(2)),  # 1 − m = eps
    ],
)
def test_an_asymmetric_loss_on_a_kink_has_no_gradient(params: Params, target: float, loss: float, runtime: Runtime) -> None:
    result = runtime.run(job("asymmetric", Batch(np.zeros((1, 1)), np.full((1, 1), target)), params=params, reduction="none"))
    assert_close(result.loss, np.full((1, 1), loss), 1e-15)
    assert gradient(result) == 0


def test_a_truncated_loss_on_its_kink_has_no_gradient(runtime: Runtime) -> None:
    batch = Batch(np.array([[0.0, 0.0], [0.0, 1e-9]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    result = runtime.run(job("generalized_cross_entropy", batch, params={"k": 0.5, "q": 1.0}, reduction="none"))
    assert_close(result.loss, np.array([0.5, 0.5]), 1e-8)
    assert (gradient(result)[0] == 0).all() and (gradient(result)[1] != 0).all()


@pytest.mark.parametrize(
    ("name", "params", "score", "target"),
    [
        ("hinge", {}, 1.0, 1.0),
        ("hinge", {}, -1.0, 0.0),
        ("quality_focal", {"beta": 1.0}, 0.0, 0.5),  # σ = y
        ("quality_focal", {"beta": 0.5}, 0.0, 0.5),
    ],
)
def test_an_element_on_its_kink_has_neither_loss_nor_gradient(
    name: str, params: Params, score: float, target: float, runtime: Runtime
) -> None:
    result = runtime.run(job(name, Batch(np.full((1, 1), score), np.full((1, 1), target)), params=params, reduction="none"))
    assert result.loss == gradient(result) == 0


def test_a_poly1_focal_loss_keeps_its_digits_where_its_series_begins(runtime: Runtime) -> None:
    scores = np.linspace(-3.0, -1.5, 31)[:, None]
    params = {"epsilon": -1.0, "alpha": None, "gamma": 0.0}
    loss, grad = exact("poly1_focal", scores, np.zeros((31, 1)), **params)
    result = runtime.run(job("poly1_focal", Batch(scores, np.zeros((31, 1))), params=params, reduction="none"))
    assert_close(result.loss, loss, 2e-14, 1e-9)
    assert_close(gradient(result), grad, 2e-14, 1e-9)


def test_the_margin_of_a_row_of_ties_counts_every_pair(runtime: Runtime) -> None:
    targets = np.array([[1.0, 0, 1, 0, 0], [0, 1, 0, 1, 1]])
    loss, grad = exact("multilabel_margin", np.zeros((2, 5)), targets)
    result = runtime.run(job("multilabel_margin", Batch(np.zeros((2, 5)), targets), reduction="none"))
    assert_close(result.loss, loss, 1e-14)
    assert_close(gradient(result), grad, 1e-14)


def test_the_margin_of_a_row_with_many_positives_forms_no_pairs(runtime: Runtime) -> None:
    random = np.random.default_rng(0)
    classes = 20_000  # 10^8 pairs a row: 400 MB, if they were formed
    scores, targets = random.normal(0, 1, (2, classes)), (random.random((2, classes)) < 0.5).astype(np.float64)
    result = runtime.run(Job(loss=find("multilabel_margin"), scores=scores, targets=targets, reduction="none", dtype="float64"))
    for row in range(2):
        positives, negatives = scores[row, targets[row] == 1], scores[row, targets[row] == 0]
        ordered = np.sort(negatives)
        beyond = len(ordered) - np.searchsorted(ordered, positives - 1, side="right")  # active negatives of each positive
        tails = np.concatenate([np.cumsum(ordered[::-1])[::-1], [0]])
        assert_close(result.loss[row], (beyond * (1 - positives) + tails[len(ordered) - beyond]).sum() / classes, 1e-10)
        assert_close(gradient(result)[row, targets[row] == 1], -beyond / classes, 1e-10)


def test_a_row_without_labels_has_no_softmax_loss_smoothed_or_not(runtime: Runtime) -> None:
    batch = Batch(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]))
    for form in ("targets", "labels"):
        result = runtime.run(job("softmax_cross_entropy", batch, form, params={"label_smoothing": 0.5}, reduction="none"))
        assert result.loss[0] == 0 and (gradient(result)[0] == 0).all()
        assert result.loss[1] > 0 and (gradient(result)[1] != 0).all()


@pytest.mark.parametrize(
    ("scores", "dtype"),
    [
        ([-8191.99951171875, -8192.5], "float32"),
        ([2e7, 2e7], "float32"),
        ([2e7 + 2, 2e7], "float32"),
        ([3e38, -3e38], "float32"),
        ([1e16, 1e16], "float64"),
        ([1e16 + 2, 1e16], "float64"),
        ([1e308, -1e308], "float64"),
        ([-1e-17, -1.0], "float64"),
        ([1e-17, -1.0], "float64"),
        ([5.0, 4.0], "float64"),
    ],
)
def test_a_margin_keeps_its_digits_where_x_minus_1_would_round(scores: list[float], dtype: Dtype, runtime: Runtime) -> None:
    given, targets = np.array([scores], dtype), np.array([[1.0, 0.0]])
    loss, grad = exact("multilabel_margin", given, targets)
    result = runtime.run(Job(loss=find("multilabel_margin"), scores=given, targets=targets, reduction="none", dtype=dtype))
    np.testing.assert_allclose(result.loss, loss, rtol=1e-6, atol=1e-16)
    assert result.grad is not None
    np.testing.assert_array_equal(result.grad, grad)


@each_dtype
def test_a_margin_of_one_label_keeps_its_kink_where_its_difference_would_round(dtype: Dtype, runtime: Runtime) -> None:
    near = {"float32": 1e-9, "float64": 1e-17}[dtype]
    scores = np.array(
        [[near, -1.0], [-near, -1.0], [1.0, near], [1.0, -near], [1.0, 0.0], [1e4, 9999.0], [3e38, -3e38], [0.0, 1e25]], dtype
    )
    targets = np.tile([[1.0, 0.0]], (len(scores), 1))
    targets[-1] = 0  # the square of a score does not matter where there is no label
    for power in (1, 2):
        loss, grad = exact("multi_margin", scores, targets, p=power)
        result = runtime.run(job("multi_margin", Batch(scores, targets), params={"p": power}, reduction="none", dtype=dtype))
        np.testing.assert_allclose(result.loss, loss, rtol=1e-5)
        np.testing.assert_allclose(gradient(result), grad, rtol=1e-5)


@each_dtype
@pytest.mark.parametrize(
    ("name", "params", "scale"), [("ldam", {"class_counts": [16.0, 1.0, 81.0]}, 1.0), ("asymmetric_softmax", {"gamma_neg": 1.0}, 16.0)]
)
def test_a_sure_single_label_keeps_the_digits_of_its_small_slope(
    name: str, params: Params, scale: float, dtype: Dtype, runtime: Runtime
) -> None:
    scores = np.array([[1e4 + far * scale, 1e4, 1e4 - 0.5] for far in (0.5, 1.0, 2.0, 4.0)])
    batch = Batch(scores, np.tile([[1.0, 0.0, 0.0]], (4, 1)))
    loss, grad = exact(name, batch.scores, batch.targets, **params)
    result = runtime.run(job(name, batch, params=params, reduction="none", dtype=dtype))
    assert_close(result.loss, loss, TOLERANCE[dtype], 1e-37)
    assert_close(gradient(result), grad, TOLERANCE[dtype], 1e-37)


@each_dtype
def test_pairs_of_grades_far_apart_are_all_there(dtype: Dtype, runtime: Runtime) -> None:
    scores = np.array(
        [[1e4, 9999.5, 0.5, 0.0, -8000.25, -8000.0], [5.0, 4.5, -300.0, -301.0, 9e3, -9e3], [745, 1e-3, -1e-3, 1e4, 1e4, 1e4]]
    )
    targets = np.array([[3.0, 4.0, -1.0, 2.0, -1.5, -1.75], [1.0, 2.0, 0.0, 0.5, 3.0, -0.25], [0.0, 1.0, 1.0, 2.0, 2.0, 2.0]])
    scores, targets = np.concatenate([scores, -scores]).astype(dtype), np.concatenate([targets, -targets])
    loss, grad = exact("lsep", scores, targets)
    result = runtime.run(job("lsep", Batch(scores, targets), reduction="none", dtype=dtype))
    assert_close(result.loss, loss, TOLERANCE[dtype], 1e-37)
    assert_close(gradient(result), grad, TOLERANCE[dtype], 1e-7)


@pytest.mark.parametrize("classes", [1, 2, 3, 64, 65, 1000])
def test_grades_in_any_number_of_classes_pair_as_they_should(classes: int, runtime: Runtime) -> None:
    random = np.random.default_rng(classes)
    batch = Batch(random.normal(0, 40, (3, classes)), random.integers(-2, 3, (3, classes)).astype(np.float64))
    batch.targets[1] = random.permutation(classes)
    loss, grad = by_autograd("lsep", batch, {})
    result = runtime.run(job("lsep", batch, reduction="none"))
    assert_close(result.loss, loss, 1e-12)
    assert_close(gradient(result), grad, 1e-10)


def test_two_grades_of_many_classes_form_no_pairs(runtime: Runtime) -> None:
    random = np.random.default_rng(0)
    classes = 20_000  # 10^8 pairs a row, if they were formed
    scores, targets = random.normal(0, 3, (2, classes)), (random.random((2, classes)) < 0.5).astype(np.float64)
    result = runtime.run(Job(loss=find("lsep"), scores=scores, targets=targets, reduction="none", dtype="float64"))
    for row in range(2):
        positive = targets[row] == 1
        up, down = np.exp(scores[row]) * ~positive, np.exp(-scores[row]) * positive
        assert_close(result.loss[row], np.log1p(up.sum() * down.sum()), 1e-12)
        share = up.sum() * down.sum() / (1 + up.sum() * down.sum())
        assert_close(gradient(result)[row], share * (up / up.sum() - down / down.sum()), 1e-12)


def test_a_row_without_labels_weighs_the_same_under_class_weights_of_one(runtime: Runtime) -> None:
    given = {"loss": find("zlpr"), "scores": np.array([[1.0, 2.0], [3.0, 4.0]]), "targets": np.zeros((2, 2)), "dtype": "float64"}
    plain = runtime.run(Job(**given, mean_over="weights"))
    assert runtime.run(Job(**given, mean_over="weights", class_weight=np.ones(2))).loss == plain.loss
