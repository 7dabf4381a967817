"""/v2 as its users meet it: metadata, inference, statistics, the index; and every refusal leaves the connection as it was."""

import contextlib
import gzip
import http.client
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.catalogue import catalogue, names
from tests.service.problems import GOOD, assert_problem, good

SCORES = np.array(GOOD["scores"], np.float32)
TARGETS = np.float32([[1, 0, 0], [0, 1, 1]])
MODELS = [name + suffix for name in sorted(catalogue()) for suffix in ("", ".grad")]


def tensor(name: str, datatype: str, array: Any) -> dict[str, Any]:
    """An input in JSON."""
    return {"name": name, "datatype": datatype, "shape": list(np.shape(array)), "data": np.asarray(array).reshape(-1).tolist()}


REQUEST = {"inputs": [tensor("scores", "FP32", SCORES), tensor("targets", "FP32", TARGETS)]}


def infer(client: TestClient, model: str, request: Any, **headers: str) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of a request in JSON."""
    reply = client.post(f"/v2/models/{model}/infer", json=request, headers=headers)
    assert reply.status_code == 200, reply.text
    types = {"FP32": np.float32, "FP64": np.float64}
    return {each["name"]: np.array(each["data"], types[each["datatype"]]).reshape(each["shape"]) for each in reply.json()["outputs"]}


def test_the_server_describes_itself(client: TestClient) -> None:
    found = client.get("/v2").json()
    assert (found["name"], set(found)) == ("gradwire", {"name", "version", "extensions"})
    assert found["extensions"] == ["binary_tensor_data", "model_repository(index)", "parameters", "statistics"]
    assert client.get("/v2/").json() == found
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("model", MODELS)
def test_every_loss_is_two_models(model: str, client: TestClient) -> None:
    about = client.get(f"/v2/models/{model}").json()
    assert (about["name"], about["versions"]) == (model, ["1"])
    assert [each["name"] for each in about["outputs"]] == (["loss", "grad"] if model.endswith(".grad") else ["loss"])
    inputs = [each["name"] for each in about["inputs"]]
    assert inputs[:5] == ["scores", "targets", "labels", "label_offsets", "label_weights"]
    by_element = names()[model.removesuffix(".grad")].about.unit == "element"
    assert ("pos_weight" in inputs, "grad_output" in inputs) == (by_element, model.endswith(".grad"))
    limits = {name: about["properties"][f"grpc_max_{name}_message_bytes"] for name in ("receive", "send")}
    assert limits == {"receive": str(8 << 20), "send": str(8 << 20)}
    assert set(json.loads(about["properties"]["parameters"])["properties"]) == set(names()[model.removesuffix(".grad")].params.model_fields)
    assert client.get(f"/v2/models/{model}/versions/1").json() == about
    for path in (f"/v2/models/{model}/ready", f"/v2/models/{model}/versions/1/ready"):
        assert client.get(path).json() == {"name": model, "ready": True}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_a_model_gives_what_the_loss_gives(model: str, reduction: str, client: TestClient) -> None:
    loss, _, grad = model.partition(".")
    request = good(loss, "targets") | {"reduction": reduction, "dtype": "float64"}
    inputs = [tensor(name, "FP64", np.array(request[name], np.float64)) for name in ("scores", "targets")]
    own = {name: json.dumps(value) for name, value in request["params"].items()}
    found = infer(client, model, {"inputs": inputs, "parameters": {"reduction": reduction, "dtype": "float64"} | own})
    expected = client.post(f"/{grad or 'loss'}", json=request).json()
    np.testing.assert_array_equal(found["loss"], np.atleast_1d(expected["loss"]))
    assert ("grad" in found) == bool(grad)
    if grad:
        np.testing.assert_array_equal(found["grad"], expected["grad"])


@pytest.mark.parametrize("alias", ["bce", "CrossEntropyLoss", "asl.grad"])
def test_a_model_answers_to_the_aliases_of_its_loss(alias: str, client: TestClient) -> None:
    assert infer(client, alias, REQUEST)["loss"].shape == (1,)


def test_labels_come_padded_as_offsets_or_one_a_row(client: TestClient) -> None:
    padded = [tensor("scores", "FP32", SCORES), tensor("labels", "INT64", [[0, -1], [1, 2]])]
    sparse = [tensor("scores", "FP32", SCORES), tensor("labels", "INT32", [0, 1, 2]), tensor("label_offsets", "INT64", [0, 1, 3])]
    expected = infer(client, "softmax.grad", REQUEST)
    for inputs in (padded, sparse):
        found = infer(client, "softmax.grad", {"inputs": inputs})
        np.testing.assert_allclose(found["grad"], expected["grad"], rtol=1e-6, atol=1e-8)
    single = {"inputs": [tensor("scores", "FP32", SCORES), tensor("labels", "INT64", [0, 2]), tensor("class_weight", "FP32", [1, 1, 3])]}
    request = {"scores": SCORES.tolist(), "labels": [0, 2], "class_weight": [1, 1, 3]}
    np.testing.assert_allclose(infer(client, "softmax", single)["loss"], client.post("/loss", json=request).json()["loss"], rtol=1e-6)


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_a_binary_request_may_be_compressed_and_so_may_its_reply(coding: str, client: TestClient) -> None:
    inputs = [{"name": name, "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}} for name in ("scores", "targets")]
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = text + SCORES.tobytes() + TARGETS.tobytes()
    pack = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    headers = {"inference-header-content-length": str(len(text)), "content-encoding": coding, "accept-encoding": coding}
    reply = client.post("/v2/models/softmax.grad/infer", content=pack(body), headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers.get("content-encoding", "") == coding
    length = int(reply.headers["inference-header-content-length"])
    assert reply.headers["content-type"] == "application/octet-stream"
    assert [each["name"] for each in json.loads(reply.content[:length])["outputs"]] == ["loss", "grad"]
    expected = infer(client, "softmax.grad", REQUEST)
    np.testing.assert_array_equal(np.frombuffer(reply.content[length + 4 :], np.float32), expected["grad"].reshape(-1))
    assert struct.unpack("<f", reply.content[length : length + 4]) == (expected["loss"][0],)


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"])
def test_no_content_type_is_needed_and_none_is_minded(content_type: str, client: TestClient) -> None:
    reply = client.post(
        "/v2/models/softmax/infer", content=json.dumps(REQUEST), headers={"content-type": content_type, "accept": "text/html"}
    )
    assert reply.status_code == 200, reply.text


def test_statistics_count_successes_and_failures_of_each_model(client: TestClient) -> None:
    def stats(model: str) -> dict[str, Any]:
        (found,) = client.get(f"/v2/models/{model}/stats").json()["model_stats"]
        return dict(found)

    before, other = stats("zlpr.grad"), stats("zlpr")
    infer(client, "zlpr.grad", REQUEST)
    client.post("/grad", json=GOOD | {"loss": "zlpr"})
    client.post("/v2/models/zlpr.grad/infer", json={"inputs": []})
    after = stats("zlpr.grad")
    assert after["inference_count"] - before["inference_count"] == after["execution_count"] - before["execution_count"] == 2
    assert after["inference_stats"]["fail"]["count"] - before["inference_stats"]["fail"]["count"] == 1
    for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert after["inference_stats"][stage]["count"] - before["inference_stats"][stage]["count"] == 2
    for stage in ("success", "compute_input", "compute_infer", "compute_output"):
        assert after["inference_stats"][stage]["ns"] > before["inference_stats"][stage]["ns"]
    assert stats("zlpr") == other
    assert client.get("/v2/models/zlpr.grad/versions/1/stats").json()["model_stats"] == [after]
    assert {each["name"] for each in client.get("/v2/models/stats").json()["model_stats"]} == set(MODELS)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": true}', b'{"ready": false, "other": 1}'])
def test_the_index_lists_every_model(body: bytes, client: TestClient) -> None:
    found = client.post("/v2/repository/index", content=body).json()
    assert {each["name"] for each in found} == set(MODELS)
    assert {(each["version"], each["state"], each["reason"]) for each in found} == {("1", "READY", "")}


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422), (b'{"ready": "yes"}', 422), (b"\xff", 400), (b" " * 70_000, 413)])
def test_an_index_request_that_is_none_is_refused(body: bytes, status: int, client: TestClient) -> None:
    assert_problem(client.post("/v2/repository/index", content=body), status)


@pytest.mark.parametrize("path", ["", "/ready", "/stats", "/versions/1", "/versions/1/ready"])
@pytest.mark.parametrize("model", ["focl.grad", "focal.gradient", ".grad", "grad", "%2e%2e", "x" * 5000])
def test_an_unknown_model_is_404_with_the_nearest_name(model: str, path: str, client: TestClient) -> None:
    reply = client.get(f"/v2/models/{model}{path}")
    problem = assert_problem(reply, 404)
    assert len(problem["detail"]) < 2000
    if model == "focl.grad":
        assert "did you mean 'focal.grad'" in problem["detail"]


def test_a_version_that_is_not_there_is_404(client: TestClient) -> None:
    for path in ("", "/ready", "/stats"):
        assert_problem(client.get(f"/v2/models/focal/versions/2{path}"), 404, "the only one is '1'")
    assert_problem(client.post("/v2/models/focal/versions/2/infer", json=REQUEST), 404, "the only one is '1'")


def test_shared_memory_is_off_here(client: TestClient) -> None:
    for path in ("/status", "/region/a/status"):
        assert_problem(client.get(f"/v2/systemsharedmemory{path}"), 404, "GRADWIRE_SHARED_MEMORY")
    reply = client.post("/v2/systemsharedmemory/region/a/register", json={"key": "/gradwire", "byte_size": 4})
    assert_problem(reply, 404, "GRADWIRE_SHARED_MEMORY")


REFUSED: dict[str, tuple[bytes, dict[str, str], int]] = {
    "nothing": (b"", {}, 400),
    "no JSON": (b"{", {}, 400),
    "no inputs": (b"{}", {}, 422),
    "a header beyond the body": (json.dumps(REQUEST).encode(), {"Inference-Header-Content-Length": "99999"}, 400),
    "a negative header": (json.dumps(REQUEST).encode(), {"Inference-Header-Content-Length": "-5"}, 400),
    "no header": (json.dumps(REQUEST).encode() + SCORES.tobytes(), {}, 400),
    "a gzip that is none": (b"x", {"Content-Encoding": "gzip"}, 400),
    "an unknown coding": (b"x", {"Content-Encoding": "br"}, 415),
    "an unknown parameter": (json.dumps(REQUEST | {"parameters": {"x": 1}}).encode(), {}, 422),
    "a nan": (json.dumps(REQUEST).replace("2.0", "NaN").encode(), {}, 422),
    "an unknown runtime": (json.dumps(REQUEST | {"parameters": {"runtime": "tpu"}}).encode(), {}, 422),
}


def test_the_next_request_on_the_same_connection_is_answered(live_service: str) -> None:
    good = json.dumps(REQUEST).encode()
    with contextlib.closing(http.client.HTTPConnection(live_service.removeprefix("http://"), timeout=20)) as connection:

        def post(body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
            connection.request("POST", "/v2/models/softmax.grad/infer", body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()

        first = post(good, {})
        assert first[0] == 200
        socket = connection.sock
        for about, (body, headers, status) in REFUSED.items():
            found, problem = post(body, headers)
            assert (found, bool(json.loads(problem)["error"])) == (status, True), about
            assert post(good, {}) == first, about
        assert connection.sock is socket, "the connection was closed in between"
