"""The suite passes on a correct server, and each case fails on one that breaks its rule: a test must be able to fail."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.conformance.fake_rest import FakeRest
from tests.conformance.faults import FAULTS
from tests.conformance.listing import table
from tests.conformance.run import run
from tests.conformance.sample import from_file, from_metadata
from tests.conformance.server import Server

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = Path(__file__).parent / "examples" / "sum.json"
OVER_REST = [name for name, case in CASES.items() if not case.grpc]
OVER_GRPC = [name for name, case in CASES.items() if case.grpc]


@pytest.fixture(scope="module")
def running() -> Iterator[FakeRest]:
    with FakeRest() as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        yield fake
        fake.shutdown()


@pytest.fixture
def fake(running: FakeRest) -> FakeRest:
    """The correct server, whatever the test before made of it."""
    running.fault = lambda ask, answer: None
    return running


@pytest.fixture
def server(fake: FakeRest) -> Server:
    """As the suite sees the fake, nothing remembered from the test before."""
    return Server(f"http://127.0.0.1:{fake.server_port}", from_file(EXAMPLE))


@pytest.mark.parametrize("name", OVER_REST)
def test_a_correct_server_passes_each_case(name: str, server: Server) -> None:
    assert run(CASES[name], server).verdict == "passed", run(CASES[name], server)


@pytest.mark.parametrize("name", OVER_REST)
def test_a_server_that_breaks_its_rule_fails_each_case(name: str, fake: FakeRest, server: Server) -> None:
    extensions = server.extensions
    server.__dict__["extensions"] = extensions
    fake.fault = FAULTS[name]
    assert run(CASES[name], server).verdict == ("advice" if CASES[name].advice else "FAILED")


@pytest.mark.parametrize("name", [name for name in OVER_REST if name.endswith("_refused") and "Error Object" in CASES[name].clause])
def test_a_refusal_without_a_message_fails(name: str, fake: FakeRest, server: Server) -> None:
    fake.fault = lambda ask, answer: answer.head.pop("error", None) if isinstance(answer.head, dict) else None
    assert run(CASES[name], server).verdict == "FAILED"


def test_a_connection_that_a_refusal_leaves_dirty_is_found(fake: FakeRest, server: Server) -> None:
    fake.fault = lambda ask, answer: setattr(answer, "litter", b"left over" if answer.status >= 400 else b"")
    assert run(CASES["truncated_json_is_refused"], server).verdict == "FAILED"


def test_a_connection_that_a_refusal_ends_is_opened_again(fake: FakeRest, server: Server) -> None:
    fake.fault = lambda ask, answer: setattr(answer, "hang_up", answer.status >= 400)
    assert run(CASES["truncated_json_is_refused"], server).verdict == "passed"


@pytest.mark.parametrize("name", ["server_is_live", "unknown_output_is_refused"])
def test_silence_is_no_answer(name: str, fake: FakeRest, server: Server) -> None:
    fake.fault = lambda ask, answer: setattr(answer, "silent", True)
    outcome = run(CASES[name], server)
    assert outcome.verdict == "FAILED" and "answer" in outcome.reason


def test_an_extension_that_is_not_listed_is_skipped_unless_it_is_assumed(fake: FakeRest, server: Server) -> None:
    fake.fault = lambda ask, answer: answer.head.update(extensions=["model_repository(index)"]) if ask.path == "/v2" else None
    assert run(CASES["binary_inputs_give_what_json_gives"], server).verdict == "skipped"
    assert run(CASES["index_lists_the_model"], server).verdict == "passed"
    assert run(CASES["unknown_model_is_not_loaded"], server).verdict == "skipped"
    assuming = Server(server.url, server.sample, assumed=frozenset({"binary_tensor_data"}))
    assert run(CASES["binary_inputs_give_what_json_gives"], assuming).verdict == "passed"


def test_inputs_are_made_up_from_metadata(server: Server) -> None:
    sample = from_metadata("sum", server.metadata)
    assert [each.shape for each in sample.inputs] == [[2, 3], [2, 3]] and sample.inputs[0].values == [1] * 6
    assert run(CASES["binary_inputs_give_what_json_gives"], Server(server.url, sample)).verdict == "passed"


@pytest.mark.parametrize(("fault", "status"), [("none", 0), ("server_is_live", 1), ("server_live_has_a_body", 0)])
def test_the_command_ends_with_1_only_where_a_demand_is_not_met(fault: str, status: int, fake: FakeRest) -> None:
    fake.fault = FAULTS.get(fault, fake.fault)
    command = [sys.executable, "-m", "tests.conformance", "--url", f"http://127.0.0.1:{fake.server_port}", "--example", str(EXAMPLE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"of {len(CASES)} cases")
    assert "NO gRPC CASE IS RUN" in done.stderr


def test_the_documentation_lists_every_case() -> None:
    assert table() in (ROOT / "docs" / "conformance.md").read_text()


def test_every_fault_is_one_of_a_case() -> None:
    assert FAULTS.keys() == set(OVER_REST)
