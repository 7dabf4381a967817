"""create_app: what is answered where there is no route, and what every route has in common."""

import httpx2
import pytest
from starlette.testclient import TestClient

from models.contract import Runtime
from service.app import create_app
from service.settings import Settings
from tests.conftest import wait_until_ready
from tests.service.problems import GOOD, assert_problem

PATHS = ["/loss", "/grad", "/losses", "/losses/focal", "/losses/focal/onnx", "/health/live", "/health/ready"]
ODD = [
    "/%00",
    "/%ff",
    "/losses/%2e%2e/x/y",
    "/" + "x" * 5000,
    "/é",
    "/loss/x",
    "/.env",
    "/losses/a/b/c",
    "/%0d%0aX-Y:1",
    "/{name}",
]


@pytest.mark.parametrize(
    ("path", "nearest"), [("/los", "/loss"), ("/grads", "/grad"), ("/losess", "/losses"), ("/health/redy", "/health/ready")]
)
def test_a_path_that_is_not_there_is_404_with_the_nearest(path: str, nearest: str, client: TestClient) -> None:
    for reply in (client.get(path), client.post(path, json=GOOD)):
        assert_problem(reply, 404, f"no such path '{path}'; did you mean '{nearest}'?")


def test_a_path_that_is_near_to_none_is_404_with_all(client: TestClient) -> None:
    problem = assert_problem(client.get("/v9/none/such"), 404)
    assert all(path in problem["detail"] for path in ("/loss", "/grad", "/losses", "/health/ready"))


@pytest.mark.parametrize("path", ODD)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_odd_paths_are_404(path: str, method: str, client: TestClient) -> None:
    problem = assert_problem(client.request(method, path), 404)
    assert len(problem["detail"]) < 1000


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_another_method_is_405_with_those_allowed(path: str, method: str, client: TestClient) -> None:
    allowed = "POST" if path in ("/loss", "/grad") else "GET"
    if method == allowed:
        return
    reply = client.request(method, path)
    assert_problem(reply, 405, allowed)
    assert reply.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_documentation_is_here_and_needs_no_other_host(path: str, client: TestClient) -> None:
    reply: httpx2.Response = client.get(path)
    assert reply.status_code == 200
    assert "https://cdn" not in reply.text


def test_the_first_page_leads_to_the_documentation(client: TestClient) -> None:
    assert client.get("/").status_code == 200


def test_equal_requests_give_equal_bytes(client: TestClient) -> None:
    replies = {client.post("/grad", json=GOOD).content for _ in range(5)}
    assert len(replies) == 1


def test_an_app_may_be_started_again_and_what_needs_no_engine_answers_before(runtimes: dict[str, Runtime]) -> None:
    app = create_app(Settings(_env_file=None), runtimes)  # type: ignore[call-arg]
    assert TestClient(app).get("/losses/focal").status_code == 200
    for _ in range(2):
        with TestClient(app) as client:
            wait_until_ready(lambda client=client: client.get("/health/ready").status_code == 200)  # type: ignore[misc]
            assert client.post("/grad", json=GOOD).status_code == 200
