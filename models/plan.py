"""What a job asks for, apart from its numbers: the shape of a computation, or of a graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models import labels as sparse
from models.checks import Array
from models.contract import Job, Loss, MeanOver, Reduction
from models.tensor import Tensor

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Plan:
    """All of a job but its numbers: what a formula, or a graph, is made for."""

    loss: Loss
    inputs: frozenset[str]  # the names of the tensors that are there
    reduction: Reduction
    mean_over: MeanOver | None  # None: the loss's own
    wants_grad: bool
    masked: bool  # a class may be masked: by `mask`, or by a score of -inf
    single_labels: bool = False  # labels are one plain integer a row

    @property
    def by_element(self) -> bool:
        """Whether the unreduced loss is [N, C]."""
        return self.loss.about.unit == "element"

    @property
    def of_batch(self) -> bool:
        """Whether the loss is one number for the whole batch."""
        return self.loss.about.unit == "batch"


def plan(job: Job) -> tuple[Plan, dict[str, Array]]:
    """The job's plan, and its arrays by name; `labels` as [N, K] indices padded with -1."""
    arrays = {"scores": job.scores, "targets": job.targets}
    if job.labels is not None:
        arrays["labels"], arrays["label_weights"] = sparse.padded(job.labels, job.dtype)
    for name in ("class_weight", "sample_weight", "element_weight", "kept"):
        arrays[name] = getattr(job, name)
    arrays["mask"] = job.mask if job.masked else None
    arrays["pos_weight"] = spread(job.pos_weight, job.shape[1:])
    arrays["grad_output"] = spread(job.grad_output, job.loss_shape if job.reduction == "none" else ())
    given = {name: array for name, array in arrays.items() if array is not None}
    single = job.labels is not None and job.labels.flat
    return Plan(job.loss, frozenset(given), job.reduction, job.mean_over, job.wants_grad, job.masked, single), given


def spread(value: Array | float | None, shape: tuple[int, ...]) -> Array | None:
    """A number as an array of this shape; an array as it is."""
    if value is None:
        return None
    array = np.asarray(value)
    return np.full(shape, array) if array.ndim == 0 else array
