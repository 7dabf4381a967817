"""Bytes as a source of choices, and the tensors and options that they choose: a request that fits together but for a few places."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from service.open_inference_tensors import DATATYPES

T = TypeVar("T")
USUAL = (0, 1, 0.5, 1, 0, 2, 1, 0, 0.25, 1, 0, 3, -1, 1e-3, -2.5, 8)
ODD = (float("nan"), float("inf"), -float("inf"), 1e4, -1e4, 3e38, 2.0**63, 1e-45)
FLOATS, INTEGERS = ("FP32", "FP64", "FP16", "BF16"), ("INT64", "INT32", "UINT8", "INT8", "UINT64")
WORDS = {"labels": INTEGERS, "label_offsets": INTEGERS, "mask": ("BOOL", "FP32", "UINT8")}
OPTIONS = {
    "reduction": ("none", "mean", "sum", "None"),
    "mean_over": ("rows", "elements", "weights", "valid", "positives", ""),
    "dtype": ("float64", "float32", "float16"),
    "ignore_index": ("-1", "0", "2", "1e3", "9" * 20, "true", "null"),
    "grad_output": ("1", "-0.5", "0", "1e300", "1e999", "[1]", "NaN"),
    "pos_weight": ("2", "0", "-1", "1e39", "null"),
    "runtime": ("onnx", "pytorch", "cuda"),
}
PARAMS = {
    "temperature": (2.0, 1e-46, 0.0, 10**400),
    "label_smoothing": (0.1, 1, 2),
    "normalize": ("sum", "none", "count", 1),
    "gamma": (1.5, -1, None, True),
    "alpha": (None, 0.5, [], {}),
    "clip": (0.05, 1.5, float("nan")),
}


class Tensor(NamedTuple):
    """A tensor of a request, in the Open Inference Protocol's words."""

    name: str
    datatype: str
    shape: list[int]
    data: bytes


class Choices:
    """Bytes as a source of choices; behind their end all are zero, so that the first of everything is chosen."""

    def __init__(self, data: bytes) -> None:
        self.left = list(reversed(data))

    def number(self) -> int:
        """0 to 255."""
        return self.left.pop() if self.left else 0

    def among(self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.number() % len(options)]

    def rarely(self) -> bool:
        """Once in sixteen times."""
        return self.number() >= 240


def tensors(choices: Choices) -> list[Tensor]:
    """The tensors of a request for a few rows and classes."""
    rows, classes, width = (1 + choices.number() % 4 for _ in range(3))
    flat = choices.rarely()
    shapes = {
        "scores": [rows, classes],
        "labels": [rows] if flat else [rows, width],
        "targets": [rows, classes],
        "mask": [rows, classes],
        "class_weight": [classes],
        "sample_weight": [rows],
        "label_weights": [rows] if flat else [rows, width],
        "grad_output": [rows],
        "element_weight": [rows, classes],
        "pos_weight": [classes],
        "label_offsets": [rows + 1],
        "Scores": [1],
    }
    if choices.rarely():
        shapes["labels"] = shapes["label_weights"] = [width * rows]
    chosen = ["scores", choices.among(("labels", "targets")), *(choices.among(list(shapes)) for _ in range(choices.number() % 4))]
    names = chosen if choices.rarely() else dict.fromkeys(chosen)
    return [tensor(choices, name, shapes[name]) for name in names]


def tensor(choices: Choices, name: str, shape: list[int]) -> Tensor:
    """One tensor, of a likely type and shape, or rarely of any."""
    word = choices.among(tuple(DATATYPES) if choices.rarely() else WORDS.get(name, FLOATS))
    if choices.rarely():
        shape = choices.among((shape[::-1], [*shape, 1], [0, *shape], shape[1:], [-1, -3], [1 << 62, 4], [1] * 9))
    count = min(64, max(0, math.prod(shape)))
    usual = tuple(range(count)) if name == "label_offsets" else USUAL
    numbers = [choices.among(ODD if choices.rarely() else usual) for _ in range(count)]
    with np.errstate(all="ignore"):
        data = np.array(numbers, np.float64).astype(DATATYPES[word]).tobytes()
    return Tensor(name, word, shape, data[:-1] if choices.rarely() else data)


def options(choices: Choices) -> dict[str, str]:
    """A few options, as strings."""
    return {name: choices.among(OPTIONS[name]) for name in (choices.among(tuple(OPTIONS)) for _ in range(choices.number() % 4))}


def params(choices: Choices) -> dict[str, Any]:
    """Parameters of a loss, which may be another's."""
    return {name: choices.among(PARAMS[name]) for name in (choices.among(tuple(PARAMS)) for _ in range(choices.number() % 2))}
