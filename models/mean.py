"""What a mean divides by: the five ways that libraries disagree on, and PyTorch's own for single labels."""

from models.plan import Plan, Tensors
from models.tensor import Number, Tensor


def divisor(plan: Plan, weight: Tensor | None, valid: Tensor | None, tensors: Tensors) -> Number:
    """The number to divide by, from the unit weights and [N, C] True where nothing is masked (None: all); never 0."""
    scores, over = tensors["scores"], plan.mean_over or plan.loss.about.mean_over
    rows, classes = scores.shape
    if plan.mean_over is None and plan.loss.about.class_weighted_mean and plan.single_labels:
        total = single_label_weight(tensors)
    elif over == "rows":
        return rows
    elif over == "elements":
        return rows * classes
    elif over == "positives":
        total = tensors["label_weights" if "labels" in tensors else "targets"].sum()
    else:
        total = counted(plan, weight, valid, tensors)
    return total.where(total.ne(0.0), 1.0)  # nothing to divide: the sum is 0 too


def counted(plan: Plan, weight: Tensor | None, valid: Tensor | None, tensors: Tensors) -> Tensor:
    """The number of units that are neither ignored nor masked, or the sum of their weights."""
    scores = tensors["scores"]
    here = scores.new_ones(scores.shape) if valid is None else valid.type_as(scores)
    if not plan.by_element:
        here = here.amax(1)
    if plan.mean_over == "weights":
        here = here if weight is None else here * weight
        here = here * label_weight(tensors) if "class_weight" in tensors and not plan.by_element else here
    elif "kept" in tensors:
        kept = tensors["kept"].type_as(scores)
        here = here * (kept.unsqueeze(1) if plan.by_element else kept)
    return here.sum()


def label_weight(tensors: Tensors) -> Tensor:
    """[N], the mean class weight of a row's labels; 1 for a row without labels, which has no class to be weighed by."""
    labels = tensors["label_weights" if "labels" in tensors else "targets"]
    there = labels.ne(0.0).type_as(labels)
    weight = tensors["class_weight"].take(tensors["labels"]) if "labels" in tensors else tensors["class_weight"]
    count = there.sum(1)
    labelled = count > 0.0
    return ((there * weight).sum(1) / count.where(labelled, 1.0)).where(labelled, 1.0)


def single_label_weight(tensors: Tensors) -> Tensor:
    """The sum of the labels' class weights; an ignored row has no label."""
    there = tensors["there"].type_as(tensors["scores"])
    return (there * tensors["class_weight"].take(tensors["labels"]) if "class_weight" in tensors else there).sum()
