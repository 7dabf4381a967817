"""The routes that compute are called directly, and are known by their paths all the same."""

import logging

import pytest
from starlette.routing import Match
from starlette.testclient import TestClient

from service.routes import losses, open_inference
from service.routes.direct import direct
from tests.service.problems import GOOD


def test_each_route_that_computes_is_direct() -> None:
    paths = ["/loss", "/grad", "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"]
    assert sorted(each.path for each in direct((losses.router, open_inference.router))) == sorted(paths)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_another_method_is_405_and_counted_for_the_path(method: str, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gradwire.access"):
        reply = client.request(method, "/grad")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert caplog.records[-1].about["route"] == "/grad"  # type: ignore[attr-defined]


def test_a_request_is_matched_in_full_by_its_own_route_alone() -> None:
    scope = {"type": "http", "method": "POST", "path": "/loss", "root_path": ""}
    found = [each.matches(scope)[0] for each in direct((losses.router,))]
    assert sorted(found, key=lambda each: each.value) == [Match.NONE, Match.FULL]


def test_a_direct_route_answers(client: TestClient) -> None:
    assert client.post("/v2/models/zlpr/versions/1/infer", json={"inputs": []}).status_code == 422
    assert client.post("/loss", json=GOOD).status_code == 200
