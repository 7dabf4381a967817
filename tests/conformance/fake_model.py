"""A correct model, sum: left + right and the total of all. It shares no code with the suite, so that no mistake is shared either."""

import math
import struct
from typing import Any

INPUTS = [{"name": name, "datatype": "FP32", "shape": [-1, 3]} for name in ("left", "right")]
OUTPUTS = [{"name": "sum", "datatype": "FP32", "shape": [-1, 3]}, {"name": "total", "datatype": "FP32", "shape": [1]}]
METADATA = {"name": "sum", "versions": ["1"], "platform": "onnx_onnxv1", "inputs": INPUTS, "outputs": OUTPUTS}
Outputs = dict[str, tuple[list[int], list[float]]]


class Refused(Exception):
    """A request that is not right, with a status of HTTP."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def demand(right: object, why: str, status: int = 400) -> None:
    """Refuse, unless it is right."""
    if not right:
        raise Refused(why, status)


def numbers(raw: bytes, shape: list[int]) -> list[float]:
    """FP32 from little-endian bytes."""
    demand(len(raw) == 4 * math.prod(shape), f"{len(raw)} bytes for shape {shape}")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def packed(values: list[float]) -> bytes:
    """FP32 as little-endian bytes."""
    return b"".join(struct.pack("<f", each) for each in values)


def check_head(tensor: Any) -> None:
    """Name, datatype and shape of an input."""
    demand(tensor["name"] in ("left", "right"), f"no input is named {tensor['name']}")
    demand(tensor["datatype"] == "FP32", f"{tensor['name']} is FP32")
    demand(all(type(size) is int and size >= 0 for size in tensor["shape"]), f"shape {tensor['shape']}")


def flattened(data: Any, shape: list[int]) -> list[float]:
    """Values from flat or nested lists."""
    if data and isinstance(data[0], list):
        demand(
            len(data) == shape[0] and all(isinstance(row, list) and len(row) == shape[1] for row in data), "the nesting is not the shape"
        )
        data = [value for row in data for value in row]
    demand(isinstance(data, list) and all(type(value) in (int, float) for value in data), "numbers are needed")
    demand(len(data) == math.prod(shape), f"{len(data)} values for shape {shape}")
    return [struct.unpack("<f", struct.pack("<f", value))[0] for value in data]


def compute(inputs: dict[str, tuple[list[int], list[float]]], wanted: list[str]) -> Outputs:
    """The outputs that are wanted, or all."""
    demand(set(inputs) == {"left", "right"}, "left and right are needed")
    (shape, left), (other, right) = inputs["left"], inputs["right"]
    demand(shape == other, "left and right are of one shape")
    total = [a + b for a, b in zip(left, right, strict=True)]
    every: Outputs = {"sum": (shape, total), "total": ([1], [sum(total)])}
    demand(set(wanted) <= set(every), f"no such output among {wanted}")
    return {name: every[name] for name in wanted or every}


def check_model(name: str, version: str | None) -> None:
    """There is one model, in one version."""
    demand(name == "sum", f"no model is named {name}", 404)
    demand(version in (None, "", "1"), f"no version {version}", 404)
