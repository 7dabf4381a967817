"""A plan as an ONNX graph: the same equations, traced, checked and labelled.

A graph takes `scores` [N, C] and `targets` [N, C], or `labels` int64 [N, K] padded with -1, and gives `loss` and, for the gradient graph,
`grad` [N, C]; N, C and K are free. It needs standard operators only.
"""

import json
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import onnx
from onnx import TensorProto, helper

from models.kernel import evaluate
from models.plan import Plan
from models.trace import Graph, Kind, Traced, traced_input, wire_output

FloatType = Literal["float32", "float64", "float16"]
WIRE = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
OPSETS = range(17, min(28, onnx.defs.onnx_opset_version()) + 1)  # those that docs/onnx.md has measured, as far as onnx knows them
DEFAULT_OPSET = 20
SHAPES: dict[str, tuple[str, ...]] = {
    "scores": ("N", "C"),
    "targets": ("N", "C"),
    "labels": ("N", "K"),
    "label_weights": ("N", "K"),
    "class_weight": ("C",),
    "pos_weight": ("C",),
    "sample_weight": ("N",),
    "element_weight": ("N", "C"),
    "mask": ("N", "C"),
    "kept": ("N",),
}
KINDS: dict[str, Kind] = {"labels": "int", "mask": "bool", "kept": "bool"}


@dataclass(frozen=True)
class GraphSpec:
    """One graph: a plan, with its parameters as constants or, where only their name is given, as inputs."""

    plan: Plan
    constants: tuple[tuple[str, Any], ...]
    free: tuple[str, ...] = ()
    dtype: FloatType = "float32"
    opset: int = DEFAULT_OPSET
    by_class: tuple[str, ...] = ()  # those of the free that are a number for each class

    @property
    def described(self) -> dict[str, str]:
        """What the graph's metadata, its file name and its cache key are made of."""
        plan = self.plan
        return {
            "loss": plan.loss.name,
            "graph": "grad" if plan.wants_grad else "loss",
            "reduction": plan.reduction,
            "mean_over": plan.mean_over or plan.loss.about.mean_over,
            "dtype": self.dtype,
            "params": json.dumps(dict(self.constants), sort_keys=True),
            "inputs": " ".join([*sorted(plan.inputs), *self.free]),
            "masked": str(plan.masked),
            "single_labels": str(plan.single_labels and plan.mean_over is None),
            "opset": str(self.opset),
            "formula": plan.loss.about.formula,
            "gradient": plan.loss.about.gradient,
            "paper": plan.loss.about.paper,
            "version": version(),
        }


def version() -> str:
    """The version of the installed distribution."""
    return metadata.version("gradwire-service")


def build(spec: GraphSpec) -> bytes:
    """Trace the equations of the plan and check what came out; the same spec gives the same bytes."""
    plan, wire = spec.plan, int(WIRE[spec.dtype])
    graph = Graph(int(TensorProto.DOUBLE if spec.dtype == "float64" else TensorProto.FLOAT), spec.opset)
    unreduced: tuple[str, ...] = {"element": ("N", "C"), "row": ("N",), "batch": ()}[plan.loss.about.unit]
    shapes = SHAPES | {"grad_output": unreduced if plan.reduction == "none" else ()}
    shapes |= {name: ("C",) if name in spec.by_class else () for name in spec.free}
    names = [name for name in shapes if name in plan.inputs or name in spec.free]
    types = {name: graph.element_type(KINDS[name]) if name in KINDS else wire for name in names}
    tensors = {name: traced_input(graph, name, KINDS.get(name, "real"), len(shapes[name]), types[name]) for name in names}
    constants = {name: graph.vector(value) if isinstance(value, tuple) else value for name, value in spec.constants}
    params = constants | {name: tensors.pop(name) for name in spec.free}
    outputs = {"loss": unreduced if plan.reduction == "none" else (), "grad": ("N", "C")}
    results = dict(zip(outputs, evaluate(plan, params, tensors), strict=True))
    computed = {name: each for name, each in results.items() if isinstance(each, Traced)}
    for name, each in computed.items():
        wire_output(each, name, wire)
    return serialized(
        graph,
        [helper.make_tensor_value_info(name, types[name], shapes[name]) for name in names],
        [helper.make_tensor_value_info(name, wire, outputs[name]) for name in computed],
        spec,
    )


def serialized(graph: Graph, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], spec: GraphSpec) -> bytes:
    """A checked model: only what the outputs need, no path and no name of a machine in it."""
    nodes, constants = graph.needed([each.name for each in outputs])
    opset = helper.make_opsetid("", spec.opset)
    model = helper.make_model(
        helper.make_graph(nodes, spec.plan.loss.name, inputs, outputs, constants),
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name="gradwire",
        producer_version=version(),
        doc_string=spec.plan.loss.summary,
    )
    helper.set_model_props(model, spec.described)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
