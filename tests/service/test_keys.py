"""API keys: hashed, several at once, exchanged without a restart, each with its own limits."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from models.contract import Runtime
from service.app import create_app
from service.errors import BadSetting, Overloaded, Unauthorized
from service.keys import Keys
from service.settings import Settings
from tests.conftest import wait_until_ready
from tests.service.problems import GOOD, assert_problem


def line(key: str, name: str = "") -> str:
    """A key's line in the file."""
    return f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n"


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "keys"
    found.write_text("# callers\n" + line("first", "trainer") + "\n" + line("second"))
    return found


@pytest.fixture
def guarded(file: Path, runtimes: dict[str, Runtime]) -> Iterator[TestClient]:
    settings = Settings(_env_file=None, api_keys_file=file)  # type: ignore[call-arg]
    with TestClient(create_app(settings, runtimes), raise_server_exceptions=False) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


WITHOUT = [{}, {"authorization": ""}, {"authorization": "Bearer"}, bearer("third"), {"authorization": "Basic first"}]


@pytest.mark.parametrize("header", WITHOUT)
def test_a_request_without_a_key_that_is_known_is_401_and_says_what_to_send(header: dict[str, str], guarded: TestClient) -> None:
    for call in (guarded.post("/grad", json=GOOD, headers=header), *(guarded.get(path, headers=header) for path in ("/losses", "/v2"))):
        assert_problem(call, 401, "key")
        assert call.headers["www-authenticate"] == "Bearer"
        assert "first" not in call.text


@pytest.mark.parametrize("key", ["first", "second"])
def test_every_key_of_the_file_is_let_in(key: str, guarded: TestClient) -> None:
    assert guarded.post("/grad", json=GOOD, headers=bearer(key)).status_code == 200
    assert guarded.post("/grad", json=GOOD, headers={"authorization": f"bearer  {key} "}).status_code == 200


def test_health_and_metrics_need_no_key(guarded: TestClient) -> None:
    for path in ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"):
        assert guarded.get(path).status_code == 200


def test_keys_are_exchanged_without_a_restart(file: Path) -> None:
    clock = Clock()
    keys = Keys(file, clock=clock)
    keys.leave(keys.enter("Bearer first"))
    file.write_text(line("second") + line("third"))
    os.utime(file, ns=(1, 1))
    clock.now += 10
    keys.leave(keys.enter("Bearer third"))
    with pytest.raises(Unauthorized):
        keys.enter("Bearer first")
    file.write_text("nonsense")
    clock.now += 10
    keys.leave(keys.enter("Bearer third"))
    file.unlink()
    clock.now += 10
    keys.leave(keys.enter("Bearer third"))


def test_a_key_has_so_many_requests_a_second_and_at_once(file: Path) -> None:
    clock = Clock()
    keys = Keys(file, rate=2, concurrency=2, clock=clock)
    first, second = keys.enter("Bearer first"), keys.enter("Bearer first")
    with pytest.raises(Overloaded, match="2 requests running"):
        keys.enter("Bearer first")
    keys.leave(keys.enter("Bearer second"))
    keys.leave(first)
    keys.leave(second)
    with pytest.raises(Overloaded, match="2 requests a second"):
        keys.enter("Bearer first")
    clock.now += 0.5
    keys.leave(keys.enter("Bearer first"))
    with pytest.raises(Overloaded):
        keys.enter("Bearer first")
    clock.now += 100
    for _ in range(2):
        keys.leave(keys.enter("Bearer first"))
    with pytest.raises(Overloaded):
        keys.enter("Bearer first")


@pytest.mark.parametrize("text", ["", "# none\n", "first\n", "g" * 64, line("a") + "b\n", b"\xff"])
def test_a_file_that_holds_no_keys_ends_the_start(text: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadSetting, match="GRADWIRE_API_KEYS_FILE"):
        Keys(file)
    with pytest.raises(BadSetting, match="GRADWIRE_API_KEYS_FILE"):
        Keys(tmp_path / "absent")


def test_a_key_can_be_made(tmp_path: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "service.keys", "trainer"], capture_output=True, text=True, check=True)
    file = tmp_path / "keys"
    file.write_text(made.stderr)
    assert Keys(file).enter(f"Bearer {made.stdout.strip()}")
    assert made.stderr.split()[1] == "trainer"
    assert len(made.stdout.strip()) > 40
