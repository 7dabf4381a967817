"""The suite against our own service, as a user starts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.conformance.grpc_client import GrpcClient
from tests.conformance.run import run
from tests.conformance.sample import from_file
from tests.conformance.server import Server

EXAMPLE = Path(__file__).parent / "examples" / "gradwire.json"
OURS = {"region_status_shows_its_key": "whoever learns a key could register the memory under a name of their own: docs/conformance.md"}


NAMES = [pytest.param(name, marks=[pytest.mark.xfail(reason=OURS[name])] if name in OURS else []) for name in CASES]


@pytest.fixture(scope="module")
def server(live_service: str, live_grpc: str) -> Iterator[Server]:
    """The service, as the suite sees it."""
    client = GrpcClient(live_grpc)
    yield Server(live_service, from_file(EXAMPLE), client)
    client.close()


@pytest.mark.parametrize("name", NAMES)
def test_our_service_conforms(name: str, server: Server) -> None:
    outcome = run(CASES[name], server)
    if outcome.verdict in ("skipped", "advice"):
        pytest.skip(f"{outcome.verdict}: {outcome.reason}")
    assert outcome.verdict == "passed", outcome
