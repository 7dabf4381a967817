"""Traced tensors do in a graph, in ONNX Runtime, what torch tensors do at once: the two implementations of one protocol."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from models.graph import OPSETS
from models.tensor import Tensor
from models.trace import Graph, Traced, wire_output
from tests.models.cases import VALUES, Array, stock_session

pytestmark = pytest.mark.usefixtures("runtimes")  # their pool of threads is there before any session
TYPES = {"float32": int(TensorProto.FLOAT), "float64": int(TensorProto.DOUBLE)}
Formula = Callable[[Any, Any], Any]
FORMULAS: dict[str, Formula] = {
    "add": lambda x, i: x + 2.0 + x,
    "radd": lambda x, i: 2.0 + x,
    "sub": lambda x, i: x - 2.0 - x * 3.0,
    "rsub": lambda x, i: 2.0 - x,
    "mul": lambda x, i: x * 2.0 * x,
    "rmul": lambda x, i: 2.0 * x,
    "div": lambda x, i: x / 4.0,
    "rdiv": lambda x, i: 1.0 / (x + 0.5),
    "pow": lambda x, i: x.abs() ** 0.5,
    "pow zero": lambda x, i: x.abs() ** 0.0,
    "neg": lambda x, i: -x,
    "and": lambda x, i: ((x > 0.0) & (x < 2.0)).type_as(x),
    "lt": lambda x, i: (x < 0.0).type_as(x),
    "ge": lambda x, i: (x >= 0.0).type_as(x),
    "eq": lambda x, i: x.eq(0.0).type_as(x),
    "ne": lambda x, i: x.ne(0.0).type_as(x),
    "new_ones": lambda x, i: x.new_ones(x.shape),
    "new_zeros": lambda x, i: x.new_zeros(x.shape),
    "abs": lambda x, i: x.abs(),
    "exp": lambda x, i: (-x.abs()).exp(),
    "expm1": lambda x, i: (-x.abs()).expm1(),
    "expm1 near 0": lambda x, i: (x / 2e4).expm1() + (x * 1e-9).expm1(),
    "log": lambda x, i: (x.abs() + 0.5).log(),
    "log1p": lambda x, i: x.abs().log1p(),
    "log1p of tails": lambda x, i: (-x.abs()).exp().log1p(),
    "log1p of negatives": lambda x, i: ((-x.abs()).exp() * -0.9).log1p(),
    "clamp": lambda x, i: x.clamp(min=0.5),
    "where": lambda x, i: x.where(x > 1.0, -1.0),
    "where of a number": lambda x, i: x.where(x > 1.0, x.amax(1, keepdim=True)),
    "sum": lambda x, i: x.sum(),
    "sum of columns": lambda x, i: x.sum(0),
    "sum of rows": lambda x, i: x.sum(1),
    "sum kept": lambda x, i: x.sum(1, keepdim=True) + x,
    "sum of truths": lambda x, i: x.ne(0.0).sum(1, keepdim=True).type_as(x),
    "amax": lambda x, i: x.amax(1),
    "amax kept": lambda x, i: x.amax(1, keepdim=True) - x,
    "cumsum": lambda x, i: x.cumsum(1),
    "roll": lambda x, i: x.roll(-1, 1),
    "unsqueeze": lambda x, i: x.amax(1).unsqueeze(1) * x,
    "argsort": lambda x, i: x.argsort(dim=1, stable=True).type_as(x),
    "argsort of ties": lambda x, i: x.ne(0.0).type_as(x).argsort(dim=1, stable=True).type_as(x),
    "gather": lambda x, i: x.gather(1, i),
    "scatter": lambda x, i: x.scatter(1, x.argsort(dim=1, stable=True), x),
    "scatter_add": lambda x, i: x.scatter_add(1, i, x.gather(1, i)),
    "take": lambda x, i: x.sum(0).take(i),
    "rows": lambda x, i: x / x.shape[0],
    "classes": lambda x, i: x / x.shape[1],
}


def traced(formula: Formula, dtype: str, opset: int, arrays: dict[str, Array]) -> Array:
    """The formula as a graph, run by ONNX Runtime."""
    graph = Graph(TYPES[dtype], opset)
    output = formula(Traced(graph, "x", "real", 2), Traced(graph, "i", "int", 2))
    wire_output(output, "y", TYPES[dtype])
    nodes, constants = graph.needed(["y"])
    types = {"x": TYPES[dtype], "i": int(TensorProto.INT64)}
    inputs = [helper.make_tensor_value_info(name, types[name], ("N", None)) for name in arrays]
    outputs = [helper.make_tensor_value_info("y", TYPES[dtype], [None] * output.rank)]
    opsets = [helper.make_opsetid("", opset)]
    body = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(body, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))
    onnx.checker.check_model(model, full_check=True)
    session = stock_session(model.SerializeToString())
    return cast(Array, session.run(None, {each.name: arrays[each.name] for each in session.get_inputs()})[0])


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_traced_operation_gives_what_torch_gives(formula: str) -> None:
    for dtype in TYPES:
        x = np.stack([VALUES, np.roll(VALUES, 3), np.zeros_like(VALUES), VALUES / 7]).astype(dtype)
        i = np.array([[0, 3, 0], [22, 22, 22], [1, 2, 3], [5, 0, 9]])
        expected = FORMULAS[formula](torch.from_numpy(x), torch.from_numpy(i)).numpy()
        for opset in (OPSETS[0], 20, OPSETS[-1]):
            found = traced(FORMULAS[formula], dtype, opset, {"x": x, "i": i})
            assert found.shape == expected.shape and found.dtype == expected.dtype
            kind = np.finfo(dtype)
            summed = formula in ("take", "scatter_add", "cumsum") or formula.startswith("sum")
            least = kind.eps * float(np.abs(x).sum()) if summed else float(kind.smallest_subnormal)
            np.testing.assert_allclose(found, expected, rtol=kind.eps * 4, atol=least)


def test_every_operation_of_the_protocol_is_tried() -> None:
    methods = {name for name, each in inspect.getmembers(Tensor, inspect.isfunction) if name not in ("__init__", "__subclasshook__")}
    renamed = {"truediv": "div", "rtruediv": "rdiv"}
    wanted = {renamed.get(name.strip("_"), name.strip("_")) for name in methods if name not in dir(object) or name in ("__lt__", "__ge__")}
    assert wanted - set(FORMULAS) <= {"gt", "type_as", "class_getitem", "init_subclass"}


def test_equal_operations_are_written_once_and_only_those_that_are_needed() -> None:
    graph = Graph(TYPES["float32"], 20)
    x = Traced(graph, "x", "real", 2)
    used, again = x.exp() + 1.0, x.exp() + 1.0
    x.log()
    assert used.name == again.name
    nodes, constants = graph.needed([used.name])
    assert [node.op_type for node in nodes] == ["Exp", "Add"] and len(constants) == 1
