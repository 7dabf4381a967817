"""Every loss with its parameters at and away from their bounds, and batches of awkward values for each of them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.catalogue import catalogue, find
from models.contract import Dtype, Job, Result
from models.labels import Labels
from tests.models import references
from tests.models.exact import exact
from tests.models.references import fitted

Array = NDArray[Any]
Params = dict[str, Any]
LOSSES = (
    sorted(  # those that any 0/1 labels suit, and class weights, and that need no parameter: what is said of every loss is tried on them
        name
        for name, each in catalogue().items()
        if each.about.targets in ("real", "unit", "binary")
        and not each.about.example
        and (each.about.unit == "element" or "class_weight" in each.takes)
    )
)
EDGES = np.array([0, 1e-3, 4, 8, 12, 16, 20, 30, 88, 100, 745, 1e4])  # ties, saturation, both exponentials' ends, far beyond
VALUES = np.concatenate([EDGES, -EDGES[1:]])
TOLERANCE: dict[str, float] = {"float32": 1e-5, "float64": 1e-10}
LABELS = {  # labels of each kind, from which every edge gets each
    "real": np.array([1, 0, 0.3, -0.7, 2.5]),
    "unit": np.array([1, 0, 0.3, 0.9, 1e-3]),
    "binary": np.array([1.0, 0.0]),
    "single": np.array([1.0, 0.0]),
    "distribution": np.array([1, 0, 0.3, 0.9, 1e-3]),
    "scores": np.array([1, 0, 3.3, -7.7, 12.5]),
}
VARIANTS: list[tuple[str, Params]] = [
    ("softmax_cross_entropy", {}),
    ("softmax_cross_entropy", {"normalize": "sum", "label_smoothing": 0.3, "temperature": 0.1}),
    ("softmax_cross_entropy", {"normalize": "none", "label_smoothing": 1.0, "temperature": 10.0}),
    ("softmax_cross_entropy", {"normalize": "none", "temperature": 0.1}),
    ("softmax_cross_entropy", {"label_smoothing": 0.3}),
    ("binary_cross_entropy", {}),
    ("binary_cross_entropy", {"label_smoothing": 0.3}),
    ("binary_cross_entropy", {"label_smoothing": 1.0}),
    ("focal", {}),
    ("focal", {"gamma": 0.0, "alpha": None}),
    ("focal", {"gamma": 0.5, "alpha": 0.0}),
    ("focal", {"gamma": 0.5, "alpha": 1.0, "soft": "geometric"}),
    ("focal", {"gamma": 3.5, "alpha": 0.6, "soft": "geometric"}),
    ("focal", {"gamma": 0.0, "soft": "geometric"}),
    ("asymmetric", {}),
    ("asymmetric", {"gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.0, "eps": 0.0}),
    ("asymmetric", {"gamma_neg": 0.5, "gamma_pos": 0.5, "clip": 0.0, "eps": 0.0}),
    ("asymmetric", {"gamma_neg": 2.5, "gamma_pos": 0.5, "clip": 0.2, "eps": 0.0}),
    ("asymmetric", {"gamma_neg": 0.5, "gamma_pos": 0.0, "clip": 0.3, "eps": 1e-3}),
    ("asymmetric", {"gamma_neg": 3.0, "gamma_pos": 2.0, "clip": 0.0, "eps": 1e-4, "detach_weight": True}),
    ("asymmetric", {"gamma_neg": 0.0, "clip": 0.3, "eps": 0.0}),
    ("asymmetric", {"gamma_neg": 1.0, "gamma_pos": 0.0, "clip": 1e-6, "eps": 0.0}),
    ("asymmetric", {"eps": 0.0, "detach_weight": True}),
    ("zlpr", {}),
    ("multilabel_soft_margin", {}),
    ("multilabel_margin", {}),
]
VARIANTS += [(name, params) for name, each in references.VARIANTS.items() for params in each]
each_variant = pytest.mark.parametrize(
    ("name", "params"), VARIANTS, ids=[f"{name}-{'-'.join(f'{k}={v}' for k, v in params.items())}" for name, params in VARIANTS]
)
each_loss = pytest.mark.parametrize("name", LOSSES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_label_form = pytest.mark.parametrize("form", ["targets", "labels"])


@dataclass(frozen=True)
class Batch:
    """Scores and labels [N, C], and the arrays that an oracle understands besides: class_weight, pos_weight, mask."""

    scores: Array
    targets: Array
    besides: dict[str, Array] = field(default_factory=dict)

    def rounded(self, dtype: str) -> "Batch":
        """What a computation in this dtype is given: every number rounded to it once."""
        besides = {name: array if name == "mask" else array.astype(dtype) for name, array in self.besides.items()}
        return Batch(self.scores.astype(dtype), self.targets.astype(dtype), besides)


def by_element(name: str) -> bool:
    return find(name).about.unit == "element"


def random_targets(name: str, shape: tuple[int, int], random: np.random.Generator) -> Array:
    """Labels of the loss's own kind, about half of them 0."""
    there = random.random(shape) < 0.5
    soft = np.where(random.random(shape) < 0.3, 1.0, random.random(shape))
    values = {"unit": soft, "distribution": soft, "real": random.normal(0.6, 1.0, shape), "scores": random.normal(0, 3, shape)}
    return of_kind(name, np.where(there, values.get(find(name).about.targets, np.ones(shape)), 0.0))


def of_kind(name: str, targets: Array, kept: Array | bool = True) -> Array:
    """Labels made into what the loss takes: the first of each row alone, or those that are not masked with the sum 1."""
    kind = find(name).about.targets
    if kind == "single":
        there = (targets != 0) & kept
        return np.asarray(there & (there.cumsum(1) == 1), np.float64)
    if kind == "distribution":
        total = (targets * kept).sum(1, keepdims=True)
        return np.where(kept, targets / np.where(total > 0, total, 1), 0.0)
    return targets


def takes_class_weight(name: str) -> bool:
    """Whether classes may be weighed."""
    return by_element(name) or "class_weight" in find(name).takes


def at_every_edge(name: str) -> Batch:
    """Every edge under every label: each by itself for an element loss, beside other edges for a row loss."""
    values = LABELS[find(name).about.targets]
    if by_element(name):
        return Batch(np.tile(VALUES, (len(values), 1)), np.repeat(values[:, None], len(VALUES), axis=1))
    scores = np.stack([np.roll(VALUES, shift) for shift in (0, 3, 7, 12)], axis=1)
    patterns = values[np.array([[0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]])]
    soft = values[np.array([[2, 4, 1, 3], [4, 2, 0, 2], [1, 3, 4, 1]])] if len(values) > 2 else patterns[:0]
    rows = np.concatenate([patterns, soft])
    return Batch(scores, of_kind(name, rows[np.arange(len(scores)) % len(rows)]))


def close_together(name: str) -> Batch:
    """Scores that are large and near each other: a digit lost in their difference is a digit lost in the loss."""
    offsets = np.array([[0.0, -0.5, 0.25, 1.5], [0.0, 0.0, 0.0, -1.0], [-2.0, 3.0, 0.125, 0.0]])
    scores = np.concatenate([offsets + 1e4, offsets - 1e4, offsets + 89, offsets - 746])
    values = LABELS[find(name).about.targets]
    return Batch(scores, of_kind(name, values[np.arange(scores.size).reshape(scores.shape) * 7 % 5 % len(values)]))


def weighed(name: str) -> Batch:
    """Class weights, one of them 0, and weights of the positives, one of them 0, where the loss has them."""
    random = np.random.default_rng(0)
    scores = np.stack([VALUES[::3], -VALUES[::3] / 3, VALUES[::3] / 100, VALUES[::-3]], axis=1)
    besides = {"class_weight": np.array([0.5, 0.0, 3.0, 1.7])} if takes_class_weight(name) else {}
    if by_element(name):
        besides["pos_weight"] = np.array([0.0, 2.5, 0.3, 7.0])
    return Batch(scores, random_targets(name, (len(scores), 4), random), besides)


def masked(name: str) -> Batch:
    """Classes left out by a mask and by scores of -inf, one row of each wholly; large scores where the mask is 0."""
    random = np.random.default_rng(1)
    scores, mask = random.normal(0, 4, (8, 5)), random.random((8, 5)) < 0.6
    targets = random_targets(name, scores.shape, random)
    scores[~mask] = 1e4
    mask[0] = False
    mask[1] = True
    scores[1], targets[1] = -np.inf, 0
    scores[2:6, 2], targets[2:6, 2], mask[2:4, 2] = -np.inf, 0, True
    targets[7], mask[7, 0] = np.where(mask[7], 0, 1), False  # every label of this row is unknown
    besides = {"class_weight": np.array([1.0, 0.5, 2.0, 0.0, 3.0])} if takes_class_weight(name) else {}
    return Batch(scores, of_kind(name, targets, mask), {"mask": mask, **besides})


def single_class(name: str) -> Batch:
    """C = 1."""
    return Batch(np.tile(VALUES[::4], 2)[:, None], np.repeat([[0.0], [1.0]], len(VALUES[::4]), axis=0))


def single_row(name: str) -> Batch:
    """N = 1, every class positive."""
    return Batch(np.array([[3.0, -1e4, 20.0]]), of_kind(name, np.ones((1, 3))))


def single_number(name: str) -> Batch:
    """N = C = 1."""
    return Batch(np.array([[-1.5]]), np.ones((1, 1)))


def odd_targets(name: str) -> Batch:
    """Rows without labels, rows of nothing but labels, between ordinary ones."""
    scores = np.array([[1.0, -2.0, 30.0], [0.5, 88.0, 1.0], [0.0, 0.0, 0.0], [5.0, 1.0, -745.0], [0.0, 0.0, 0.0]])
    return Batch(scores, of_kind(name, np.array([[0.0] * 3, [1.0] * 3, [0.0] * 3, [0.0, 1.0, 0.0], [1.0] * 3])))


BATCHES: dict[str, Callable[[str], Batch]] = {
    make.__name__: make for make in (at_every_edge, close_together, weighed, masked, single_class, single_row, single_number, odd_targets)
}


@functools.cache
def truth(variant: int, batch: str, dtype: str) -> tuple[Array, Array]:
    """Unreduced loss and gradient of its sum, from the oracle, for the batch as this dtype holds it; computed once for all runtimes."""
    name, params = VARIANTS[variant]
    given = BATCHES[batch](name).rounded(dtype)
    loss, grad = exact(name, given.scores, given.targets, **given.besides, **fitted(params, given.scores.shape[1]))
    loss.flags.writeable = grad.flags.writeable = False
    return loss, grad


def labels_of(targets: Array) -> Labels:
    """The same labels as class indices with weights."""
    rows, indices = np.nonzero(targets)
    offsets = np.searchsorted(rows, np.arange(len(targets) + 1))
    return Labels(indices=indices, offsets=offsets, weights=targets[rows, indices])


def single_labels(indices: Any) -> Labels:
    """One plain integer a row."""
    return Labels(indices=np.asarray(indices), offsets=np.arange(len(indices) + 1), flat=True)


def lists(*rows: list[int]) -> Labels:
    """A list of class indices a row."""
    indices = np.array([index for row in rows for index in row], dtype=np.int64)
    return Labels(indices=indices, offsets=np.cumsum([0, *map(len, rows)]))


def job(name: str, batch: Batch, form: str = "targets", *, dtype: Dtype = "float64", **options: Any) -> Job:
    """The batch as a job, its labels in one of the two forms."""
    dense = form == "targets" or find(name).about.targets == "scores"
    labels = {"targets": batch.targets} if dense else {"labels": labels_of(batch.targets)}
    params = fitted(options.pop("params", {}), batch.scores.shape[1])
    return Job(loss=find(name), scores=batch.scores, dtype=dtype, params=params, **labels, **batch.besides, **options)


def stock_session(model: bytes | str) -> onnxruntime.InferenceSession:
    """ONNX Runtime as it comes, but for the threads: once the service's runtime has made one pool for all, no session may have its own."""
    options = onnxruntime.SessionOptions()
    options.use_per_session_threads = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def gradient(result: Result) -> Array:
    """The gradient that a result must have."""
    assert result.grad is not None
    return result.grad


def assert_close(found: Array, expected: Array, tolerance: float, scale: Array | float = 1.0, *, what: str = "") -> None:
    """Every element finite and within the tolerance: relative, or absolute where the truth is smaller than the scale."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape, what
    assert np.isfinite(found).all() and np.isfinite(expected).all(), what
    error = np.abs(found - expected) / np.maximum(np.abs(expected), scale)
    worst = np.unravel_index(error.argmax(), error.shape)
    assert (error <= tolerance).all(), f"{what} {found[worst]} is {error[worst]} from {expected[worst]} at {[int(i) for i in worst]}"
