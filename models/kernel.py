"""What goes around every equation, written once: masks, weights, reduction and the gradient that arrives from above."""

import functools
import math
import operator
from collections.abc import Mapping
from typing import Any

from models import mean
from models.contract import Value
from models.plan import Plan, Tensors
from models.tensor import Number, Tensor

ROW_WEIGHTS = ("sample_weight", "kept")


def evaluate(plan: Plan, params: Mapping[str, Any], given: Tensors) -> tuple[Tensor, Tensor | None]:
    """The reduced loss and, if wanted, d(Σ grad_output · loss) / d(scores) [N, C]."""
    valid, tensors = unmasked(plan, given)
    if plan.of_batch:
        return of_batch(equation(plan, params, tensors), valid, tensors, plan.wants_grad)
    value = equation(plan, params, tensors)
    weight = unit_weight(plan, tensors)
    loss = dropped(plan, value.loss if weight is None else value.loss * weight, valid)
    total = loss if plan.reduction == "none" else loss.sum()
    scale = tensors.get("grad_output", 1.0) if weight is None else weight * tensors.get("grad_output", 1.0)
    if plan.reduction == "mean":
        by = mean.divisor(plan, weight, valid, tensors)
        total, scale = total / by, scale / by
    return total, dropped(plan, times_unit(plan, value.grad(), scale), valid) if plan.wants_grad else None


def of_batch(value: Value, valid: Tensor | None, tensors: Tensors, wants_grad: bool) -> tuple[Tensor, Tensor | None]:
    """A loss that is one number already: there is nothing to reduce."""
    if not wants_grad:
        return value.loss, None
    grad = value.grad() * tensors.get("grad_output", 1.0)
    return value.loss, grad if valid is None else grad.where(valid, 0.0)


def dropped(plan: Plan, x: Tensor, valid: Tensor | None) -> Tensor:
    """Elements [N, C] that are masked have no loss and no gradient; a row's equation saw to it itself."""
    return x if valid is None or not plan.by_element else x.where(valid, 0.0)


def times_unit(plan: Plan, grad: Tensor, scale: Number) -> Tensor:
    """grad [N, C] times a number, or something of the loss's own shape."""
    if isinstance(scale, float):
        return grad if scale == 1.0 else grad * scale
    per_row = plan.loss.about.unit == "row" and (plan.reduction == "none" or not plan.inputs.isdisjoint(ROW_WEIGHTS))
    return grad * (scale.unsqueeze(1) if per_row else scale)


def unmasked(plan: Plan, given: Tensors) -> tuple[Tensor | None, Tensors]:
    """[N, C] True where a class is not masked (None: all), and the tensors without what is masked.

    A masked score is -inf to a row's equation, which leaves the class out of its sums, and 0 to an element's, which is then dropped.
    """
    tensors = dict(given)
    valid = None
    if plan.masked:
        valid = given["scores"] > -math.inf
        valid = valid & given["mask"] if "mask" in given else valid
        valid = valid & given["kept"].unsqueeze(1) if plan.of_batch and "kept" in given else valid
        tensors["scores"] = given["scores"].where(valid, 0.0 if plan.by_element else -math.inf)
    if "labels" in given:
        tensors |= indices_and_weights(given, valid)
    elif valid is not None:
        tensors["targets"] = given["targets"].where(valid, 0.0)
    if plan.loss.sparse is None and "labels" in given:
        blank = tensors["scores"].new_zeros(tensors["scores"].shape)
        tensors["targets"] = blank.scatter_add(1, tensors["labels"], tensors["label_weights"])
    return valid, tensors


def indices_and_weights(given: Tensors, valid: Tensor | None) -> dict[str, Tensor]:
    """Padded labels [N, K] -> indices that can be looked up, and weights that are 0 for padding and for masked classes."""
    there = given["labels"] >= 0
    labels = given["labels"].clamp(min=0)
    weights = given["label_weights"].where(there, 0.0) if "label_weights" in given else there.type_as(given["scores"])
    if valid is not None:
        weights = weights.where(valid.gather(1, labels), 0.0)
    return {"labels": labels, "label_weights": weights, "there": there}


def equation(plan: Plan, params: Mapping[str, Any], tensors: Tensors) -> Value:
    """The loss's own formula, for sparse labels where it has one."""
    loss = plan.loss
    optional = {name: tensors[name] for name in loss.takes if name in tensors}
    if loss.sparse is not None and "labels" in tensors:
        return loss.sparse(tensors["scores"], tensors["labels"], tensors["label_weights"], **optional, **params)
    return loss.dense(tensors["scores"], tensors["targets"], **optional, **params)


def unit_weight(plan: Plan, tensors: Tensors) -> Tensor | None:
    """The product of the weights of a row [N], or of an element (broadcast to [N, C]); None: all 1. An ignored row weighs 0."""
    factors = [tensors[name].type_as(tensors["scores"]) for name in ROW_WEIGHTS if name in tensors]
    if plan.by_element:
        factors = [row.unsqueeze(1) for row in factors]
        factors += [tensors[name] for name in ("class_weight", "element_weight") if name in tensors]
    return functools.reduce(operator.mul, factors) if factors else None
