"""POST /loss and POST /grad, as a reader of the README meets them; and what OpenAPI says of them is so."""

import json
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from starlette.testclient import TestClient

from models.catalogue import names
from service.app import create_app
from service.errors import STATUS
from service.settings import Settings
from tests.service.problems import GOOD, assert_problem, good

DOCUMENT = create_app(Settings(_env_file=None), {}).openapi()  # type: ignore[call-arg]
BODIES = {path: DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"] for path in ("/loss", "/grad")}
EXAMPLES = [(path, about) for path, body in BODIES.items() for about in body["examples"]]
DENSE = {"scores": GOOD["scores"], "targets": [[1, 0, 0], [0, 1, 1]]}


def valid(schema: dict[str, Any], value: Any) -> bool:
    """Whether a schema of the document admits the value."""
    return bool(jsonschema_rs.Draft202012Validator(schema | {"components": DOCUMENT["components"]}).is_valid(value))


def reply_schema(path: str, status: int) -> dict[str, Any]:
    """What the document says of a reply."""
    content = next(iter(DOCUMENT["paths"][path]["post"]["responses"][str(status)]["content"].values()))
    schema: dict[str, Any] = content["schema"]
    return schema


def softmax_cross_entropy(scores: Any, targets: Any) -> tuple[float, Any]:
    """The mean over rows and its gradient, by its definition."""
    x, t = np.array(scores, np.float64), np.array(targets, np.float64)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    t = t / t.sum(1, keepdims=True)
    return float(-(t * np.log(p)).sum(1).mean()), (p - t) / len(x)


def test_a_gradient_is_what_the_paper_says(client: TestClient) -> None:
    loss, grad = softmax_cross_entropy(DENSE["scores"], DENSE["targets"])
    for request in (GOOD, DENSE):
        reply = client.post("/grad", json=request | {"params": {"normalize": "count"}, "dtype": "float64"}).json()
        np.testing.assert_allclose(reply["loss"], loss, rtol=1e-12)
        np.testing.assert_allclose(reply["grad"], grad, rtol=1e-12)


def test_the_loss_alone_is_the_loss_with_its_gradient(client: TestClient) -> None:
    for loss in {each.name for each in names().values()}:
        for reduction in ("none", "sum", "mean"):
            request = good(loss, "targets") | {"reduction": reduction}
            alone, both = client.post("/loss", json=request).json(), client.post("/grad", json=request).json()
            assert set(alone) == {"loss"}
            assert set(both) == {"loss", "grad"}
            assert alone["loss"] == both["loss"]


@pytest.mark.parametrize("alias", sorted(names()))
def test_a_loss_answers_to_its_aliases_in_any_case_of_letters(alias: str, client: TestClient) -> None:
    request = good(names()[alias].name, "targets")
    expected = client.post("/grad", json=request)
    assert expected.status_code == 200
    for name in (alias, alias.upper(), alias.lower()):
        assert client.post("/grad", json=request | {"loss": name}).content == expected.content


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("loss", sorted({each.name for each in names().values()}))
def test_both_runtimes_give_the_same(loss: str, dtype: str, tolerance: float, client: TestClient) -> None:
    for form in ("labels", "targets"):
        request = good(loss, form) | {"dtype": dtype}
        first, second = (client.post("/grad", json=request | {"runtime": runtime}).json() for runtime in ("pytorch", "onnx"))
        np.testing.assert_allclose(first["loss"], second["loss"], rtol=tolerance)
        np.testing.assert_allclose(first["grad"], second["grad"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("path", "about"), EXAMPLES)
def test_every_example_of_the_documentation_runs_as_it_stands(path: str, about: str, client: TestClient) -> None:
    example = BODIES[path]["examples"][about]["value"]
    assert valid(BODIES[path]["schema"], example)
    reply = client.post(path, content=json.dumps(example), headers={"content-type": "application/json"})
    assert reply.status_code == 200, reply.text
    assert valid(reply_schema(path, 200), reply.json())


def test_the_document_is_openapi_3_1_and_describes_every_path(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))
    assert DOCUMENT["openapi"].startswith("3.1")
    ours = {path for path in DOCUMENT["paths"] if not path.startswith("/v2")}
    assert ours == {"/loss", "/grad", "/losses", "/losses/{name}", "/losses/{name}/onnx", "/health/live", "/health/ready", "/metrics"}
    ids = [operation["operationId"] for each in DOCUMENT["paths"].values() for operation in each.values()]
    assert len(set(ids)) == len(ids)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("loss", sorted({each.name for each in names().values()}))
def test_the_document_admits_every_kind_of_reply_and_nothing_else(loss: str, reduction: str, client: TestClient) -> None:
    for path in ("/loss", "/grad"):
        reply = client.post(path, json=good(loss, "targets") | {"reduction": reduction}).json()
        assert valid(reply_schema(path, 200), reply)
        assert not valid(reply_schema(path, 200), {"loss": "1"})
        assert not valid(reply_schema(path, 200), {})
    assert not valid(reply_schema("/grad", 200), {"loss": 1})


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b'{"loss": "x", "scores": [[1]]}', 404), (b"{}", 422), (b" " * (9 << 20), 413)])
def test_the_document_admits_every_problem(body: bytes, status: int, client: TestClient) -> None:
    for path in ("/loss", "/grad"):
        assert valid(reply_schema(path, status), assert_problem(client.post(path, content=body), status))


def test_the_document_names_every_status_of_the_table() -> None:
    for path in ("/loss", "/grad"):
        nobody_reads = {499}
        assert {int(status) for status in DOCUMENT["paths"][path]["post"]["responses"]} == {200, *STATUS.values()} - nobody_reads


def test_only_the_gradient_takes_a_gradient(client: TestClient) -> None:
    assert_problem(client.post("/loss", json=GOOD | {"grad_output": 2}), 422, "grad_output")
    assert_problem(client.post("/loss", json=GOOD | {"grad_output": None}), 422, "grad_output")
    once, twice = client.post("/grad", json=GOOD).json(), client.post("/grad", json=GOOD | {"grad_output": 2}).json()
    assert twice["loss"] == once["loss"]
    np.testing.assert_allclose(twice["grad"], 2 * np.array(once["grad"]), rtol=1e-6)


def test_float64_is_printed_to_its_last_digit(client: TestClient) -> None:
    loss = client.post("/loss", json=GOOD | {"dtype": "float64"}).json()["loss"]
    short = client.post("/loss", json=GOOD).json()["loss"]
    assert loss != short == float(str(np.float32(short)))
    np.testing.assert_allclose(short, loss, rtol=1e-6)


def test_a_reply_says_its_type_and_length(client: TestClient) -> None:
    reply = client.post("/grad", json=GOOD, headers={"accept-encoding": "identity"})
    assert reply.headers["content-type"] == "application/json"
    assert int(reply.headers["content-length"]) == len(reply.content)
