"""Around a request: its id, its line in the log, its metrics and stages; and never a number that was sent."""

import json
import logging
import re

import pytest
from starlette.testclient import TestClient

from service.access import JsonLines
from service.app import create_app
from service.settings import Settings
from tests.service.problems import GOOD

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRET = {"scores": [[123.456, 0.5]], "labels": [[0]]}


def counted(client: TestClient, name: str, **labels: str) -> float:
    """The value of a metric."""
    wanted = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    lines = client.get("/metrics").text.splitlines()
    return sum(float(each.split()[-1]) for each in lines if each.startswith(f"{name}{{{wanted}}}" if labels else f"{name} "))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "job-7/step.12"}, r"job-7/step\.12"),
        ({"traceparent": TRACE}, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"x-request-id": "a", "traceparent": TRACE}, "a"),
        ({}, "[0-9a-f]{32}"),
        ({"x-request-id": "x" * 200}, "[0-9a-f]{32}"),
        ({"x-request-id": 'a"b\tc'}, "[0-9a-f]{32}"),
        ({"traceparent": "nonsense"}, "[0-9a-f]{32}"),
    ],
)
def test_a_request_has_an_id_its_own_where_it_brings_one(headers: dict[str, str], expected: str, client: TestClient) -> None:
    for reply in (client.post("/grad", json=GOOD, headers=headers), client.get("/absent", headers=headers)):
        assert re.fullmatch(expected, reply.headers["x-request-id"])


def test_stages_come_back_in_a_header(client: TestClient) -> None:
    reply = client.post("/grad", json=GOOD)
    stages = re.findall(r"(\w+);dur=([\d.]+)", reply.headers["server-timing"])
    assert [name for name, _ in stages] == ["decode", "wait", "run", "encode"]
    assert all(0 <= float(ms) < 10_000 for _, ms in stages)
    assert float(dict(stages)["run"]) > 0
    assert "server-timing" not in client.get("/losses").headers


def test_a_line_of_the_log_says_what_was_asked_and_nothing_that_was_sent(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gradwire.access")
    client.post("/grad", json=SECRET, headers={"x-request-id": "one", "traceparent": TRACE, "authorization": "Bearer hush"})
    client.post("/grad", json=SECRET | {"loss": "123.456"}, headers={"x-request-id": "two"})
    client.get("/health/live")
    first, second = [json.loads(JsonLines().format(each)) for each in caplog.records if each.name == "gradwire.access"]
    assert (first["request_id"], first["route"], first["status"], first["loss"]) == ("one", "/grad", 200, "softmax_cross_entropy")
    assert first["traceparent"] == TRACE
    assert {"decode_ms", "wait_ms", "run_ms", "encode_ms", "ms"} <= set(first)
    assert (second["status"], second["loss"]) == (404, "other")
    assert "123.456" not in caplog.text and "hush" not in caplog.text


def test_metrics_count_by_route_loss_and_status(client: TestClient) -> None:
    def seen() -> list[float]:
        return [
            counted(client, "gradwire_requests_total", route="/grad", loss="focal", status="200"),
            counted(client, "gradwire_requests_total", route="/grad", loss="other", status="404"),
            counted(client, "gradwire_requests_total", route="/v2/models/{name}/infer", loss="zlpr", status="422"),
            counted(client, "gradwire_stage_seconds_count", stage="run"),
            counted(client, "gradwire_batch_rows_sum"),
        ]

    before = seen()
    client.post("/grad", json=GOOD | {"loss": "focal"})
    client.post("/grad", json=GOOD | {"loss": "x" * 50})
    client.post("/v2/models/zlpr.grad/infer", json={"inputs": []})
    after = seen()
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1, 2]


def test_no_caller_can_make_up_a_label(client: TestClient) -> None:
    for name in ("a" * 40, 'b"%0A'):
        client.post("/grad", json=GOOD | {"loss": name})
        client.get(f"/{name}")
        client.get(f"/v2/models/{name}")
    text = client.get("/metrics").text
    assert "aaaa" not in text
    assert 'route="other"' in text


def test_gauges_are_there_and_the_type_is_prometheus_own(client: TestClient) -> None:
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    for name in ("gradwire_queue_length", "gradwire_running_jobs", "gradwire_bytes_in_flight", "gradwire_ready", "gradwire_build_info"):
        assert f"\n{name}" in reply.text
    assert counted(client, "gradwire_bytes_in_flight") == counted(client, "gradwire_queue_length") == 0
    assert counted(client, "gradwire_ready") == 1


def test_a_preflight_has_an_id_too() -> None:
    app = create_app(Settings(_env_file=None, cors_origins="https://a.example"), {})  # type: ignore[call-arg]
    headers = {"origin": "https://a.example", "access-control-request-method": "POST", "x-request-id": "flight"}
    reply = TestClient(app).options("/grad", headers=headers)
    assert (reply.status_code, reply.headers["x-request-id"]) == (200, "flight")
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
