"""What is asked of some losses alone, over every wire: a number for each class, one label a row, a teacher's scores, a whole batch."""

import json
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from starlette.testclient import TestClient

from tests.service.problems import assert_problem

SCORES = [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]
PRIOR = [60.0, 30.0, 10.0]
ADJUSTED = {"loss": "logit_adjusted_softmax", "scores": SCORES, "labels": [0, 2], "params": {"prior": PRIOR}, "dtype": "float64"}


def adjusted() -> tuple[Any, Any]:
    """The mean of the loss and its gradient, from the definition."""
    z = np.array(SCORES) + np.log(PRIOR)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return -np.log(p[[0, 1], [0, 2]]).mean(), (p - np.eye(3)[[0, 2]]) / 2


@pytest.mark.parametrize("runtime", ["pytorch", "onnx"])
def test_a_number_for_each_class_comes_as_json_as_tensors_metadata_and_by_v2(runtime: str, client: TestClient) -> None:
    loss, grad = adjusted()
    plain = client.post("/grad", json=ADJUSTED | {"runtime": runtime}).json()
    tensors = {"scores": np.array(SCORES), "labels": np.array([0, 2])}
    about = {"loss": "balanced_softmax", "params": json.dumps({"prior": PRIOR}), "runtime": runtime}
    headers = {"content-type": "application/vnd.safetensors"}
    binary = safetensors.numpy.load(client.post("/grad", content=safetensors.numpy.save(tensors, about), headers=headers).content)
    inputs = [
        {"name": "scores", "datatype": "FP64", "shape": [2, 3], "data": SCORES},
        {"name": "labels", "datatype": "INT64", "shape": [2], "data": [0, 2]},
    ]
    asked = {"inputs": inputs, "parameters": {"prior": json.dumps(PRIOR), "runtime": runtime}}
    outputs = client.post("/v2/models/logit_adjusted_softmax.grad/infer", json=asked).json()["outputs"]
    for found in (plain["grad"], binary["grad"], np.reshape(outputs[1]["data"], (2, 3))):
        np.testing.assert_allclose(found, grad, rtol=1e-10)
    np.testing.assert_allclose([plain["loss"], binary["loss"], outputs[0]["data"][0]], loss, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"params": {}}, "/params/prior", "required"),
        ({"params": {"prior": [1.0, 2.0]}}, "/params/prior", "has shape [2]; expected [3]"),
        ({"params": {"prior": [1.0, 0.0, 2.0]}}, "/params/prior/1", "greater than 0"),
        ({"params": {"prior": [1.0, -3.0, 2.0]}}, "/params/prior/1", "greater than 0"),
        ({"params": {"prior": 1.0}}, "/params/prior", "list"),
        ({"params": {"prior": [1.0, "2", 2.0]}}, "/params/prior/1", "number"),
        ({"params": {"prior": [1.0, 1e300, 2.0]}, "dtype": "float32"}, "/params/prior/1", "does not fit float32"),
        ({"params": {"prior": PRIOR, "tau": "much"}}, "/params/tau", "number"),
        ({"labels": [[0, 1], [2]]}, "/labels/0", "takes one label a row; found 2"),
        ({"labels": [[0], [2]], "label_weights": [[1], [0.5]]}, "/label_weights/1/0", "one 1 a row"),
        ({"loss": "hill", "params": {}, "labels": [[0], [2]], "label_weights": [[1], [1.5]]}, "/label_weights/1/0", "0 to 1"),
        ({"loss": "sparsemax", "params": {}, "labels": [[0, 1], [2]]}, "/labels/0", "must sum to 1; found 2"),
        ({"loss": "sparsemax", "params": {}, "class_weight": [1, 1, 1]}, "/class_weight", "has no class weights"),
        ({"loss": "distillation", "params": {}}, "/labels", "takes targets, which are scores"),
        ({"loss": "two_way", "params": {}, "sample_weight": [1, 1]}, "/sample_weight", "one number for the whole batch"),
        ({"loss": "two_way", "params": {}, "mean_over": "rows"}, "/mean_over", "one number for the whole batch"),
    ],
)
def test_what_has_no_meaning_for_a_loss_is_refused(change: dict[str, Any], pointer: str, words: str, client: TestClient) -> None:
    problem = assert_problem(client.post("/grad", json=ADJUSTED | change), 422, words)
    assert pointer in [each["pointer"] for each in problem["errors"]]


def test_a_row_without_labels_is_one_of_every_kind(client: TestClient) -> None:
    for loss in ("logit_adjusted_softmax", "sparsemax"):
        params = {"prior": PRIOR} if loss == "logit_adjusted_softmax" else {}
        asked = {"loss": loss, "scores": SCORES, "labels": [[], [1]], "params": params, "reduction": "none"}
        reply = client.post("/grad", json=asked).json()
        assert reply["loss"][0] == 0 and reply["grad"][0] == [0, 0, 0]
        assert reply["loss"][1] > 0


@pytest.mark.parametrize("runtime", ["pytorch", "onnx"])
def test_a_loss_of_the_batch_is_one_number_however_it_is_reduced_and_ignored_rows_are_not_there(runtime: str, client: TestClient) -> None:
    asked = {"loss": "two_way", "scores": SCORES, "labels": [[0], [1, 2]], "dtype": "float64", "runtime": runtime}
    replies = [client.post("/grad", json=asked | {"reduction": each}).json() for each in ("none", "sum", "mean")]
    assert replies[0] == replies[1] == replies[2] and isinstance(replies[0]["loss"], float)
    twice = client.post("/grad", json=asked | {"grad_output": 2}).json()
    np.testing.assert_allclose(twice["grad"], 2 * np.array(replies[0]["grad"]), rtol=1e-12)
    ignored = asked | {"scores": [*SCORES, [5.0, 5.0, 5.0]], "labels": [[0], [1, 2], [-1]], "ignore_index": -1}
    longer = client.post("/grad", json=ignored).json()
    np.testing.assert_allclose(longer["loss"], replies[0]["loss"], rtol=1e-12)
    np.testing.assert_allclose(longer["grad"], [*replies[0]["grad"], [0, 0, 0]], rtol=1e-12)


def test_a_graph_takes_a_number_for_each_class_as_a_constant_or_as_an_input(client: TestClient) -> None:
    path = "/losses/logit_adjusted_softmax/onnx"
    constant = onnx.load_from_string(client.get(path, params={"prior": json.dumps(PRIOR)}).content)
    given = onnx.load_from_string(client.get(path, params={"inputs": "prior,tau,class_weight"}).content)
    assert [each.name for each in constant.graph.input] == ["scores", "targets"]
    assert {each.name for each in given.graph.input} == {"scores", "targets", "class_weight", "prior", "tau"}
    assert_problem(client.get(path), 422, "prior")
    assert_problem(client.get(path, params={"inputs": "prior,tou"}), 422, "did you mean 'tau'")
    assert_problem(client.get("/losses/focal/onnx", params={"inputs": "soft"}), 422, "only be a constant")
    assert_problem(client.get("/losses/two_way/onnx", params={"inputs": "sample_weight"}), 422, "whole batch")
    assert_problem(client.get("/losses/distillation/onnx", params={"labels": "sparse"}), 422, "takes targets")
