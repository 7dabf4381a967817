"""The same over gRPC, where grpcio is installed."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.cases import CASES
from tests.conformance.fake_rest import FakeRest
from tests.conformance.run import run
from tests.conformance.sample import from_file
from tests.conformance.server import Server
from tests.conformance.test_suite_itself import EXAMPLE, OVER_GRPC

pytest.importorskip("grpc")
from tests.conformance.fake_grpc import FakeGrpc
from tests.conformance.grpc_client import GrpcClient
from tests.conformance.grpc_faults import FAULTS


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[FakeRest, Any]]:
    with FakeRest() as rest:
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        fake = FakeGrpc(rest.counts)
        yield rest, fake
        fake.server.stop(None).wait()
        rest.shutdown()


@pytest.fixture
def server(both: tuple[FakeRest, Any]) -> Iterator[Server]:
    """The correct server, and a new channel to it."""
    rest, fake = both
    fake.fault = lambda called: None
    client = GrpcClient(fake.address)
    yield Server(f"http://127.0.0.1:{rest.server_port}", from_file(EXAMPLE), client)
    client.close()


@pytest.mark.parametrize("name", OVER_GRPC)
def test_a_correct_server_passes_each_case(name: str, server: Server) -> None:
    assert run(CASES[name], server).verdict == "passed", run(CASES[name], server)


@pytest.mark.parametrize("name", OVER_GRPC)
def test_a_server_that_breaks_its_rule_fails_each_case(name: str, both: tuple[FakeRest, Any], server: Server) -> None:
    assert server.grpc.extensions
    both[1].fault = FAULTS[name]
    assert run(CASES[name], server).verdict == ("advice" if CASES[name].advice else "FAILED")


def test_every_fault_is_one_of_a_case() -> None:
    assert FAULTS.keys() == set(OVER_GRPC)


def test_a_server_that_is_not_there_fails(server: Server) -> None:
    absent = GrpcClient("127.0.0.1:1")
    assert run(CASES["grpc_server_is_live"], Server(server.url, server.sample, absent)).verdict == "FAILED"
    absent.close()
