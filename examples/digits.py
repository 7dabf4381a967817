"""The Python side of the demo: `write` the handwritten digits to a file, and `compare` digits.mjs with the same training in PyTorch.

Nothing here is gradwire's: the loss is torch's own, its gradient is autograd's, and the scores are judged by scikit-learn.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, f1_score
from torch.nn import functional

# What is true of which digit. No two digits have the same attributes, and none has none.
CLASSES: dict[str, set[int]] = {
    "even": {0, 2, 4, 6, 8},
    "prime": {2, 3, 5, 7},
    "five or more": {5, 6, 7, 8, 9},
    "has a closed loop": {0, 6, 8, 9},  # a handwritten 4 is usually open
    "perfect square": {0, 1, 4, 9},
    "straight strokes only": {1, 4, 7},
    "multiple of three": {0, 3, 6, 9},
}
TRAIN_ROWS = 1437  # of 1797; the rows lie in the order of their writers, so the last 360 are mostly other people's digits
LARGEST_DIFFERENCE = 1e-10

Results = dict[str, float]


def write(file: Path) -> None:
    """8×8 pixels in 0..1 and the indices of each digit's classes: the first TRAIN_ROWS rows to train, the rest to test."""
    pixels, digits = load_digits(return_X_y=True)
    features = (pixels / 16.0).tolist()
    labels = [[c for c, members in enumerate(CLASSES.values()) if int(digit) in members] for digit in digits]
    parts = {"train": slice(None, TRAIN_ROWS), "test": slice(TRAIN_ROWS, None)}
    rows = {name: {"features": features[part], "labels": labels[part]} for name, part in parts.items()}
    file.write_text(json.dumps({"classes": list(CLASSES), **rows}))


def bce(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over all elements."""
    return functional.binary_cross_entropy_with_logits(scores, targets)


def softmax(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the rows; each of a row's k labels is the target probability 1/k, so it never falls below the mean of log k."""
    return functional.cross_entropy(scores, targets / targets.sum(1, keepdim=True))


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"binary_cross_entropy": bce, "softmax_cross_entropy": softmax}


def generator(seed: int) -> Iterator[int]:
    """x -> (1664525·x + 1013904223) mod 2³², as digits.mjs draws its weights and the order of its rows."""
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state


def network(drawn: Iterator[int], sizes: list[int]) -> torch.nn.Sequential:
    """Linear, ReLU, Linear in float64: each layer's weights row by row, then its bias, uniform in ±1/√inputs."""
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layer = torch.nn.Linear(inputs, outputs, dtype=torch.float64)
        with torch.no_grad():
            for parameter in (layer.weight, layer.bias):
                values = [(next(drawn) / 2**31 - 1) / inputs**0.5 for _ in range(parameter.numel())]
                parameter.copy_(torch.tensor(values, dtype=torch.float64).reshape(parameter.shape))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def shuffle(order: list[int], drawn: Iterator[int]) -> None:
    """Fisher–Yates from the last row down."""
    for i in range(len(order) - 1, 0, -1):
        j = next(drawn) * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]


def tensors(part: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [N, 64] and dense targets [N, C]."""
    targets = torch.zeros(len(part["labels"]), len(CLASSES), dtype=torch.float64)
    for row, labels in enumerate(part["labels"]):
        targets[row, labels] = 1.0
    return torch.tensor(part["features"], dtype=torch.float64), targets


def train(data: dict[str, Any], loss_name: str, recipe: dict[str, Any]) -> tuple[torch.nn.Sequential, Results]:
    """What digits.mjs does with this recipe, with torch's loss and autograd."""
    loss_of, drawn = LOSSES[loss_name], generator(int(recipe["seed"]))
    features, targets = tensors(data["train"])
    model = network(drawn, [features.shape[1], int(recipe["hidden"]), len(CLASSES)])
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe["rate"], momentum=recipe["momentum"])
    order, batch = list(range(len(features))), int(recipe["batch"])
    started = time.perf_counter()
    for _ in range(int(recipe["epochs"])):
        shuffle(order, drawn)
        for rows in (order[start : start + batch] for start in range(0, len(order), batch)):
            optimizer.zero_grad()
            loss_of(model(features[rows]), targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        end = float(loss_of(model(features), targets))
        features, targets = tensors(data["test"])
        return model, {"loss": end, **metrics(loss_name, model(features), targets.numpy()), "seconds": seconds}


def metrics(loss_name: str, scores: torch.Tensor, truth: np.ndarray[Any, Any]) -> Results:
    """scikit-learn's; a class is found where p > 1/C (softmax: more than an even share) or where the score is > 0 (the others)."""
    found = scores.softmax(1) > 1 / scores.shape[1] if loss_name == "softmax_cross_entropy" else scores > 0
    return {
        "mAP": float(average_precision_score(truth, scores.numpy(), average="macro")),
        "micro-F1": float(f1_score(truth, found.numpy(), average="micro", zero_division=0)),
        "macro-F1": float(f1_score(truth, found.numpy(), average="macro", zero_division=0)),
    }


def compare(data_file: Path, trained_file: Path) -> bool:
    """Train the same here, show both, and say whether the weights agree."""
    data, theirs = json.loads(data_file.read_text()), json.loads(trained_file.read_text())
    if theirs["loss"] not in LOSSES:
        print(f"error: the comparison knows {' and '.join(LOSSES)}; these weights were trained with {theirs['loss']}", file=sys.stderr)
        return False
    torch.set_num_threads(1)
    model, ours = train(data, theirs["loss"], theirs["recipe"])
    their_weights = [parameter for layer in theirs["weights"] for parameter in (layer["weight"], layer["bias"])]
    pairs = zip(model.parameters(), their_weights, strict=True)
    difference = max(float(np.abs(our.detach().numpy().ravel() - np.array(their)).max()) for our, their in pairs)
    print(table({"JavaScript + gradwire": theirs["results"], "PyTorch in process": ours}, theirs["loss"]))
    agree = difference <= LARGEST_DIFFERENCE
    print(f"\nlargest weight difference: {difference:.1e} ({'at most' if agree else 'MORE THAN'} {LARGEST_DIFFERENCE:.0e})")
    return agree


def table(rows: dict[str, Results], loss_name: str) -> str:
    """One line for each way of training."""
    heading = f"{loss_name}, trained by".ljust(40) + "loss at the end".rjust(20)
    heading += "".join(name.rjust(10) for name in ("mAP", "micro-F1", "macro-F1", "seconds"))
    lines = [
        f"{trained_by:<40}{each['loss']:>20.15f}{each['mAP']:>10.4f}{each['micro-F1']:>10.4f}{each['macro-F1']:>10.4f}{each['seconds']:>10.2f}"
        for trained_by, each in rows.items()
    ]
    return "\n".join([heading, "-" * len(heading), *lines])


def main() -> int:
    """`digits.py write FILE` or `digits.py compare DATA TRAINED`."""
    parser = argparse.ArgumentParser("digits.py", description="The Python side of the demo.")
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="write the digits and their labels as JSON")
    writing.add_argument("file", type=Path)
    comparing = commands.add_parser("compare", help="train the same in PyTorch, and show both")
    comparing.add_argument("data", type=Path, help="what `write` wrote")
    comparing.add_argument("trained", type=Path, help="what `digits.mjs --out` wrote")
    options = parser.parse_args()
    if options.command == "write":
        write(options.file)
        return 0
    return 0 if compare(options.data, options.trained) else 1


if __name__ == "__main__":
    sys.exit(main())
