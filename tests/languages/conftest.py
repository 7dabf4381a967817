"""The services that every language's client is tried against, as clients/README.md lists them."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import running_service

ROOT = Path(__file__).parent.parent.parent
KEY = "a-key-of-the-locked-service"
MOST_BYTES = "100000"


@pytest.fixture(scope="session")
def locked_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants KEY, and takes small bodies only."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{hashlib.sha256(KEY.encode()).hexdigest()} languages\n")
    with running_service(GRADWIRE_API_KEYS_FILE=str(keys), GRADWIRE_MAX_BODY_BYTES=MOST_BYTES) as service:
        yield service.url


@pytest.fixture(scope="session")
def faults() -> Iterator[str]:
    """The server that misbehaves."""
    command = [sys.executable, "-m", "tests.languages.faults"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().rpartition(" ")[2].strip()
        server.terminate()
        assert server.wait(timeout=5) == 0


@pytest.fixture(scope="session")
def environment(live_service: str, locked_service: str, faults: str) -> dict[str, str]:
    """What a language's `check` is told."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")}
    return inherited | {
        "GRADWIRE_URL": live_service,
        "GRADWIRE_LOCKED_URL": locked_service,
        "GRADWIRE_LOCKED_KEY": KEY,
        "GRADWIRE_FAULTS_URL": faults,
        "GRADWIRE_GOLDEN": str(ROOT / "tests" / "golden"),
        "PYTHON": sys.executable,
    }
