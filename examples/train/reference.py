"""The training of README.md in process, in PyTorch and float64: the losses are torch's or their papers', the gradients autograd's.

Nothing here is gradwire's: generator, network and shuffling are those of the demo's Python side (../digits.py), which is not either.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from examples import digits

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """The options of a training program that decide what its weights become."""

    loss: str = "softmax_cross_entropy"
    epochs: int = 20
    batch: int = 64
    hidden: int = 32
    rate: float = 0.1
    seed: int = 1


@dataclass(frozen=True)
class Trained:
    """weights: W₁, b₁, W₂, b₂ in one row; loss: the last epoch's (the rows' mean of their batches'); seconds: of the training alone."""

    weights: Array
    loss: float
    seconds: float


def softmax_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Each of a row's k labels is the target probability 1/k (arXiv:1805.00932); a row without labels adds 0. Mean over rows."""
    share = targets / targets.sum(1, keepdim=True).clamp(min=1)
    return functional.cross_entropy(scores, share)


def binary_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over all elements, as torch has it."""
    return functional.binary_cross_entropy_with_logits(scores, targets)


def focal(scores: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """α_t·(1 − p_t)^γ·(−log p_t) with torchvision's α and γ (arXiv:1708.02002, eq. 5). Mean over all elements."""
    p = torch.sigmoid(scores)
    p_t = torch.where(targets == 1, p, 1 - p)
    alpha_t = torch.where(targets == 1, alpha, 1 - alpha)
    return (alpha_t * (1 - p_t) ** gamma * functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")).mean()


def asymmetric(scores: Tensor, targets: Tensor, gamma_pos: float = 1.0, gamma_neg: float = 4.0, clip: float = 0.05) -> Tensor:
    """−y·(1−p)^γ₊·log p − (1−y)·m^γ₋·log(1−m), m = max(p − clip, 0) (arXiv:2009.14119, eq. 7 to 9). Mean over all elements."""
    p = torch.sigmoid(scores)
    shifted = (p - clip).clamp(min=0)
    positive = (1 - p) ** gamma_pos * functional.logsigmoid(scores)
    negative = shifted**gamma_neg * torch.log1p(-shifted)
    return -(targets * positive + (1 - targets) * negative).mean()


def zlpr(scores: Tensor, targets: Tensor) -> Tensor:
    """log(1 + Σ over the labels of e^−x) + log(1 + Σ over the other classes of e^x) (arXiv:2208.02955, eq. 8). Mean over rows."""
    one = torch.zeros(len(scores), 1, dtype=scores.dtype)  # e^0
    labels = torch.cat([one, (-scores).masked_fill(targets == 0, -torch.inf)], 1)
    others = torch.cat([one, scores.masked_fill(targets == 1, -torch.inf)], 1)
    return (labels.logsumexp(1) + others.logsumexp(1)).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    each.__name__: each for each in (softmax_cross_entropy, binary_cross_entropy, focal, asymmetric, zlpr)
}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch with a single thread: these batches are too small for more, which only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def train(features: Array, targets: Array, recipe: Recipe) -> Trained:
    """features [N, inputs], targets [N, C] of 0 and 1 -> what every language must come to."""
    x, y, loss_of = torch.tensor(features), torch.tensor(targets), LOSSES[recipe.loss]
    drawn = digits.generator(recipe.seed)
    model = digits.network(drawn, [x.shape[1], recipe.hidden, y.shape[1]])
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.rate)
    order, total, started = list(range(len(x))), 0.0, time.perf_counter()
    for _ in range(recipe.epochs):
        digits.shuffle(order, drawn)
        total = 0.0
        for rows in (order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)):
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += len(rows) * loss.item()
    seconds = time.perf_counter() - started
    weights = torch.cat([each.detach().ravel() for each in model.parameters()]).numpy()
    return Trained(weights, total / len(x), seconds)


def scores(weights: Array, features: Array, recipe: Recipe, classes: int) -> Array:
    """weights in one row, features [N, inputs] -> scores [N, classes] of the network with these weights."""
    inputs, hidden = features.shape[1], recipe.hidden
    sizes: list[Any] = [(hidden, inputs), (hidden,), (classes, hidden), (classes,)]
    ends = np.cumsum([int(np.prod(size)) for size in sizes])
    first, first_bias, second, second_bias = (each.reshape(size) for each, size in zip(np.split(weights, ends[:-1]), sizes, strict=True))
    return np.maximum(features @ first.T + first_bias, 0) @ second.T + second_bias
