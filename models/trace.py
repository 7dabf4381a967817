"""Tensors that remember what is done to them: an equation run on them becomes an ONNX graph of the same formula.

Only operations that ONNX Runtime has in float32 and float64 are written, each exact to an ulp (`models.stable` chooses the formulas).
A parameter is a constant of the graph, or an input; an input is never 0, for an equation may treat 0 as a case of its own.
"""

from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Kind = Literal["real", "int", "bool"]
REDUCE_AXES_ARE_INPUTS = 18  # from this opset on, for ReduceMax; ReduceSum had them before


class Graph:
    """Nodes in the making: equal operations are written once, and only those that an output needs."""

    def __init__(self, real: int, opset: int) -> None:
        self.real, self.opset = real, opset  # the type of real numbers: TensorProto.FLOAT or DOUBLE
        self.nodes: dict[tuple[Any, ...], onnx.NodeProto] = {}
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = {}

    def element_type(self, kind: Kind) -> int:
        """The ONNX type of a kind."""
        return {"real": self.real, "int": int(TensorProto.INT64), "bool": int(TensorProto.BOOL)}[kind]

    def call(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """The name of the (last) output of this operation."""
        key = (op, inputs, tuple(sorted(attributes.items())))
        if key not in self.nodes:
            names = [f"{op.lower()}_{len(self.nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
            self.nodes[key] = helper.make_node(op, list(inputs), names, **attributes)
        return str(self.nodes[key].output[-1])

    def constant(self, value: Any, kind: Kind) -> str:
        """The name of a constant: a number, or a list of integers."""
        key = (repr(value), kind)
        if key not in self.constants:
            array = np.asarray(value, helper.tensor_dtype_to_np_dtype(self.element_type(kind)))
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return str(self.constants[key].name)

    def vector(self, values: tuple[float, ...]) -> "Traced":
        """A constant number for each class."""
        return Traced(self, self.constant(list(values), "real"), "real", 1)

    def needed(self, outputs: list[str]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """The nodes and constants that these outputs come from, in order."""
        wanted, nodes = set(outputs), []
        for node in reversed(self.nodes.values()):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                nodes.append(node)
        return nodes[::-1], [each for each in self.constants.values() if each.name in wanted]


class Traced:
    """One tensor of a graph; its methods are those of `models.tensor.Tensor`."""

    def __init__(self, graph: Graph, name: str, kind: Kind, rank: int) -> None:
        self.graph, self.name, self.kind, self.rank = graph, name, kind, rank

    def _new(self, op: str, *inputs: Any, kind: Kind | None = None, rank: int | None = None, **attributes: Any) -> "Traced":
        name = self.graph.call(op, self.name, *(each.name if isinstance(each, Traced) else each for each in inputs), **attributes)
        return Traced(self.graph, name, kind or self.kind, self.rank if rank is None else rank)

    def _axes(self, *axes: int) -> str:
        return self.graph.constant(list(axes), "int")

    def _constant(self, value: float) -> "Traced":
        return Traced(self.graph, self.graph.constant(value, self.kind), self.kind, 0)

    def _cast(self, kind: Kind) -> "Traced":
        return self if self.kind == kind else self._new("Cast", kind=kind, to=self.graph.element_type(kind))

    def _pair(self, other: Any) -> tuple["Traced", "Traced"]:
        """Self and other, in the same kind."""
        other = other if isinstance(other, Traced) else self._constant(other)
        kind: Kind = "real" if "real" in (self.kind, other.kind) else self.kind
        return self._cast(kind), other._cast(kind)

    def _binary(self, op: str, other: Any, kind: Kind | None = None) -> "Traced":
        left, right = self._pair(other)
        return left._new(op, right, kind=kind, rank=max(left.rank, right.rank))

    def _reversed(self, op: str, other: Any) -> "Traced":
        right, left = self._pair(other)
        return left._binary(op, right)

    def __add__(self, other: Any) -> "Traced":
        return self._binary("Add", other)

    def __radd__(self, other: Any) -> "Traced":
        return self._reversed("Add", other)

    def __sub__(self, other: Any) -> "Traced":
        return self._binary("Sub", other)

    def __rsub__(self, other: Any) -> "Traced":
        return self._reversed("Sub", other)

    def __mul__(self, other: Any) -> "Traced":
        return self._binary("Mul", other)

    def __rmul__(self, other: Any) -> "Traced":
        return self._reversed("Mul", other)

    def __truediv__(self, other: Any) -> "Traced":
        return self._binary("Div", other)

    def __rtruediv__(self, other: Any) -> "Traced":
        return self._reversed("Div", other)

    def __pow__(self, other: Any) -> "Traced":
        return self._binary("Pow", other)

    def __neg__(self) -> "Traced":
        return self._new("Neg")

    def __and__(self, other: Any) -> "Traced":
        return self._binary("And", other)

    def __lt__(self, other: Any) -> "Traced":
        return self._binary("Less", other, "bool")

    def __gt__(self, other: Any) -> "Traced":
        return self._binary("Greater", other, "bool")

    def __ge__(self, other: Any) -> "Traced":
        return self._binary("GreaterOrEqual", other, "bool")

    def eq(self, other: Any) -> "Traced":
        return self._binary("Equal", other, "bool")

    def ne(self, other: Any) -> "Traced":
        return self.eq(other)._new("Not")

    def abs(self) -> "Traced":
        return self._new("Abs")

    def exp(self) -> "Traced":
        return self._new("Exp")

    def expm1(self) -> "Traced":
        """ONNX has no expm1; near 0 this form is exact to some ulps, for log v is the part of self that v = e^self has kept."""
        v = self.exp()
        kept = v.log()
        near = self.where(kept.eq(0.0), (v - 1.0) * (self / kept.where(kept.ne(0.0), 1.0)))
        return near.where((v > 0.5) & (v < 2.0), v - 1.0)

    def log(self) -> "Traced":
        return self._new("Log")

    def log1p(self) -> "Traced":
        """ONNX has no log1p; this form is exact to an ulp, for v − 1 is the part of self that v has kept."""
        v = self + 1.0
        kept = (v - 1.0).where(v.ne(1.0), 1.0)
        return self.where(v.eq(1.0), v.log() * (self / kept))

    def clamp(self, *, min: float) -> "Traced":
        return self._binary("Max", min)

    def where(self, condition: "Traced", other: Any) -> "Traced":
        left, right = self._pair(other)
        name = self.graph.call("Where", condition.name, left.name, right.name)
        return Traced(self.graph, name, left.kind, max(condition.rank, left.rank, right.rank))

    def type_as(self, other: "Traced") -> "Traced":
        return self._cast(other.kind)

    @property
    def shape(self) -> tuple["Traced", ...]:
        """Every length as a real number, known when the graph is run."""
        lengths = self._new("Shape", kind="int", rank=1)
        return tuple(lengths._new("Gather", self.graph.constant(i, "int"), rank=0, axis=0)._cast("real") for i in range(self.rank))

    def new_ones(self, shape: Any) -> "Traced":
        """Ones of self's own shape, whatever shape is named."""
        return self._constant(1.0)._new("Expand", self._new("Shape", kind="int", rank=1), rank=self.rank)

    def new_zeros(self, shape: Any) -> "Traced":
        """Zeros of self's own shape, whatever shape is named."""
        return self._constant(0.0)._new("Expand", self._new("Shape", kind="int", rank=1), rank=self.rank)

    def sum(self, dim: int | None = None, keepdim: bool = False) -> "Traced":
        """A sum over everything ends in float64: row sums are short, but there may be millions of rows."""
        if dim is not None:
            number = self._cast("int") if self.kind == "bool" else self
            return number._new("ReduceSum", self._axes(dim), rank=self.rank - (not keepdim), keepdims=int(keepdim))
        rows = self
        while rows.rank > 1:
            rows = rows.sum(rows.rank - 1)
        if rows.rank == 0 or rows.kind != "real":
            return rows if rows.rank == 0 else rows.sum(0)
        wide = rows._new("Cast", to=int(TensorProto.DOUBLE)).sum(0)
        return wide._new("Cast", to=self.graph.real)

    def amax(self, dim: int, keepdim: bool = False) -> "Traced":
        rank = self.rank - (not keepdim)
        if self.graph.opset < REDUCE_AXES_ARE_INPUTS:
            return self._new("ReduceMax", rank=rank, axes=(dim,), keepdims=int(keepdim))
        return self._new("ReduceMax", self._axes(dim), rank=rank, keepdims=int(keepdim))

    def cumsum(self, dim: int) -> "Traced":
        return self._new("CumSum", self.graph.constant(dim, "int"))

    def roll(self, shifts: int, dims: int) -> "Traced":
        """Cut at -shifts and put together the other way round."""
        cut, axis = self._axes(-shifts), self._axes(dims)
        end = self._axes(np.iinfo(np.int64).max)
        return self._new("Slice", cut, end, axis)._new("Concat", self._new("Slice", self._axes(0), cut, axis), axis=dims)

    def unsqueeze(self, dim: int) -> "Traced":
        return self._new("Unsqueeze", self._axes(dim), rank=self.rank + 1)

    def argsort(self, *, dim: int, stable: bool) -> "Traced":
        """TopK puts the lower index first at a tie, as its specification says: it is stable."""
        length = self._new("Shape", kind="int", rank=1)._new("Gather", self._axes(dim), rank=1, axis=0)
        return self._new("TopK", length, kind="int", outputs=2, axis=dim, largest=0, sorted=1)

    def gather(self, dim: int, index: "Traced") -> "Traced":
        return self._new("GatherElements", index, axis=dim)

    def scatter(self, dim: int, index: "Traced", src: "Traced") -> "Traced":
        return self._new("ScatterElements", index, src, axis=dim)

    def scatter_add(self, dim: int, index: "Traced", src: "Traced") -> "Traced":
        return self._new("ScatterElements", index, src, axis=dim, reduction="add")

    def take(self, index: "Traced") -> "Traced":
        return self._new("Gather", index, rank=index.rank, axis=0)


def traced_input(graph: Graph, name: str, kind: Kind, rank: int, wire_type: int) -> Traced:
    """A graph input of this type, as a tensor of the kind that the graph computes in."""
    given = Traced(graph, name, kind, rank)
    same = wire_type == graph.element_type(kind)
    return given if same else given._new("Cast", to=graph.element_type(kind))


def wire_output(output: Traced, name: str, wire_type: int) -> None:
    """Name an output of the graph, and give it this type."""
    same = wire_type == output.graph.element_type(output.kind)
    node = helper.make_node("Identity", [output.name], [name]) if same else helper.make_node("Cast", [output.name], [name], to=wire_type)
    output.graph.nodes["output", name] = node
