"""What several test files need: the runtimes, the app, and a live service."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from models.contract import Runtime
from models.export import Graphs, default_folder
from models.runtimes.onnx import OnnxRuntime
from models.runtimes.pytorch import PyTorch
from service.app import create_app
from service.settings import Settings

CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")])
STARTS_WITHIN_S = 15


@pytest.fixture(scope="session")
def runtimes() -> dict[str, Runtime]:
    """Every runtime by its name, on the CPU."""
    return {"pytorch": PyTorch(), "onnx": OnnxRuntime(Graphs(default_folder()))}


@pytest.fixture(scope="session", params=["pytorch", "equations", "onnx", CUDA])
def runtime(request: pytest.FixtureRequest, runtimes: dict[str, Runtime]) -> Runtime:
    """Each runtime in turn; PyTorch with its fused kernel, where that was built, and without."""
    others = {"cuda": lambda: PyTorch("cuda"), "equations": lambda: PyTorch(fused=False)}
    return others[request.param]() if request.param in others else runtimes[request.param]


@pytest.fixture(scope="session")
def client(runtimes: dict[str, Runtime]) -> Iterator[TestClient]:
    """The app with both runtimes, warm; an error of the app itself comes back as a 500, as it would over a wire."""
    settings = Settings(_env_file=None, max_body_bytes=8 << 20)  # type: ignore[call-arg]
    with TestClient(create_app(settings, runtimes), raise_server_exceptions=False) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture(scope="session")
def live_process() -> Iterator["running_service"]:
    """The service in a process of its own, as a user starts it; system shared memory is on."""
    with running_service(GRADWIRE_SHARED_MEMORY="true") as service:
        yield service


@pytest.fixture(scope="session")
def live_service(live_process: "running_service") -> str:
    """Its URL."""
    return live_process.url


@pytest.fixture(scope="session")
def live_grpc(live_process: "running_service") -> str:
    """Its host:port for gRPC."""
    return live_process.grpc


class running_service:  # noqa: N801 - used as a function
    """Start `python -m service` on a free port, with these settings besides; end it by TERM."""

    def __init__(self, **settings: str) -> None:
        port, grpc_port = free_port(), free_port()
        self.url, self.grpc = f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")}
        self.environment = inherited | {"GRADWIRE_PORT": str(port), "GRADWIRE_GRPC_PORT": str(grpc_port)} | settings

    def __enter__(self) -> "running_service":
        root = Path(__file__).parent.parent
        self.process = subprocess.Popen([sys.executable, "-m", "service"], env=self.environment, cwd=root, stderr=subprocess.DEVNULL)
        wait_until_ready(lambda: answers(f"{self.url}/health/ready"))
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def wait_until_ready(is_ready: Callable[[], bool]) -> None:
    """Poll until it is; fail after the time that the service promises."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not is_ready():
        assert time.monotonic() < deadline, f"not ready within {STARTS_WITHIN_S} s"
        time.sleep(0.05)
