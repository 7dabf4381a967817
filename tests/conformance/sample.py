"""The request that the suite sends: from a file, or made up from a model's metadata."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.case import Unmet
from tests.conformance.tensor import Tensor, flat


@dataclass(frozen=True)
class Sample:
    """A model and inputs that it computes; the same request must give the same outputs again."""

    model: str
    inputs: list[Tensor]
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def request(self, **more: Any) -> dict[str, Any]:
        """As an $inference_request; every call gives a new one, free to be changed."""
        parameters = {"parameters": self.parameters} if self.parameters else {}
        return json.loads(json.dumps({"inputs": [each.json() for each in self.inputs]} | parameters | more))


def from_file(path: Path) -> Sample:
    """{"model": name, "inputs": [...], "parameters": {...}, "outputs": [names]}; the last two are optional."""
    found = json.loads(path.read_text())
    inputs = [Tensor(each["name"], each["datatype"], each["shape"], flat(each["data"])) for each in found["inputs"]]
    return Sample(found["model"], inputs, found.get("parameters", {}), found.get("outputs", []))


def from_metadata(model: str, metadata: dict[str, Any]) -> Sample:
    """Ones of the shapes that the metadata names; a variable dimension is 2."""
    inputs = []
    for each in metadata.get("inputs") or []:
        shape = [2 if size < 0 else size for size in each["shape"]]
        one: Any = {"BOOL": True, "BYTES": "1"}.get(each["datatype"], 1)
        inputs.append(Tensor(each["name"], each["datatype"], shape, [one] * math.prod(shape)))
    if not inputs:
        raise Unmet(f"the metadata of {model} names no inputs: give a sample with --example")
    return Sample(model, inputs, {}, [each["name"] for each in metadata.get("outputs") or []])
