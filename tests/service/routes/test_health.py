"""GET /health/live and GET /health/ready; not being ready is tested with the engine."""

import httpx2
from starlette.testclient import TestClient


def test_a_live_service_says_so(client: TestClient) -> None:
    reply = client.get("/health/live")
    assert (reply.status_code, reply.json()["status"]) == (200, "live")


def test_a_ready_service_names_its_runtimes_and_where_they_compute(client: TestClient) -> None:
    assert client.get("/health/ready").json() == {"status": "ready", "runtimes": {"pytorch": "cpu", "onnx": "cpu"}}


def test_a_service_of_its_own_says_the_same(client: TestClient, live_service: str) -> None:
    for path in ("/health/live", "/health/ready"):
        assert httpx2.get(f"{live_service}{path}").json() == client.get(path).json()
