"""GET /losses, one loss, and its ONNX graph."""

import re
from typing import Any

import jsonschema_rs
import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession, SessionOptions
from starlette.testclient import TestClient

from models.catalogue import catalogue, find, names
from models.contract import DTYPES
from models.export import Graphs, default_folder, spec
from tests.service.problems import assert_problem, good

FIELDS = {"name", "aliases", "unit", "targets", "params", "mean_over", "formula", "gradient", "paper", "summary"}
LOSSES = sorted(catalogue())


def onnx_of(client: TestClient, name: str, query: str = "", **headers: str) -> Any:
    """The graph of a loss."""
    return client.get(f"/losses/{name}/onnx{'?' * bool(query)}{query}", headers=headers)


def test_every_loss_is_listed_with_all_that_is_known_of_it(client: TestClient) -> None:
    listed = client.get("/losses").json()
    assert [each["name"] for each in listed] == LOSSES
    for each in listed:
        assert set(each) >= FIELDS
        assert {name for name in FIELDS - {"aliases", "params"} if not each[name]} == set(), each["name"]
        assert each["unit"] in ("row", "element", "batch")
        assert each["mean_over"] in ("rows", "elements", "weights", "valid", "positives")


@pytest.mark.parametrize("name", LOSSES)
def test_the_parameters_are_a_schema_whose_defaults_it_admits(name: str, client: TestClient) -> None:
    schema = client.get(f"/losses/{name}").json()["params"]
    jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
    defaults = {each: about["default"] for each, about in schema.get("properties", {}).items() if "default" in about}
    defaults |= dict(find(name).about.example)
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(defaults)
    assert not jsonschema_rs.Draft202012Validator(schema).is_valid({"no such parameter": 1})
    request = good(name, "targets")
    assert client.post("/grad", json=request | {"params": defaults}).content == client.post("/grad", json=request).content


@pytest.mark.parametrize("alias", sorted(names()))
def test_a_loss_is_found_by_each_of_its_names(alias: str, client: TestClient) -> None:
    found = client.get(f"/losses/{alias}")
    assert found.status_code == 200
    assert found.json() == next(each for each in client.get("/losses").json() if each["name"] == names()[alias].name)
    assert alias == found.json()["name"] or alias in found.json()["aliases"]


@pytest.mark.parametrize("path", ["/losses/focl", "/losses/focl/onnx"])
def test_an_unknown_loss_is_404_with_the_nearest(path: str, client: TestClient) -> None:
    assert_problem(client.get(path), 404, "no loss named 'focl'; did you mean 'focal'?")


@pytest.mark.parametrize("name", ["x" * 5000, "%00", "%ff", "%F0%9F%98%80", "..", "%20", "<script>"])
def test_an_odd_name_is_404(name: str, client: TestClient) -> None:
    for path in (f"/losses/x{name}", f"/losses/x{name}/onnx"):
        assert len(assert_problem(client.get(path), 404)["detail"]) < 1000


@pytest.mark.parametrize("name", LOSSES)
def test_a_graph_is_the_one_that_export_writes(name: str, client: TestClient) -> None:
    graphs = Graphs(default_folder())
    needed = tuple(find(name).about.example)
    for labels in ("dense", "sparse") if find(name).about.targets != "scores" else ("dense",):
        expected = graphs.get(spec(find(name), {}, graph="grad", labels=labels, inputs=needed))
        reply = onnx_of(client, name, f"labels={labels}&inputs={','.join(needed)}")
        assert (reply.status_code, reply.headers["content-type"]) == (200, "application/onnx")
        assert reply.content == expected
        onnx.checker.check_model(onnx.load_from_string(reply.content), full_check=True)


@pytest.mark.parametrize("graph", ["loss", "grad"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_the_query_says_which_graph(graph: str, reduction: str, dtype: str, client: TestClient) -> None:
    query = f"graph={graph}&reduction={reduction}&dtype={dtype}&opset=18&gamma=3&mean_over=rows"
    reply = onnx_of(client, "focal", query)
    assert reply.status_code == 200, reply.text
    about: Any = {"graph": graph, "reduction": reduction, "dtype": dtype, "opset": 18, "mean_over": "rows"}
    assert reply.content == Graphs(default_folder()).get(spec(find("focal"), {"gamma": 3}, **about))
    model = onnx.load_from_string(reply.content)
    assert [each.name for each in model.graph.output] == ["loss", "grad"][: 1 + (graph == "grad")]
    assert {each.domain: each.version for each in model.opset_import} == {"": 18}


def test_a_parameter_may_be_a_number_or_a_word_or_true_or_null(client: TestClient) -> None:
    for name, query in (
        ("focal", "alpha=null"),
        ("focal", "gamma=2"),
        ("softmax_cross_entropy", "normalize=sum"),
        ("asymmetric", "detach_weight=true"),
    ):
        assert onnx_of(client, name, query).status_code == 200, query
    default = onnx_of(client, "focal").content
    assert onnx_of(client, "focal", "gamma=7").content != default


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("graph=x", "/graph"),
        ("labels=x", "/labels"),
        ("reduction=x", "/reduction"),
        ("mean_over=x", "/mean_over"),
        ("dtype=bfloat16", "/dtype"),
        ("opset=x", "/opset"),
        ("opset=5", "/opset"),
        ("opset=99", "/opset"),
        ("opset=" + "9" * 5000, "/opset"),
        ("inputs=x", "/inputs"),
        ("gama=2", "did you mean 'gamma'"),
        ("gamma=-1", "/params/gamma"),
        ("gamma=x", "/params/gamma"),
        ("gamma=NaN", "/params/gamma"),
        ("gamma=1e400", "/params/gamma"),
        ("gamma=[1]", "/params/gamma"),
        ("gamma=" + "[" * 50_000, "/params/gamma"),
        ("gamma=" + "9" * 400, "/params/gamma"),
        ("gamma=1&gamma=2", "twice"),
        ("gamma=", "/params/gamma"),
        ("=1", "/params/"),
    ],
)
def test_a_wrong_query_is_refused_by_its_name(query: str, names: str, client: TestClient) -> None:
    problem = assert_problem(onnx_of(client, "focal", query), 422)
    assert any(names in text for text in (problem["detail"], *(each["pointer"] for each in problem["errors"])))


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("softmax_cross_entropy", "temperature=1e-320"),
        ("softmax_cross_entropy", "temperature=1e-20"),
        ("softmax_cross_entropy", "temperature=1e300"),
        ("asymmetric", "gamma_neg=1e300"),
        ("asymmetric", "eps=1e-320"),
        ("focal", "gamma=1e300"),
    ],
)
def test_a_parameter_of_any_size_gives_a_graph_of_finite_results_or_is_refused(name: str, query: str, client: TestClient) -> None:
    reply = onnx_of(client, name, query)
    if reply.status_code == 422:
        assert_problem(reply, 422, "/params")
        return
    assert reply.status_code == 200
    inputs = {"scores": np.float32([[2, 0.5, -1]]), "targets": np.float32([[1, 0, 0]])}
    shared = SessionOptions()
    shared.use_per_session_threads = False  # the process has one pool of threads, which the onnx runtime made
    for output in InferenceSession(reply.content, shared, ["CPUExecutionProvider"]).run(None, inputs):
        assert np.isfinite(output).all()


def test_a_graph_that_is_known_is_not_sent_again(client: TestClient) -> None:
    first = onnx_of(client, "focal")
    etag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]+"', etag)
    assert onnx_of(client, "focal").headers["etag"] == etag
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = onnx_of(client, "focal", **{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    for other in ('"other"', "", "x"):
        assert onnx_of(client, "focal", **{"If-None-Match": other}).status_code == 200
    assert onnx_of(client, "focal", "gamma=3").headers["etag"] != etag


def test_a_graph_is_saved_under_a_name_that_tells_what_it_is(client: TestClient) -> None:
    disposition = onnx_of(client, "FOCAL", "graph=loss&reduction=sum&dtype=float64").headers["content-disposition"]
    assert disposition == 'attachment; filename="focal.loss.dense.sum.float64.opset20.onnx"'
    assert (
        onnx_of(client, "focal", "gamma=3").headers["content-disposition"]
        != onnx_of(client, "focal", "gamma=4").headers["content-disposition"]
    )


def test_a_graph_names_its_loss_and_no_path_of_this_machine(client: TestClient) -> None:
    content = onnx_of(client, "focal").content
    metadata = {each.key: each.value for each in onnx.load_from_string(content).metadata_props}
    assert metadata["loss"] == "focal"
    assert {"params", "version", "formula"} <= set(metadata)
    assert b".py" not in content
    assert str(default_folder()).encode() not in content
