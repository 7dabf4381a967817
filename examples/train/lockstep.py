"""Many small networks that are trained at once, each on rows of its own, with one request a step: gradwire has the loss, Adam is here."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gradwire import Client
from numpy.typing import NDArray

from examples.train.data import Part
from examples.train.reference import Array

Rows = NDArray[np.int64]

HIDDEN, BATCH = 32, 64
FIRST_MOMENT, SECOND_MOMENT, TINY = 0.9, 0.999, 1e-8  # Adam's usual β₁, β₂ and ε (arXiv:1412.6980)


@dataclass
class Networks:
    """M networks inputs–HIDDEN–C with ReLU, and Adam's memory.

    parameters: W₁ [M, inputs, HIDDEN], b₁ [M, 1, HIDDEN], W₂ [M, HIDDEN, C], b₂ [M, 1, C]; rates [M].
    """

    parameters: list[Array]
    rates: Array
    steps: int = 0
    moments: list[list[Array]] = field(init=False)

    def __post_init__(self) -> None:
        self.moments = [[np.zeros_like(each), np.zeros_like(each)] for each in self.parameters]

    def forward(self, features: Array) -> tuple[Array, Array]:
        """features [M, N, inputs], or [N, inputs] for all alike -> hidden [M, N, HIDDEN], scores [M, N, C]."""
        first, first_bias, second, second_bias = self.parameters
        hidden: Array = np.maximum(features @ first + first_bias, 0)
        return hidden, hidden @ second + second_bias

    def descend(self, features: Array, hidden: Array, grad: Array) -> None:
        """One step of Adam. grad [M, N, C] is each network's d loss / d scores."""
        below = grad @ self.parameters[2].swapaxes(1, 2) * (hidden > 0)
        slopes = [each for x, g in ((features, below), (hidden, grad)) for each in (x.swapaxes(1, 2) @ g, g.sum(1, keepdims=True))]
        self.steps += 1
        for parameter, slope, (mean, square) in zip(self.parameters, slopes, self.moments, strict=True):
            mean += (1 - FIRST_MOMENT) * (slope - mean)
            square += (1 - SECOND_MOMENT) * (slope**2 - square)
            first, second = mean / (1 - FIRST_MOMENT**self.steps), square / (1 - SECOND_MOMENT**self.steps)
            parameter -= self.rates[:, None, None] * first / (np.sqrt(second) + TINY)


def networks(randoms: list[np.random.Generator], rates: tuple[float, ...], inputs: int, classes: int) -> Networks:
    """One for each generator and rate, in this order; those of one generator begin alike, uniform in ±1/√inputs of each layer."""
    shapes: list[tuple[tuple[int, int], int]] = [((n, m), size) for size, m in ((inputs, HIDDEN), (HIDDEN, classes)) for n in (size, 1)]
    drawn: list[list[Any]] = [[random.uniform(-1, 1, shape) / size**0.5 for shape, size in shapes] for random in randoms]
    each = [np.stack(parameter).repeat(len(rates), 0) for parameter in zip(*drawn, strict=True)]
    return Networks(each, np.tile(rates, len(randoms)))


def epochs(
    client: Client,
    loss: str,
    part: Part,
    rows: Rows,
    randoms: list[np.random.Generator],
    nets: Networks,
    params: Mapping[str, Any] | None = None,
    apart: bool = False,
) -> Iterator[int]:
    """Trains on, and gives the number of epochs done after each. rows [generators, N]: those of `part` that each learns from.

    `apart` is for a loss of a whole batch, which would set the rows of one network against another's: a request a network.
    """
    many = len(nets.rates) // len(randoms)
    ask = each_gradient if apart else gradients
    for done in itertools.count(1):
        orders = np.stack([random.permutation(each) for random, each in zip(randoms, rows, strict=True)]).repeat(many, 0)
        for batch in (orders[:, start : start + BATCH] for start in range(0, orders.shape[1], BATCH)):
            features, targets = part.features[batch], part.targets[batch]
            hidden, scores = nets.forward(features)
            nets.descend(features, hidden, ask(client, loss, scores, targets, params))
        yield done


def gradients(client: Client, loss: str, scores: Array, targets: Array, params: Mapping[str, Any] | None) -> Array:
    """scores, targets [M, N, C] -> each network's d loss / d scores [M, N, C].

    All networks' batches are one request. Its mean is over M times the rows of one, so a network's own gradient is M times what comes back.
    """
    count, _, classes = scores.shape
    reply = client.grad(scores.reshape(-1, classes), targets.reshape(-1, classes), loss=loss, params=params)
    return np.asarray(count * reply.grad, np.float64).reshape(scores.shape)


def each_gradient(client: Client, loss: str, scores: Array, targets: Array, params: Mapping[str, Any] | None) -> Array:
    """The same, asked for a network at a time."""
    replies = (client.grad(ours, labels, loss=loss, params=params) for ours, labels in zip(scores, targets, strict=True))
    return np.stack([np.asarray(reply.grad, np.float64) for reply in replies])
