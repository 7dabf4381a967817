"""The judges judged: exact.py and autograd.py, written apart, agree with each other, with torch, and with hand sums."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.catalogue import catalogue, find
from tests.models import autograd, references
from tests.models.autograd import REFERENCES, TORCH
from tests.models.cases import of_kind, takes_class_weight
from tests.models.exact import BATCH, ELEMENT, ROW, exact
from tests.models.references import fitted

Array = NDArray[np.float64]
EDGES = np.array([0, 1e-3, 1, 4, 8, 12, 16, 20, 30])  # ties, the margin's kink, saturation; autograd is held to ±30
HUGE = np.array([0, 88, 89, 710, 746, 1e4, 1e6])  # where float32 and float64 exponentials end, and far beyond

# Each loss with its defaults, then with every parameter away from them; its labels are the widest kind with a meaning.
VARIANTS: list[tuple[str, dict[str, Any], str]] = [
    ("softmax_cross_entropy", {}, "real"),
    ("softmax_cross_entropy", {"normalize": "sum"}, "real"),
    ("softmax_cross_entropy", {"normalize": "none"}, "real"),
    ("softmax_cross_entropy", {"normalize": "count", "label_smoothing": 0.2, "temperature": 2.5}, "real"),
    ("softmax_cross_entropy", {"normalize": "sum", "label_smoothing": 1.0, "temperature": 0.7}, "unit"),
    ("binary_cross_entropy", {}, "real"),
    ("binary_cross_entropy", {"label_smoothing": 0.3}, "unit"),
    ("focal", {}, "unit"),
    ("focal", {"gamma": 0.5, "alpha": None}, "unit"),
    ("focal", {"gamma": 0.0, "alpha": 0.8}, "binary"),
    ("focal", {"gamma": 3.5, "alpha": 0.6, "soft": "geometric"}, "unit"),
    ("focal", {"gamma": 0.5, "alpha": None, "soft": "geometric"}, "unit"),
    ("asymmetric", {}, "unit"),
    ("asymmetric", {"gamma_neg": 2.5, "gamma_pos": 0.0, "clip": 0.2, "eps": 0.0}, "unit"),
    ("asymmetric", {"gamma_neg": 0.5, "gamma_pos": 0.5, "clip": 0.0, "eps": 0.0}, "unit"),
    ("asymmetric", {"gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.05, "eps": 1e-3}, "binary"),
    ("asymmetric", {"gamma_neg": 3.0, "clip": 0.0, "eps": 1e-4, "detach_weight": True}, "unit"),
    ("asymmetric", {"detach_weight": True}, "unit"),
    ("zlpr", {}, "unit"),
    ("multilabel_soft_margin", {}, "real"),
    ("multilabel_margin", {}, "binary"),
]
VARIANTS += [(name, params, find(name).about.targets) for name, each in references.VARIANTS.items() for params in each]
IDS = [f"{name}-{'-'.join(map(str, params.values()))}" for name, params, _ in VARIANTS]
each_variant = pytest.mark.parametrize(("name", "params", "kind"), VARIANTS, ids=IDS)


def labels(kind: str, shape: tuple[int, int], random: np.random.Generator) -> Array:
    """Labels of one kind, about half of them 0."""
    chosen = random.random(shape) < 0.5
    values = {
        "binary": np.ones(shape),
        "unit": np.where(random.random(shape) < 0.3, 1.0, random.random(shape)),
        "real": random.normal(0.4, 1.0, shape),
    }
    like = {"single": "binary", "distribution": "unit", "scores": "real"}
    return np.where(chosen, values[like.get(kind, kind)], 0.0)


def by_autograd(loss: Callable[..., torch.Tensor], scores: Array, targets: Array, **arguments: Any) -> tuple[Array, Array]:
    """The unreduced loss, and autograd's derivative of its sum; arrays among the arguments become tensors."""
    tensors = {key: torch.tensor(np.asarray(each)) if isinstance(each, np.ndarray | list) else each for key, each in arguments.items()}
    x = torch.tensor(scores, requires_grad=True)
    value = loss(x, torch.tensor(targets), **tensors)
    (grad,) = torch.autograd.grad(value.sum(), x)
    return value.detach().numpy(), grad.numpy()


def assert_agree(found: tuple[Array, Array], expected: tuple[Array, Array], *, loss: float = 1e-12, grad: float = 1e-10) -> None:
    """Elementwise, relative or (near 0) absolute; to allclose two NaN or two infinities agree, hence the first line."""
    assert np.isfinite(expected[0]).all() and np.isfinite(expected[1]).all()
    assert found[0].shape == expected[0].shape and found[1].shape == expected[1].shape
    np.testing.assert_allclose(found[0], expected[0], rtol=loss, atol=loss)
    np.testing.assert_allclose(found[1], expected[1], rtol=grad, atol=grad)


def assert_references_agree(name: str, scores: Array, targets: Array, **arguments: Any) -> None:
    given = fitted(arguments, scores.shape[1])
    targets = of_kind(name, targets, np.isfinite(scores) & (np.asarray(given.get("mask", 1)) != 0))
    assert_agree(by_autograd(REFERENCES[name], scores, targets, **given), exact(name, scores, targets, **given))


def weights(name: str, columns: int, random: np.random.Generator) -> dict[str, Array]:
    """Class weights, one of them 0, and positive weights where the loss has a positive term."""
    class_weight = random.uniform(0.2, 3.0, columns)
    class_weight[0] = 0.0
    if not takes_class_weight(name):
        return {}
    positive = {"pos_weight": random.uniform(0.2, 5.0, columns)} if name in ELEMENT else {}
    return {"class_weight": class_weight, **positive}


def test_both_references_know_the_same_losses_which_are_all() -> None:
    assert set(REFERENCES) == {*ROW, *ELEMENT, *BATCH} == {name for name, _, _ in VARIANTS} == set(catalogue())
    assert set(TORCH) < set(REFERENCES)


@each_variant
@pytest.mark.parametrize("seed", [0, 1])
def test_the_references_agree_on_random_rows(name: str, params: dict[str, Any], kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(0, 3, (5, 4))
    assert_references_agree(name, scores, labels(kind, scores.shape, random), **params)


@each_variant
def test_the_references_agree_at_every_edge_under_every_label(name: str, params: dict[str, Any], kind: str) -> None:
    values = np.concatenate([EDGES, -EDGES[1:]])
    scores = np.stack([values, np.roll(values, 5), np.zeros_like(values)], axis=1)
    for row in ([1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]):
        assert_references_agree(name, scores, np.tile(np.array(row, dtype=float), (len(values), 1)), **params)


@each_variant
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 6)])
def test_the_references_agree_on_a_single_class_and_on_a_single_row(
    name: str, params: dict[str, Any], kind: str, shape: tuple[int, int]
) -> None:
    random = np.random.default_rng(2)
    scores = random.normal(0, 2, shape)
    for targets in (np.zeros(shape), np.ones(shape), labels(kind, shape, random)):
        assert_references_agree(name, scores, targets, **params)


@each_variant
def test_the_references_agree_under_class_and_positive_weights(name: str, params: dict[str, Any], kind: str) -> None:
    random = np.random.default_rng(3)
    scores = random.normal(0, 3, (5, 4))
    assert_references_agree(name, scores, labels(kind, scores.shape, random), **params, **weights(name, 4, random))


@each_variant
def test_the_references_agree_where_labels_are_unknown_and_scores_are_minus_infinity(name: str, params: dict[str, Any], kind: str) -> None:
    random = np.random.default_rng(4)
    scores, mask = random.normal(0, 3, (6, 5)), (random.random((6, 5)) < 0.7).astype(float)
    targets = labels(kind, scores.shape, random)
    mask[0] = 0  # a row of which nothing is known
    scores[1, :2], targets[1, :2] = -np.inf, 0
    scores[2], targets[2] = -np.inf, 0
    assert_references_agree(name, scores, targets, mask=mask, **params, **weights(name, 5, random))


@pytest.mark.parametrize("name", sorted(ELEMENT))
def test_a_single_positive_weight_is_that_weight_for_every_class(name: str) -> None:
    scores, targets = np.array([[0.3, -2.0, 4.0]]), np.array([[1.0, 0.0, 1.0]])
    own = fitted(dict(find(name).about.example), 3)
    assert_agree(exact(name, scores, targets, pos_weight=2.5, **own), exact(name, scores, targets, pos_weight=[2.5, 2.5, 2.5], **own))
    assert_references_agree(name, scores, targets, pos_weight=2.5, **own)


@pytest.mark.parametrize("name", sorted(TORCH))
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_agrees_with_torch_itself(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(0, 4, (6, 5))
    kind = "binary" if name == "multilabel_margin" else "real"
    targets = labels(kind, scores.shape, random)
    targets[:, 0] = 1  # torch smooths a row without labels; here it has loss 0
    ours: dict[str, Any] = {"normalize": "none"} if name == "softmax_cross_entropy" else {}
    weighting = {} if name == "multilabel_margin" else weights(name, 5, random)  # torch's takes none
    expected = exact(name, scores, targets, **ours, **weighting)
    assert_agree(by_autograd(TORCH[name], scores, targets, **weighting), expected)


@pytest.mark.parametrize("torch_loss", [autograd.cross_entropy_of_index, autograd.cross_entropy_of_probabilities])
@pytest.mark.parametrize("normalize", ["count", "sum", "none"])
def test_exact_agrees_with_torch_on_single_labels_smoothed_and_weighted(torch_loss: Callable[..., torch.Tensor], normalize: str) -> None:
    random = np.random.default_rng(5)
    scores, targets = random.normal(0, 4, (6, 5)), np.eye(5)[random.integers(0, 5, 6)]
    arguments: dict[str, Any] = {"label_smoothing": 0.15, **weights("softmax_cross_entropy", 5, random)}
    expected = exact("softmax_cross_entropy", scores, targets, normalize=normalize, **arguments)
    assert_agree(by_autograd(torch_loss, scores, targets, **arguments), expected)


@each_variant
def test_exact_is_finite_at_scores_of_ten_thousand_and_beyond(name: str, params: dict[str, Any], kind: str) -> None:
    values = np.concatenate([HUGE, -HUGE[1:]])
    scores = np.stack([values, values[::-1]], axis=1)
    for row in ([1, 0], [0, 1], [1, 1], [0, 0]):
        loss, grad = exact(name, scores, np.tile(np.array(row, dtype=float), (len(values), 1)), **params)
        assert np.isfinite(loss).all() and np.isfinite(grad).all()


# By hand: a third opinion, in case both references share a misreading.

SIGMA_1 = 1 / (1 + math.exp(-1))
BY_HAND: list[tuple[str, dict[str, Any], list[float], list[float], list[float], list[float]]] = [
    ("softmax_cross_entropy", {}, [0, 0, 0, 0], [1, 0, 0, 1], [math.log(4)], [-0.25, 0.25, 0.25, -0.25]),
    # real labels: t = (3, -1)/2, so T = 1
    ("softmax_cross_entropy", {}, [0, 0], [3, -1], [math.log(2)], [0.5 - 1.5, 0.5 + 0.5]),
    ("softmax_cross_entropy", {"normalize": "none"}, [0, 0], [3, 1], [4 * math.log(2)], [2 - 3, 2 - 1]),
    ("softmax_cross_entropy", {"normalize": "sum"}, [0, 0], [3, 1], [math.log(2)], [0.5 - 0.75, 0.5 - 0.25]),
    ("softmax_cross_entropy", {"temperature": 2}, [0, 0], [1, 0], [math.log(2)], [-0.25, 0.25]),
    ("softmax_cross_entropy", {"label_smoothing": 0.5}, [0, 0], [1, 0], [math.log(2)], [0.5 - 0.75, 0.5 - 0.25]),
    ("softmax_cross_entropy", {"class_weight": [2, 6], "label_smoothing": 0.5}, [0, 0], [1, 0],
     [(2 * 0.75 + 6 * 0.25) * math.log(2)], [1.5 - 1.5, 1.5 - 1.5]),
    ("softmax_cross_entropy", {"label_smoothing": 0.5}, [1, 2], [0, 0], [0], [0, 0]),
    # a masked class takes no smoothing, and C stays 2
    ("softmax_cross_entropy", {"label_smoothing": 0.5, "mask": [[1, 0]]}, [1, 2], [1, 1], [0], [0, 0]),
    ("binary_cross_entropy", {}, [0, 0], [1, 0], [math.log(2)] * 2, [-0.5, 0.5]),
    ("binary_cross_entropy", {"label_smoothing": 0.5}, [0, 1], [1, 0.5], [math.log(2), 0.5 - math.log(SIGMA_1)],
     [-0.25, SIGMA_1 - 0.5]),
    ("binary_cross_entropy", {"pos_weight": 3, "class_weight": [2, 1]}, [0, 0], [1, 0], [6 * math.log(2), math.log(2)],
     [-3, 0.5]),
    ("focal", {}, [0, 0], [1, 0], [math.log(2) / 16, 3 * math.log(2) / 16],
     [-(math.log(2) + 0.5) / 16, 3 * (math.log(2) + 0.5) / 16]),
    ("focal", {"alpha": None, "gamma": 1, "pos_weight": 3}, [0, 0], [1, 0], [1.5 * math.log(2), 0.5 * math.log(2)],
     [-0.75 * (math.log(2) + 1), 0.25 * (math.log(2) + 1)]),
    ("asymmetric", {"gamma_pos": 0, "gamma_neg": 1, "clip": 0.25, "eps": 0}, [0, 0], [1, 0],
     [math.log(2), -0.25 * math.log(0.75)], [-0.5, 0.25 * (1 / 3 - math.log(0.75))]),
    ("asymmetric", {"gamma_neg": 1, "clip": 0.25, "detach_weight": True}, [0, 0], [1, 0],
     [0.5 * math.log(2), -0.25 * math.log(0.75)], [-0.25, 0.25 / 3]),
    ("asymmetric", {"eps": 0.75, "gamma_pos": 1, "gamma_neg": 1, "clip": 0}, [0, 0], [1, 0],
     [-0.5 * math.log(0.75)] * 2, [0.25 * math.log(0.75), -0.25 * math.log(0.75)]),
    ("zlpr", {}, [0, 0, 0], [1, 0, 0], [math.log(2) + math.log(3)], [-1 / 2, 1 / 3, 1 / 3]),
    ("zlpr", {"class_weight": [3, 1, 2]}, [0, 0, 0], [1, 0, 0.5], [math.log(5) + math.log(3)],
     [-3 / 5, 1 / 3, 1 / 3 - 1 / 5]),
    ("multilabel_soft_margin", {"class_weight": [2, 4]}, [0, 0], [1, 0], [3 * math.log(2)], [-0.5, 1]),
    ("multilabel_soft_margin", {"mask": [[1, 0]]}, [0, 0], [1, 0], [math.log(2) / 2], [-0.25, 0]),
    ("multilabel_margin", {}, [0.5, 0, 2, -3], [1, 0, 1, 0], [0.5 / 4], [-0.25, 0.25, 0, 0]),
    ("multilabel_margin", {"class_weight": [3, 100]}, [0, 0.5], [1, 0], [3 * 1.5 / 2], [-1.5, 1.5]),
    # far out, where each loss is a straight line
    ("softmax_cross_entropy", {}, [1e4, -1e4], [0, 1], [2e4], [1, -1]),
    ("binary_cross_entropy", {}, [1e4, -1e4, 1e4, -1e4], [0, 1, 1, 0], [1e4, 1e4, 0, 0], [1, -1, 0, 0]),
    ("focal", {}, [1e4, -1e4, 1e4], [0, 1, 1], [0.75e4, 0.25e4, 0], [0.75, -0.25, 0]),
    ("asymmetric", {"eps": 0, "clip": 0}, [1e4, -1e4, 1e4], [0, 1, 1], [1e4, 1e4, 0], [1, -1, 0]),
    ("asymmetric", {"eps": 0.25, "clip": 0}, [1e4, -1e4, 1e4], [0, 1, 1], [math.log(4), math.log(4), 0], [0, 0, 0]),
    ("zlpr", {}, [1e4, -1e4, 0], [0, 1, 0], [2e4], [1, -1, 0]),
    ("multilabel_soft_margin", {}, [1e4, -1e4], [0, 1], [1e4], [0.5, -0.5]),
    ("multilabel_margin", {}, [1e4, -1e4], [0, 1], [20001 / 2], [0.5, -0.5]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "scores", "targets", "loss", "grad"), BY_HAND)
def test_both_references_give_what_the_equation_gives_by_hand(
    name: str,
    arguments: dict[str, Any],
    scores: list[float],
    targets: list[float],
    loss: list[float],
    grad: list[float],
) -> None:
    expected = np.array(loss if name in ROW else [loss], dtype=float), np.array([grad], dtype=float)
    x, y = np.array([scores], dtype=float), np.array([targets], dtype=float)
    arrays = {key: np.array(value, dtype=float) if isinstance(value, list) else value for key, value in arguments.items()}
    assert_agree(exact(name, x, y, **arguments), expected, grad=1e-12)
    assert_agree(by_autograd(REFERENCES[name], x, y, **arrays), expected, grad=1e-12)


def test_exact_keeps_the_tails_down_to_the_smallest_doubles() -> None:
    tails = np.array([-40.0, -200.0, -700.0, -740.0])
    _, negative = exact("binary_cross_entropy", tails[:, None], np.zeros((4, 1)))
    _, positive = exact("binary_cross_entropy", -tails[:, None], np.ones((4, 1)))
    np.testing.assert_allclose(negative[:, 0], np.exp(tails), rtol=1e-14, atol=5e-324)
    np.testing.assert_array_equal(positive, -negative)


def test_exact_reads_numbers_as_the_doubles_they_are() -> None:
    loss, _ = exact("softmax_cross_entropy", np.array([[0.1, -np.inf, 0.0]], dtype=np.float32), [[0, 0, 1]])
    np.testing.assert_allclose(loss, [math.log1p(math.exp(float(np.float32(0.1))))], rtol=1e-15)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_mask_of_zero_and_a_score_of_minus_infinity_are_the_same_absence(name: str) -> None:
    random = np.random.default_rng(6)
    scores, targets = random.normal(0, 2, (4, 3)), labels("binary", (4, 3), random)
    masked, unlabelled = scores.copy(), targets.copy()
    masked[:, 1], unlabelled[:, 1] = -np.inf, 0
    mask = np.array([[1, 0, 1]] * 4)
    own = fitted(dict(find(name).about.example), 3)
    by_mask, by_score = exact(name, scores, targets, mask=mask, **own), exact(name, masked, unlabelled, **own)
    np.testing.assert_array_equal(by_mask[0], by_score[0])
    np.testing.assert_array_equal(by_mask[1], by_score[1])
    assert (by_mask[1][:, 1] == 0).all()


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "zlpr"])
def test_a_masked_class_is_as_good_as_not_there(name: str) -> None:
    scores, targets = np.array([[1.0, 5.0, -2.0]]), np.array([[1.0, 1.0, 0.0]])
    loss, grad = exact(name, scores, targets, mask=[[1, 0, 1]])
    without_loss, without_grad = exact(name, scores[:, [0, 2]], targets[:, [0, 2]])
    np.testing.assert_array_equal(loss, without_loss)
    np.testing.assert_array_equal(grad[:, [0, 2]], without_grad)


@pytest.mark.parametrize(
    ("name", "params", "scores", "targets", "loss", "grad"),
    [
        ("multilabel_margin", {}, [1.0, 0.0], [1, 0], [0.0], [0.0, 0.0]),  # 1 - x_j + x_i = 0
        ("multilabel_margin", {}, [1.0, 0.0, 0.5], [1, 0, 0], [0.5 / 3], [-1 / 3, 0.0, 1 / 3]),
        ("asymmetric", {"clip": 0.5, "gamma_neg": 0.0}, [0.0], [0], [0.0], [0.0]),  # σ = clip
        ("asymmetric", {"clip": 0.5, "gamma_neg": 0.5}, [0.0], [0], [0.0], [0.0]),
        ("asymmetric", {"eps": 0.5, "gamma_pos": 0.0}, [0.0], [1], [math.log(2)], [0.0]),  # σ = eps
        ("asymmetric", {"eps": 0.5, "clip": 0.0, "gamma_neg": 0.0}, [0.0], [0], [math.log(2)], [0.0]),  # 1-m = eps
    ],
)
def test_a_score_exactly_on_a_kink_lies_on_the_flat_side(
    name: str, params: dict[str, Any], scores: list[float], targets: list[float], loss: list[float], grad: list[float]
) -> None:
    expected = np.array(loss if name in ROW else [loss]), np.array([grad])
    x, y = np.array([scores]), np.array([targets], dtype=float)
    assert_agree(exact(name, x, y, **params), expected)
    assert_agree(by_autograd(REFERENCES[name], x, y, **params), expected)


def test_a_score_just_off_a_kink_has_the_whole_slope_of_its_side() -> None:
    above, below = np.nextafter(0.0, 1.0), np.nextafter(0.0, -1.0)
    _, grad = exact("asymmetric", [[above], [below]], [[0], [0]], clip=0.5, gamma_neg=0.0, eps=0.0)
    np.testing.assert_allclose(grad, [[0.25], [0.0]], rtol=1e-14)
    scores = [[np.nextafter(1.0, 0.0), 0.0], [np.nextafter(1.0, 2.0), 0.0]]
    _, grad = exact("multilabel_margin", scores, [[1, 0], [1, 0]])
    np.testing.assert_array_equal(grad, [[-0.5, 0.5], [0.0, 0.0]])


def test_detaching_the_weight_changes_the_gradient_and_not_the_loss() -> None:
    scores, targets = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, 0.0, 0.0]])
    loss, grad = exact("asymmetric", scores, targets)
    detached_loss, detached_grad = exact("asymmetric", scores, targets, detach_weight=True)
    np.testing.assert_array_equal(loss, detached_loss)
    assert (np.abs(grad - detached_grad) > 1e-3).all()


@pytest.mark.parametrize("name", sorted(ROW))
def test_a_positive_weight_is_refused_by_every_row_loss(name: str) -> None:
    own = fitted(dict(find(name).about.example), 2)
    with pytest.raises(ValueError, match="element losses"):
        exact(name, [[0.0, 1.0]], [[1, 0]], pos_weight=[1, 1], **own)
    with pytest.raises(ValueError, match="element losses"):
        REFERENCES[name](torch.zeros(1, 2), torch.ones(1, 2), pos_weight=2.0, **own)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_parameter_that_the_loss_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="gama"):
        exact(name, [[0.0, 1.0]], [[1, 0]], gama=2)
