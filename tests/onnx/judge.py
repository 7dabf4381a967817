"""How far what a runtime computed is from what the service replied.

An error is relative. Below a floor it is measured against the floor: for an element loss with labels 0 and 1 that is where the precision
loses digits, so every tail counts; where terms of either sign may cancel (row losses, soft labels, weights), it is 1, or the largest
number of the array if that is smaller.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.catalogue import find
from tests.onnx.arrays import Array, at, folders, read

TOLERANCE = {"float32": 1e-5, "float64": 1e-10, "float16": 2.0**-10}  # the last is one unit in the last place


@dataclass(frozen=True)
class Finding:
    """One graph in one runtime: its largest error, or why there is none."""

    runtime: str
    loss: str
    kind: str
    dtype: str
    opset: int
    graph: str
    error: float
    why: str = ""
    beyond: bool = False  # the opset is newer than the runtime says it loads

    @property
    def well(self) -> bool:
        """Whether the graph loads, runs and agrees; one beyond the runtime's opsets must be refused."""
        return bool(self.why) if self.beyond else not self.why and self.error <= TOLERANCE[self.dtype]


def findings(folder: Path, runtime: str, newest: int) -> Iterator[Finding]:
    """One for each graph that the runtime has written an outcome of."""
    for here in folders(folder):
        index, data = json.loads((here / "index.json").read_text()), (here / "data.bin").read_bytes()
        outcomes = [json.loads(line) for line in (here / f"{runtime}.jsonl").read_text().splitlines()]
        for graph, outcome in zip(index["graphs"], outcomes, strict=True):
            assert outcome["graph"] == graph["name"]
            about = (runtime, index["loss"], graph["kind"], graph["dtype"], graph["opset"], graph["name"])
            if "why" in outcome:
                yield Finding(*about, np.inf, " ".join(outcome["why"].split()), beyond=graph["opset"] > newest)
            else:
                yield Finding(*about, *worst(index["loss"], graph, outcome["runs"], data), beyond=graph["opset"] > newest)


def worst(loss: str, graph: dict[str, Any], runs: list[Any], data: bytes) -> tuple[float, str]:
    """The largest error of all outputs of all runs, and what is wrong beside the numbers."""
    errors = [0.0]
    for run, outputs in zip(graph["runs"], runs, strict=True):
        expected = {name: at(data, place) for name, place in run["expected"].items()}
        found = {name: read(output) for name, output in outputs.items()}
        if found.keys() != expected.keys():
            return np.inf, f"outputs {sorted(found)}"
        for name, array in expected.items():
            if (found[name].dtype, found[name].shape) != (array.dtype, array.shape):
                return np.inf, f"{name} is {found[name].dtype}{list(found[name].shape)}; expected {array.dtype}{list(array.shape)}"
            errors.append(error(found[name], array, floor(loss, graph, run, array, data)))
    return max(errors), ""


def error(found: Array, expected: Array, floor: Array | float) -> float:
    """The largest of any element; a number that is none is infinitely far away."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        errors = np.abs(found - expected) / np.maximum(np.abs(expected), floor)
    return float(np.where(np.isfinite(found), errors, np.inf).max(initial=0))


def floor(loss: str, graph: dict[str, Any], run: dict[str, Any], expected: Array, data: bytes) -> Array | float:
    """What the smallest numbers are measured against; float16 is computed with in float32, which sets what may cancel."""
    dtype = graph["dtype"]
    smallest, half = float(np.finfo(dtype).tiny), dtype == "float16"
    largest = float(np.abs(expected.astype(np.float64)).max(initial=0))
    lax = max(min(1.0, largest) * (TOLERANCE["float32"] / TOLERANCE["float16"] if half else 1), smallest)
    strict = smallest if half else smallest / TOLERANCE[dtype]
    if find(loss).about.unit != "element" or graph["mode"] == "inputs" or graph["params"].get("label_smoothing"):
        return lax
    targets = at(data, run["feeds"]["targets"]) if "targets" in run["feeds"] else np.zeros(1)
    plain = (targets == 0) | (targets == 1)
    if plain.all():
        return strict
    return np.where(plain, strict, lax) if expected.shape == targets.shape else lax
