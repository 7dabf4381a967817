"""Job, Result, Runtime, and what a loss says of itself: the only types that the mathematics and the conversation share.

An invalid Job cannot be built: whoever holds one may compute without looking again. A Result that could not be sent (a number that
its dtype cannot hold) cannot be built either.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from pydantic import BaseModel, ValidationError

from models import checks
from models import labels as sparse
from models.checks import Array
from models.errors import InvalidParameters, InvalidScores, InvalidTargets, NumericOverflow, Problem, few_unknown, problem, shortened
from models.labels import Labels
from models.tensor import Tensor

Unit = Literal["row", "element", "batch"]
TargetKind = Literal["real", "unit", "binary", "single", "distribution", "scores"]
Reduction = Literal["none", "sum", "mean"]
MeanOver = Literal["rows", "elements", "weights", "valid", "positives"]
Dtype = Literal["float32", "float64"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
HALF = (np.dtype(np.float16), checks.BFLOAT16)  # computed with in float32
ROOMIER = {"float64": "scale the request down", "float32": "use dtype float64"} | dict.fromkeys(
    ("float16", "bfloat16"), "use dtype float32"
)


class Value(NamedTuple):
    """What an equation gives: the unreduced loss, and its derivative by the scores for when it is wanted."""

    loss: Tensor
    grad: Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class About:
    """What a loss's file says of it beside the equation."""

    aliases: tuple[str, ...]
    unit: Unit
    targets: TargetKind
    mean_over: MeanOver
    latex: str  # the formula without the corners
    use: str  # where it is the one to take
    formula: str
    gradient: str
    paper: str
    class_weighted_mean: bool = False  # with single labels, `mean` divides by the sum of their class weights
    example: Mapping[str, Any] = field(default_factory=dict)  # parameters that have no default, for three classes


@dataclass(frozen=True, kw_only=True, eq=False)
class Loss:
    """One loss of the catalogue: its name, its equation for dense targets and, where it has one, for sparse labels."""

    name: str
    summary: str
    about: About
    dense: Callable[..., Value]
    sparse: Callable[..., Value] | None
    takes: frozenset[str]  # the optional tensors its equation reads: class_weight, pos_weight
    params: type[BaseModel]  # its parameters, with defaults and ranges
    undefined_rows: Callable[..., tuple[Any, str]] | None  # rows whose labels leave it without a value, and why

    def parameters(self, given: Mapping[str, Any], dtype: Dtype) -> dict[str, Any]:
        """Every parameter of the loss: as given, checked, or by default. Raises InvalidParameters."""
        if not given:
            return dict(self.defaults(dtype))
        return self.checked(given, dtype)

    @functools.cache  # noqa: B019
    def defaults(self, dtype: Dtype) -> Mapping[str, Any]:
        """Every parameter as it is where none is given."""
        return self.checked({}, dtype)

    def checked(self, given: Mapping[str, Any], dtype: Dtype) -> dict[str, Any]:
        """The parameters, in their ranges; raises InvalidParameters."""
        known = self.params.model_fields
        try:
            values = dict(self.params.model_validate(few_unknown(given, known)))
        except ValidationError as invalid:
            raise InvalidParameters(*(problem(each, "/params", known) for each in invalid.errors(include_url=False))) from None
        for name, value in values.items():
            if isinstance(value, float):
                checks.fits(value, dtype, f"/params/{name}")
        return values

    @property
    def vectors(self) -> frozenset[str]:
        """The parameters that are, or may be, a number for each class."""
        return frozenset(name for name, each in self.params.model_fields.items() if "list[" in str(each.annotation))


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One batch and what is asked of it; building one checks everything, and rounds every array once to `dtype`.

    Shapes: scores, targets, mask, element_weight [N, C]; class_weight [C]; pos_weight [C] or a number; sample_weight [N];
    grad_output a number or, with reduction "none", the loss's own shape. Raises InvalidJob, with pointers.
    """

    loss: Loss
    scores: Array
    targets: Array | None = None
    labels: Labels | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    class_weight: Array | None = None
    pos_weight: Array | float | None = None
    sample_weight: Array | None = None
    element_weight: Array | None = None
    mask: Array | None = None
    ignore_index: int | None = None
    reduction: Reduction = "mean"
    mean_over: MeanOver | None = None
    grad_output: Array | float | None = None
    dtype: Dtype = "float32"
    wants_grad: bool = True
    kept: Array | None = field(default=None, init=False)  # [N] False where the row is ignored; None: no row is
    masked: bool = field(default=False, init=False)  # some class is: by the mask, or by a score of -inf

    def __post_init__(self) -> None:
        self._options()
        self._scores()
        self._weights()
        self._targets() if self.labels is None else self._labels(self.labels)
        self._grad_output()

    @property
    def shape(self) -> tuple[int, int]:
        """(N, C)."""
        return self.scores.shape[0], self.scores.shape[1]

    @property
    def loss_shape(self) -> tuple[int, ...]:
        """The shape of the unreduced loss."""
        return {"row": self.shape[:1], "element": self.shape, "batch": ()}[self.loss.about.unit]

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _options(self) -> None:
        checks.one_of(self.reduction, get_args(Reduction), "/reduction")
        checks.one_of(self.dtype, DTYPES, "/dtype")
        if self.mean_over is not None:
            checks.one_of(self.mean_over, get_args(MeanOver), "/mean_over")
        self._set(params=self.loss.parameters(self.params, self.dtype))

    def _scores(self) -> None:
        scores, is_finite = checks.reals_and_finite(self.scores, "/scores", None, self.dtype, InvalidScores, minus_infinity=True)
        if scores.ndim != 2 or 0 in scores.shape:
            raise InvalidScores(Problem("/scores", f"has shape {list(scores.shape)}; expected [N, C] with N ≥ 1 and C ≥ 1"))
        mask = None if self.mask is None else checks.booleans(self.mask, "/mask", scores.shape)
        vectors = {name: each for name, each in self.params.items() if isinstance(each, list)}
        by_class = {name: checks.reals(each, f"/params/{name}", scores.shape[1:], self.dtype) for name, each in vectors.items()}
        masked = not is_finite or (mask is not None and not bool(mask.all()))
        self._set(params={**self.params, **by_class}, scores=scores, mask=mask, masked=masked)

    def _weights(self) -> None:
        rows, classes = self.shape
        self._real("class_weight", (classes,))
        self._real("sample_weight", (rows,))
        self._real("element_weight", (rows, classes))
        self._real("pos_weight", () if np.ndim(self.pos_weight if self.pos_weight is not None else 0) == 0 else (classes,))
        for name in ("class_weight", "pos_weight"):
            if getattr(self, name) is not None:
                checks.at_least_zero(getattr(self, name), f"/{name}")
        for name in ("pos_weight", "element_weight"):
            if getattr(self, name) is not None and self.loss.about.unit != "element":
                raise InvalidScores(Problem(f"/{name}", f"belongs to element losses; {self.loss.name} is a {self.loss.about.unit} loss"))
        if self.class_weight is not None and self.loss.about.unit != "element" and "class_weight" not in self.loss.takes:
            raise InvalidScores(Problem("/class_weight", f"{self.loss.name} has no class weights; leave it out"))
        if self.loss.about.unit == "batch":
            self._no_rows()

    def _no_rows(self) -> None:
        """A loss that is one number for the batch has no rows to weigh, or to divide by."""
        for name in ("sample_weight", "mean_over"):
            if getattr(self, name) is not None:
                detail = f"{self.loss.name} is one number for the whole batch, without rows to weigh or to divide by; leave it out"
                raise InvalidScores(Problem(f"/{name}", detail))

    def _real(self, name: str, shape: tuple[int, ...]) -> None:
        if getattr(self, name) is not None:
            self._set(**{name: checks.reals(getattr(self, name), f"/{name}", shape, self.dtype)})

    def _targets(self) -> None:
        if self.targets is None:
            raise InvalidTargets(Problem("/targets", "neither targets nor labels are given; one of them is needed"))
        if self.ignore_index is not None:
            raise InvalidTargets(Problem("/ignore_index", "belongs to labels; leave out targets with a mask"))
        targets = checks.reals(self.targets, "/targets", self.shape, self.dtype, error=InvalidTargets)
        if self.mask is not None:
            targets = np.where(self.mask, targets, np.zeros((), targets.dtype))
        self._set(targets=targets)
        kind = self.loss.about.targets
        checks.none_of(checks.outside(targets, kind), targets, "/targets", checks.RANGES[kind], InvalidTargets)
        if self.masked and kind == "scores":
            self._set(targets=np.where(np.isneginf(self.scores), np.zeros((), targets.dtype), targets))
        elif self.masked:
            masked = np.isneginf(self.scores) & (targets != 0)
            checks.none_of(masked, targets, "/targets", "0, for the score is -inf: the class is masked", InvalidTargets)
        self._a_row("targets", (targets != 0).sum(1), targets.sum(1, dtype=np.float64))
        self._defined("targets", (targets != 0).sum(1), targets.sum(1, dtype=np.float64), np.abs(targets).sum(1, dtype=np.float64))

    def _labels(self, labels: Labels) -> None:
        if self.targets is not None:
            raise InvalidTargets(Problem("/labels", "both targets and labels are given; one of them is needed"))
        if self.ignore_index is not None and (isinstance(self.ignore_index, bool) or not isinstance(self.ignore_index, int)):
            raise InvalidTargets(Problem("/ignore_index", f"found {shortened(self.ignore_index)}; expected an integer"))
        if self.loss.about.targets == "scores":
            raise InvalidTargets(Problem("/labels", f"{self.loss.name} takes targets, which are {checks.RANGES['scores']}"))
        rows, classes = self.shape
        labels = sparse.weighed(sparse.well_formed(labels, rows), self.dtype)
        labels, kept = sparse.without_ignored(labels, self.ignore_index)
        sparse.in_range(labels, classes)
        counts = sums = magnitudes = labels.counts
        if labels.weights is not None or self.masked:
            weights = self._label_weights(labels)
            counts, sums, magnitudes = (np.bincount(labels.rows, each, rows) for each in (weights != 0, weights, np.abs(weights)))
        self._a_row("labels", counts, sums)
        self._defined("labels", counts, sums, magnitudes)
        self._set(labels=labels, kept=kept, masked=self.masked or (kept is not None and self.loss.about.unit == "batch"))

    def _label_weights(self, labels: Labels) -> Array:
        """The weight of each label [L], 0 where its class is masked; each is in the loss's range, and has a score."""
        weights = np.ones(len(labels.indices), self.dtype) if labels.weights is None else labels.weights
        if self.mask is not None:
            weights = weights * self.mask[labels.rows, labels.indices]
        kind = self.loss.about.targets
        labels.refuse(checks.outside(weights, kind), f"{self.loss.name} takes label weights of {checks.RANGES[kind]}", "label_weights")
        if self.masked:
            masked = np.isneginf(self.scores[labels.rows, labels.indices]) & (weights != 0)
            labels.refuse(masked, "class {} is masked: its score is -inf")
        return weights

    def _a_row(self, name: str, counts: Array, sums: Array) -> None:
        """Every row of labels is of the loss's kind, by their number and their sum; a row without any is, of every kind."""
        kind = self.loss.about.targets
        if kind == "single" and (counts > 1).any():
            row = int((counts > 1).argmax())
            raise InvalidTargets(Problem(f"/{name}/{row}", f"{self.loss.name} takes one label a row; found {int(counts[row])}"))
        if kind == "distribution":
            wrong = (counts > 0) & (np.abs(sums - 1) > checks.SUM_TOLERANCE[self.dtype])
            if wrong.any():
                row = int(wrong.argmax())
                raise InvalidTargets(Problem(f"/{name}/{row}", f"the labels of a row must sum to 1; found {sums[row]:.9g}"))

    def _defined(self, name: str, counts: Array, sums: Array, magnitudes: Array) -> None:
        """Every row has a value, by the number of its labels, their sum, and the sum of their magnitudes."""
        if self.loss.undefined_rows is None:
            return
        rounding = counts * np.finfo(self.dtype).eps * magnitudes
        wrong, why = self.loss.undefined_rows(counts, sums, rounding, **self.params)
        if wrong.any():
            raise InvalidTargets(Problem(f"/{name}/{int(wrong.argmax())}", why))

    def _grad_output(self) -> None:
        if self.grad_output is None:
            return
        if not self.wants_grad:
            raise InvalidParameters(Problem("/grad_output", "belongs to the gradient, and only the loss is asked for"))
        shape = self.loss_shape if np.ndim(self.grad_output) and self.reduction == "none" else ()
        if np.ndim(self.grad_output) and not shape:
            raise InvalidScores(Problem("/grad_output", "must be a number, for the loss is one; an array needs reduction 'none'"))
        self._real("grad_output", shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """The loss (a scalar, or the loss's own shape unreduced) and, if asked for, its gradient [N, C]: finite, in the job's dtype or half."""

    loss: Array
    grad: Array | None = None

    def __post_init__(self) -> None:
        for name, array in (("loss", self.loss), ("gradient", self.grad)):
            if array is not None and not checks.all_finite(array):
                raise NumericOverflow(Problem("", f"the {name} does not fit {array.dtype.name}; {ROOMIER[array.dtype.name]}"))

    def rounded(self, dtype: np.dtype[Any]) -> "Result":
        """The same in another precision; raises NumericOverflow where that cannot hold it."""
        with np.errstate(over="ignore"):
            return Result(loss=self.loss.astype(dtype), grad=None if self.grad is None else self.grad.astype(dtype))

    @property
    def nbytes(self) -> int:
        """The size of the arrays."""
        return self.loss.nbytes + (0 if self.grad is None else self.grad.nbytes)


class Runtime(Protocol):
    """Something that computes: every runtime gives the same numbers for the same job."""

    name: str
    device: str
    computes_by: str  # for people, in the log

    def quick(self, job: Job) -> bool:
        """Whether the job takes so little, a few milliseconds at most, that handing it to another thread and back is not worth it."""

    def run(self, job: Job) -> Result:
        """Compute the job; raises NumericOverflow where its dtype cannot hold the result."""

    def warm_up(self) -> None:
        """Compute something real, once, so that the first request does not wait."""
