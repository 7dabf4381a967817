"""Sparsemax loss (Martins and Astudillo, 2016, arXiv:1602.02068, eq. 24): the Fenchel–Young loss of the projection onto the simplex."""

import math

from models.contract import About, Value
from models.stable import lowered
from models.tensor import Tensor

ABOUT = About(
    aliases=("sparsemax_loss",),
    unit="row",
    targets="distribution",
    mean_over="rows",
    latex=r"\tfrac12\lVert t-x\rVert^2-\tfrac12\lVert p-x\rVert^2,\quad p=\operatorname{sparsemax}(x)",
    use="Distributions over classes most of which are exactly 0.",
    formula="½‖t − x‖² − ½‖p − x‖², p = sparsemax(x), the nearest distribution to x",
    gradient="p − t",
    paper="arXiv:1602.02068",
)


def sparsemax(scores: Tensor, targets: Tensor) -> Value:
    """scores, targets [N, C], each row of targets with the sum 1 (or without labels: loss 0) -> loss [N], grad [N, C].

    With z = x − max x: loss = Σ (t − p)·((t + p)/2 − z), which subtracts nothing large; p = max(z − τ, 0), where τ is found from the
    sorted row.
    """
    here = scores > -math.inf
    z = lowered(scores)
    p = (z - threshold(z)).clamp(min=0.0).where(here, 0.0)
    labelled = targets.sum(1, keepdim=True) > 0.0
    difference = (targets - p).where(labelled, 0.0)
    value = (difference * ((targets + p) / 2.0 - z.where(here, 0.0))).sum(1)
    return Value(value.clamp(min=0.0), lambda: -difference)


def threshold(z: Tensor) -> Tensor:
    """[N, C], each row's largest 0 -> τ [N, 1]: Σ max(z − τ, 0) = 1. A class further than 1 below the largest has no part in it."""
    near = z.where(z > -1.0, -1.0)
    order = (-near).argsort(dim=1, stable=True)
    ordered = near.gather(1, order)
    rank = ordered.new_ones(ordered.shape).cumsum(1)
    total = ordered.cumsum(1)
    inside = (rank * ordered + 1.0 > total).type_as(z)
    support = inside.sum(1, keepdim=True)
    return ((ordered * inside).sum(1, keepdim=True) - 1.0) / support
