"""The losses that a fused kernel computes, on the CPU: `torch.ops.gradwire.loss_and_grad`, from models/native.

One pass over the rows gives the weighed, reduced loss and its gradient, which the equations (`models.kernel`) need a dozen for. A job
that is not `covered` is theirs, as is everything where the library was not built.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch

from models import kernel, mean
from models.checks import Array
from models.contract import Job
from models.native.library import library
from models.plan import plan
from models.tensor import Tensor

Params = Mapping[str, Any]
NORMALIZE = ("count", "sum", "none")


def focal(params: Params) -> list[float]:
    """γ, the weights of positives and negatives, and whether the modulator is the geometric one."""
    alpha = params["alpha"]
    weights = [1.0, 1.0] if alpha is None else [alpha, 1.0 - alpha]
    return [params["gamma"], *weights, float(params["soft"] == "geometric")]


def asymmetric(params: Params) -> list[float]:
    """Both γ, clip, eps, and whether the focusing weights have a gradient."""
    return [params["gamma_neg"], params["gamma_pos"], params["clip"], params["eps"], float(not params["detach_weight"])]


# Each loss's parameters, in the order in which operators.cpp reads them.
FUSED: dict[str, Callable[[Params], list[float]]] = {
    "softmax_cross_entropy": lambda params: [
        float(NORMALIZE.index(params["normalize"])),
        params["label_smoothing"],
        params["temperature"],
    ],
    "binary_cross_entropy": lambda params: [params["label_smoothing"]],
    "focal": focal,
    "asymmetric": asymmetric,
    "zlpr": lambda _: [],
    "multilabel_soft_margin": lambda _: [],
}


@functools.cache
def missing() -> str | None:
    """Load the library; None, or why the fused kernel is not there."""
    file = library()
    if not file.is_file():
        return "not built, `python -m models.native` does it"
    try:
        torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
    except OSError as error:
        return str(error)
    torch.library.register_fake("gradwire::loss_and_grad", shapes)
    torch.library.register_autograd("gradwire::loss_and_grad", backward, setup_context=remember)
    return None


def covered(job: Job) -> bool:
    """Whether the fused kernel computes this job's loss."""
    return job.loss.name in FUSED


def evaluate(
    job: Job, to_device: Callable[[Array], torch.Tensor], out: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The reduced loss and, if wanted, the gradient of a job that is covered; the gradient in `out` [N, C], if that is given."""
    given = {
        "targets": job.targets,
        "mask": job.mask if job.masked else None,
        "class_weight": job.class_weight,
        "pos_weight": by_class(job),
        "sample_weight": row_weight(job),
        "element_weight": job.element_weight,
        "grad_output": None if job.grad_output is None else np.asarray(job.grad_output, job.dtype),
    }
    if job.labels is not None:
        given |= {"labels": job.labels.indices, "offsets": job.labels.offsets, "label_weights": job.labels.weights}
    tensors: dict[str, Any] = {name: to_device(array) for name, array in given.items() if array is not None}
    reduced = job.reduction != "none"
    divisor = mean_divisor(job, to_device) if job.reduction == "mean" else 1.0
    options = {"reduced": reduced, "divisor": divisor, "wants_grad": job.wants_grad}
    scores, params = to_device(job.scores), FUSED[job.loss.name](job.params)
    if out is None:
        loss, grad = torch.ops.gradwire.loss_and_grad(job.loss.name, params, scores, **tensors, **options)
    else:
        loss, grad = scores.new_empty(() if reduced else job.loss_shape), out
        torch.ops.gradwire.loss_and_grad.out(job.loss.name, params, scores, **tensors, **options, loss=loss, grad=grad)
    return loss, grad if job.wants_grad else None


def by_class(job: Job) -> Array | None:
    """pos_weight [C]."""
    if job.pos_weight is None or np.ndim(job.pos_weight):
        return cast(Array | None, job.pos_weight)
    return np.full(job.shape[1], job.pos_weight, job.dtype)


def row_weight(job: Job) -> Array | None:
    """[N]; an ignored row weighs 0."""
    if job.kept is None:
        return job.sample_weight
    return np.asarray(job.kept if job.sample_weight is None else job.kept * job.sample_weight, job.dtype)


def mean_divisor(job: Job, to_device: Callable[[Array], torch.Tensor]) -> float:
    """What a mean divides by (`models.mean`); the usual ones without looking at any array."""
    over = job.mean_over or job.loss.about.mean_over
    labels = job.labels
    if job.mean_over is None and job.loss.about.class_weighted_mean and labels is not None and labels.flat:
        total = len(labels.indices) if job.class_weight is None else job.class_weight[labels.indices].sum(dtype=np.float64)
        return float(total) or 1.0
    if over in ("rows", "elements"):
        return float(job.shape[0] if over == "rows" else job.scores.size)
    shape, arrays = plan(job)
    valid, tensors = kernel.unmasked(shape, {name: cast(Tensor, to_device(array)) for name, array in arrays.items()})
    return float(cast(torch.Tensor, mean.divisor(shape, kernel.unit_weight(shape, tensors), valid, tensors)))


def shapes(name: str, params: list[float], scores: torch.Tensor, *_: Any, reduced: bool = False, wants_grad: bool = True, **__: Any) -> Any:
    """What the operator gives, without numbers."""
    unit = scores.shape if name in ("binary_cross_entropy", "focal", "asymmetric") else scores.shape[:1]
    return scores.new_empty(() if reduced else unit), scores.new_empty(scores.shape if wants_grad else 0)


def remember(ctx: Any, inputs: tuple[Any, ...], keyword_only_inputs: dict[str, Any], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The gradient is there already: backward only scales it."""
    if inputs[-1] is not None or not keyword_only_inputs["wants_grad"]:
        raise ValueError("autograd brings the upstream gradient itself: leave out grad_output, and let wants_grad be true")
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.arguments = len(inputs)


def backward(ctx: Any, of_loss: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
    """d(Σ of_loss · loss) / d(scores)."""
    (grad,) = ctx.saved_tensors
    per_row = of_loss.dim() == 1
    return (None, None, grad * (of_loss.unsqueeze(1) if per_row else of_loss), *[None] * (ctx.arguments - 3))
