"""A model repository for Triton: each loss is the models `<loss>` and `<loss>.grad`, for its ONNX Runtime backend.

A graph that reduces is one request's and no other's: Triton may not put requests together. One that does not, and takes nothing that is
not a number a row, may be batched: rows of several requests are rows of one.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from models.graph import GraphSpec, build

TYPES: dict[int, str] = {
    TensorProto.FLOAT16: "TYPE_FP16",
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.DOUBLE: "TYPE_FP64",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.BOOL: "TYPE_BOOL",
}
MOST_ROWS = 65536  # of requests put together, and of one


def write(specs: Iterable[GraphSpec], folder: Path) -> int:
    """A folder for each model, its files appearing whole or not at all; returns how many there were."""
    count = 0
    for spec in specs:
        name = model_name(spec)
        content = build(spec)
        (folder / name / "1").mkdir(parents=True, exist_ok=True)
        place(folder / name / "1" / "model.onnx", content)
        place(folder / name / "config.pbtxt", config(name, onnx.load_from_string(content), may_be_batched(spec)).encode())
        count += 1
    return count


def place(file: Path, content: bytes) -> None:
    """Put a file there in one step."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(file)


def model_name(spec: GraphSpec) -> str:
    """The name that the service gives it under /v2."""
    return f"{spec.plan.loss.name}.grad" if spec.plan.wants_grad else spec.plan.loss.name


def may_be_batched(spec: GraphSpec) -> bool:
    """Whether rows of several requests may be computed together."""
    of_rows = {"scores", "targets", "labels", "label_weights", "sample_weight", "element_weight", "mask", "grad_output"}
    return spec.plan.reduction == "none" and not spec.plan.of_batch and not spec.free and spec.plan.inputs <= of_rows


def config(name: str, model: onnx.ModelProto, batched: bool) -> str:
    """config.pbtxt, read off the graph itself."""
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {MOST_ROWS if batched else 0}"]
    for kind, infos in (("input", model.graph.input), ("output", model.graph.output)):
        lines += [f"{kind} [", ",\n".join(tensor(each, batched) for each in infos), "]"]
    return "\n".join([*lines, *(["dynamic_batching { }"] if batched else []), ""])


def tensor(info: onnx.ValueInfoProto, batched: bool) -> str:
    """One input or output; a length of any value is -1, and a number without axes is a list of one: Triton knows none."""
    axes = info.type.tensor_type.shape.dim[1 if batched else 0 :]
    lengths = [each.dim_value if each.HasField("dim_value") else -1 for each in axes]
    reshape = " reshape { shape: [ ] }" if batched and not lengths else ""
    return f'  {{ name: "{info.name}" data_type: {TYPES[info.type.tensor_type.elem_type]} dims: {listed(lengths or [1])}{reshape} }}'


def listed(lengths: Sequence[int]) -> str:
    """A list as the text format writes it."""
    return f"[ {', '.join(map(str, lengths))} ]"
