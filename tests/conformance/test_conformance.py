"""The suite against our own service, as a user starts it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.conformance.run import run
from tests.conformance.sample import from_file
from tests.conformance.server import Server

EXAMPLE = Path(__file__).parent / "examples" / "gradwire.json"


def grpc_address(url: str) -> str | None:
    """Where the service at this URL listens for gRPC."""
    return os.environ.get("CONFORMANCE_GRPC")


@pytest.fixture(scope="module")
def server(live_service: str) -> Iterator[Server]:
    """The service, as the suite sees it."""
    address = grpc_address(live_service)
    client = None
    if address:
        from tests.conformance.grpc_client import GrpcClient

        client = GrpcClient(address)
    yield Server(live_service, from_file(EXAMPLE), client)
    if client:
        client.close()


@pytest.mark.parametrize("name", CASES)
def test_our_service_conforms(name: str, server: Server) -> None:
    outcome = run(CASES[name], server)
    if outcome.verdict in ("skipped", "advice"):
        pytest.skip(f"{outcome.verdict}: {outcome.reason}")
    assert outcome.verdict == "passed", outcome
