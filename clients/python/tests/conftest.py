"""Where the services are that clients/README.md lists; `tests/languages` starts them."""

import json
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gradwire

NAMES = ("GRADWIRE_URL", "GRADWIRE_LOCKED_URL", "GRADWIRE_LOCKED_KEY", "GRADWIRE_FAULTS_URL", "GRADWIRE_GOLDEN")


def pytest_configure() -> None:
    missing = [name for name in NAMES if name not in os.environ]
    if missing:
        pytest.exit(f"{', '.join(missing)}: not set; `pytest tests/languages -k python` starts the services and sets them", returncode=2)


@pytest.fixture(scope="session")
def live() -> str:
    return os.environ["GRADWIRE_URL"]


@pytest.fixture(scope="session")
def locked() -> tuple[str, str]:
    return os.environ["GRADWIRE_LOCKED_URL"], os.environ["GRADWIRE_LOCKED_KEY"]


@pytest.fixture(scope="session")
def faults() -> str:
    return os.environ["GRADWIRE_FAULTS_URL"]


@pytest.fixture(scope="session")
def golden() -> Path:
    return Path(os.environ["GRADWIRE_GOLDEN"])


@pytest.fixture
def token() -> str:
    return uuid.uuid4().hex


@pytest.fixture(params=["binary", "json"])
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def stats(faults: str) -> Callable[..., dict[str, int]]:
    """What the misbehaving server has counted."""

    def counted(token: str = "") -> dict[str, int]:
        with urllib.request.urlopen(f"{faults}/stats{token and '/' + token}", timeout=5) as reply:
            found: dict[str, int] = json.loads(reply.read())
            return found

    return counted


@pytest.fixture
def client(live: str, form: Any) -> Iterator[gradwire.Client]:
    """A client of the live service, in each form."""
    with gradwire.Client(live, form=form) as client:
        yield client
