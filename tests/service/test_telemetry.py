"""Traces go to a collector by OTLP when one is named, and nowhere otherwise; nothing that was sent is in them."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from models.contract import Runtime
from service.app import create_app
from service.settings import Settings
from service.telemetry import OFF, telemetry
from tests.conftest import wait_until_ready
from tests.service.problems import GOOD

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_is_a_span_of_its_callers_trace(runtimes: dict[str, Runtime]) -> None:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        settings = Settings(_env_file=None, otlp_endpoint=endpoint)  # type: ignore[call-arg]
        app = create_app(settings, runtimes)
        with TestClient(app) as client:
            wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
            scores = {"scores": [[123.456, 0.5]], "labels": [[0]]}
            client.post("/grad", json=scores, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        server.shutdown()
    spans = [
        span
        for each in received
        for resource in ExportTraceServiceRequest.FromString(each).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    ours = [span for span in spans if span.trace_id.hex() == TRACE]
    assert any(span.name == "POST /grad" for span in ours)
    assert b"123.456" not in b"".join(received)


def test_nothing_is_recorded_unless_a_collector_is_named() -> None:
    assert telemetry("") == OFF
    assert not any(OFF.values())


@pytest.mark.parametrize("origins", [(), ("https://a.example",)])
def test_browsers_may_call_from_the_origins_that_are_named_and_no_others(origins: tuple[str, ...], runtimes: dict[str, Runtime]) -> None:
    settings = Settings(_env_file=None, cors_origins=origins)  # type: ignore[call-arg]
    with TestClient(create_app(settings, runtimes)) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        for origin in ("https://a.example", "https://b.example"):
            reply = client.post("/grad", json=GOOD, headers={"origin": origin})
            assert reply.headers.get("access-control-allow-origin") == (origin if origin in origins else None)
