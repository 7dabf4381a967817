"""A plan as a graph: valid ONNX of standard operators, without a trace of the machine that made it, and the same bytes each time."""

import dataclasses
import itertools
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.catalogue import find
from models.contract import Runtime
from models.export import spec
from models.graph import OPSETS, GraphSpec, build, version
from tests.models.cases import (
    LOSSES,
    TOLERANCE,
    Array,
    Batch,
    assert_close,
    by_element,
    each_loss,
    job,
    labels_of,
    random_targets,
    stock_session,
)

NEWEST = OPSETS[-1]
FORMS = list(itertools.product(["loss", "grad"], ["dense", "sparse"], ["none", "sum", "mean"]))
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16}
HALF = 2e-3
NAMES = [part for part in (socket.gethostname(), str(Path(__file__).parents[2]), str(Path.home()), os.environ.get("USER")) if part]


def batch(name: str, rows: int, classes: int) -> Batch:
    """Scores that float16 holds exactly, one of them -inf in each row, and a row without labels; labels of weight 1."""
    random = np.random.default_rng(rows * classes)
    scores = random.normal(0, 3, (rows, classes)).astype(np.float16).astype(np.float64)
    targets = (random_targets(name, scores.shape, random) > 0).astype(np.float64)
    scores[:, -1], targets[:, -1], targets[0] = -np.inf, 0, 0
    return Batch(scores, targets)


def padded(targets: Array) -> Array:
    """[N, K] class indices, -1 where a row has fewer; one column of padding besides."""
    labels = labels_of(targets)
    indices = np.full((len(targets), labels.width + 1), -1)
    for n, row in enumerate(np.split(labels.indices, labels.offsets[1:-1])):
        indices[n, : len(row)] = row
    return indices


def inputs(given: Batch, labels: str, dtype: str) -> dict[str, Array]:
    """What a graph of this form takes, in this dtype."""
    form = {"targets": given.targets.astype(DTYPES[dtype])} if labels == "dense" else {"labels": padded(given.targets)}
    return {"scores": given.scores.astype(DTYPES[dtype]), **form}


@pytest.mark.parametrize(("dtype", "opset"), [*itertools.product(sorted(DTYPES), [17, NEWEST]), ("float32", 20), ("float64", 20)])
@each_loss
def test_stock_onnx_runtime_computes_from_a_graph_what_the_service_replies(
    name: str, dtype: Any, opset: int, runtimes: dict[str, Runtime]
) -> None:
    wide: Any = "float64" if dtype == "float64" else "float32"
    tolerance = TOLERANCE.get(dtype, HALF)
    for graph, labels, reduction in FORMS:
        model = build(spec(find(name), {}, graph=graph, labels=labels, reduction=reduction, dtype=dtype, opset=opset))  # type: ignore[arg-type]
        assert_is_a_clean_model(model, opset)
        run = stock_session(model)
        for rows, classes in ((5, 4), (2, 7)):  # both lengths are free
            given = batch(name, rows, classes)
            expected = runtimes["pytorch"].run(job(name, given, reduction=reduction, dtype=wide))
            loss, *grad = run.run(None, inputs(given, labels, dtype))
            assert loss.dtype == DTYPES[dtype] and len(grad) == (graph == "grad")
            assert_close(loss, expected.loss, tolerance)
            if grad:
                assert expected.grad is not None and grad[0].dtype == DTYPES[dtype]
                assert_close(grad[0], expected.grad, tolerance)
                assert (grad[0][:, -1] == 0).all()  # a score of -inf is a masked class


def assert_is_a_clean_model(model: bytes, opset: int) -> None:
    """Valid, of this opset, with standard operators alone, and without a name of this machine or a path."""
    proto = onnx.load_from_string(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", opset)]
    assert {node.domain for node in proto.graph.node} == {""} and not proto.functions
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    assert not [part for part in [*NAMES, ".py", "/tmp", "/home", "/work", "/root/"] if part.encode() in model]


@each_loss
def test_a_graphs_metadata_says_what_it_is(name: str) -> None:
    for graph, labels, reduction in FORMS:
        proto = onnx.load_from_string(build(spec(find(name), {}, graph=graph, labels=labels, reduction=reduction)))  # type: ignore[arg-type]
        said = {each.key: each.value for each in proto.metadata_props}
        about = find(name).about
        assert said["loss"] == name and said["graph"] == graph and said["reduction"] == reduction
        assert said["formula"] == about.formula and said["version"] == proto.producer_version == version()
        assert json.loads(said["params"]) == find(name).parameters({}, "float32")
        assert [each.name for each in proto.graph.input] == ["scores", "targets" if labels == "dense" else "labels"]
        assert [each.name for each in proto.graph.output] == (["loss"] if graph == "loss" else ["loss", "grad"])
        axes = [[axis.dim_param for axis in each.type.tensor_type.shape.dim] for each in proto.graph.input]
        assert axes == [["N", "C"], ["N", "C"] if labels == "dense" else ["N", "K"]]


PARAMS: dict[str, dict[str, Any]] = {
    "softmax_cross_entropy": {"normalize": "none", "label_smoothing": 0.2, "temperature": 2.5},
    "binary_cross_entropy": {"label_smoothing": 0.2},
    "focal": {"gamma": 0.5, "alpha": None, "soft": "geometric"},
    "asymmetric": {"gamma_neg": 3.0, "gamma_pos": 0.5, "clip": 0.0, "eps": 0.0, "detach_weight": True},
}


@each_loss
def test_parameters_and_every_other_input_have_their_say(name: str, runtimes: dict[str, Runtime]) -> None:
    random, given = np.random.default_rng(1), batch(name, 4, 5)
    arrays: dict[str, Array] = {
        "class_weight": random.uniform(0, 2, 5),
        "sample_weight": random.normal(0, 1, 4),
        "mask": random.random((4, 5)) < 0.8,
        "grad_output": np.array(2.5),
    }
    if by_element(name):
        arrays |= {"pos_weight": random.uniform(0, 2, 5), "element_weight": random.normal(0, 1, (4, 5))}
    weights = random.uniform(0.1, 1, given.targets.shape) if find(name).about.targets != "binary" else np.ones(given.targets.shape)
    weighted = Batch(given.scores, given.targets * weights)
    params = PARAMS.get(name, {})
    expected = runtimes["pytorch"].run(job(name, weighted, params=params, mean_over="valid", **arrays))
    assert expected.grad is not None
    for labels in ("dense", "sparse"):
        names = (*arrays, *(["label_weights"] if labels == "sparse" else []))
        chosen = spec(find(name), params, labels=labels, mean_over="valid", dtype="float64", inputs=names)  # type: ignore[arg-type]
        feed = inputs(weighted, labels, "float64") | arrays
        if labels == "sparse":
            indices = feed["labels"]
            feed["label_weights"] = np.where(indices < 0, 9.0, np.take_along_axis(weighted.targets, np.maximum(indices, 0), axis=1))
        loss, grad = stock_session(build(chosen)).run(None, feed)
        assert_close(loss, expected.loss, 1e-12)
        assert_close(grad, expected.grad, 1e-12)


def test_the_same_spec_gives_the_same_bytes() -> None:
    for name in LOSSES:
        chosen = spec(find(name), PARAMS.get(name, {}), labels="sparse", inputs=("sample_weight", "class_weight"))
        assert build(chosen) == build(dataclasses.replace(chosen))


def test_a_free_parameter_is_an_input(runtimes: dict[str, Runtime]) -> None:
    given = batch("focal", 3, 4)
    plan = spec(find("focal"), {}, dtype="float64").plan
    chosen = GraphSpec(plan, (("alpha", None), ("soft", "arithmetic")), ("gamma",), "float64")
    run = stock_session(build(chosen))
    for gamma in (0.3, 1.7):
        loss, grad = run.run(None, inputs(given, "dense", "float64") | {"gamma": np.array(gamma)})
        expected = runtimes["pytorch"].run(job("focal", given, params={"gamma": gamma, "alpha": None}))
        assert expected.grad is not None
        assert_close(loss, expected.loss, 1e-14)
        assert_close(grad, expected.grad, 1e-14)
