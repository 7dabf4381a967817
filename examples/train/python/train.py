"""A small network learns a multi-label task: NumPy computes the network, gradwire the loss and its gradient. See ../README.md."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import gradwire
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Data:
    """features [N, inputs], and the class indices of each row's labels."""

    features: Array
    labels: list[list[int]]
    classes: int


@dataclass
class Network:
    """inputs–hidden–classes with ReLU between: weights [out, in], biases [out]."""

    first: Array
    first_bias: Array
    second: Array
    second_bias: Array

    def forward(self, features: Array) -> tuple[Array, Array]:
        """[batch, inputs] -> hidden [batch, hidden], scores [batch, classes]."""
        hidden = np.maximum(features @ self.first.T + self.first_bias, 0)
        return hidden, hidden @ self.second.T + self.second_bias

    def step(self, features: Array, hidden: Array, grad: Array, rate: float) -> None:
        """One step of SGD down the gradient of the loss by the scores, [batch, classes]."""
        hidden_grad = grad @ self.second * (hidden > 0)
        self.first -= rate * hidden_grad.T @ features
        self.first_bias -= rate * hidden_grad.sum(0)
        self.second -= rate * grad.T @ hidden
        self.second_bias -= rate * grad.sum(0)

    def parameters(self) -> Array:
        """Everything in one row."""
        return np.concatenate([each.ravel() for each in (self.first, self.first_bias, self.second, self.second_bias)])


def main() -> int:
    """Read, train, write; an error is one line."""
    options = read_options()
    try:
        data = read(options.data)
        network, lines = trained(data, options)
        write(options.out, network, lines)
    except (gradwire.GradwireError, OSError, ValueError) as error:
        print(f"train: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def trained(data: Data, options: argparse.Namespace) -> tuple[Network, list[str]]:
    """The network after all epochs, and what is to be said of them."""
    drawn = generator(options.seed)
    network = made(drawn, data.features.shape[1], options.hidden, data.classes)
    order = list(range(len(data.labels)))
    requests, total, began = 0, 0.0, time.perf_counter()
    with gradwire.Client(options.url, form=options.form) as client:
        for _ in range(options.epochs):
            shuffle(order, drawn)
            total = 0.0
            for rows in (order[begin : begin + options.batch] for begin in range(0, len(order), options.batch)):
                features, labels = data.features[rows], [data.labels[row] for row in rows]
                hidden, scores = network.forward(features)
                reply = client.grad(scores.astype(options.dtype), labels=labels, loss=options.loss, runtime=options.runtime)
                network.step(features, hidden, reply.grad.astype(np.float64), options.rate)
                total += len(rows) * float(reply.loss)
                requests += 1
    seconds = time.perf_counter() - began
    return network, [f"seconds {seconds:.6f}", f"requests {requests}", f"loss {total / len(order):.17g}"]


def generator(seed: int) -> Iterator[int]:
    """x -> (1664525·x + 1013904223) mod 2³²."""
    x = seed
    while True:
        x = (1664525 * x + 1013904223) % 2**32
        yield x


def made(drawn: Iterator[int], inputs: int, hidden: int, classes: int) -> Network:
    """The network before it has learned anything: each weight and bias within ±1/√inputs of its layer."""

    def layer(inputs: int, outputs: int) -> tuple[Array, Array]:
        values = np.array([(next(drawn) / 2**31 - 1) / np.sqrt(inputs) for _ in range(outputs * inputs + outputs)])
        return values[: outputs * inputs].reshape(outputs, inputs), values[outputs * inputs :]

    return Network(*layer(inputs, hidden), *layer(hidden, classes))


def shuffle(order: list[int], drawn: Iterator[int]) -> None:
    """Fisher–Yates from the last row down."""
    for i in range(len(order) - 1, 0, -1):
        j = next(drawn) * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]


def read(file: Path) -> Data:
    """`rows inputs classes`, then a line a row: features and labels of 0 or 1."""
    with file.open() as lines:
        rows, inputs, classes = map(int, next(lines, "").split())
        table = np.loadtxt(lines, ndmin=2)
    if table.shape != (rows, inputs + classes) or rows < 1:
        raise ValueError(f"{file}: found {table.shape[0]} rows of {table.shape[1]} numbers; expected {rows} of {inputs + classes}")
    return Data(table[:, :inputs], [np.flatnonzero(row).tolist() for row in table[:, inputs:]], classes)


def write(file: Path, network: Network, lines: list[str]) -> None:
    """What the training came to, and every parameter."""
    parameters = network.parameters()
    numbers = [f"{each:.17g}" for each in parameters]
    file.write_text("\n".join([*lines, f"weights {len(parameters)}", *numbers]) + "\n")


class Parser(argparse.ArgumentParser):
    """Whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        self.exit(1, f"train: {message}\n")


def read_options() -> Any:
    """The command line of ../README.md."""
    parser = Parser("train", description=__doc__, allow_abbrev=False)
    parser.add_argument("--url", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--loss", default="softmax_cross_entropy")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--form", choices=["binary", "json"], default="binary")
    parser.add_argument("--runtime", default="pytorch")
    for name, default in (("epochs", 20), ("batch", 64), ("hidden", 32), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=0.1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
