"""Over TLS it is the same: a certificate that is not trusted is no connection, and the timeout is of the whole call."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import gradwire

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, which makes a certificate")
JOB: dict[str, Any] = {
    "scores": np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], np.float32),
    "labels": [[0], [1, 2]],
    "loss": "softmax_cross_entropy",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", folder / "key", "-out", folder / "certificate"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "both").write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    return folder / "both"


@pytest.fixture
def tls(certificate: Path, faults: str) -> Iterator[str]:
    """The misbehaving server, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    target = urlsplit(faults)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=relay, args=(listening, context, (target.hostname, target.port)), daemon=True)
        serving.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        serving.join(5)


def relay(listening: socket.socket, context: ssl.SSLContext, target: Any) -> None:
    """Each connection, one at a time: its requests there, and the replies back."""
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listening.accept()
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(plain, server_side=True) as near,
                socket.create_connection(target) as far,
            ):
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join(5)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(1 << 16):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
def test_a_certificate_that_is_trusted_is_a_connection_that_is_kept(tls: str, stats: Any) -> None:
    before = stats()["connections"]
    with gradwire.Client(f"{tls}/golden/softmax") as client:
        for _ in range(5):
            assert client.grad(**JOB).loss == pytest.approx(0.67021304)
        assert stats()["connections"] - before == 1


def test_a_certificate_that_is_not_trusted_is_no_connection(tls: str) -> None:
    with gradwire.Client(f"{tls}/golden/softmax") as client, pytest.raises(gradwire.Unreachable, match=r"(?i)certificate"):
        client.grad(**JOB)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("fault", ["silent", "stalls", "trickles"])
def test_the_timeout_is_of_the_whole_call(fault: str, tls: str) -> None:
    began = time.monotonic()
    with gradwire.Client(f"{tls}/{fault}", timeout_s=0.7) as client, pytest.raises(gradwire.TimedOut):
        client.grad(**JOB)
    assert 0.6 < time.monotonic() - began < 1.2


@pytest.mark.usefixtures("trusted")
def test_plain_http_there_is_no_gradwire(tls: str) -> None:
    with gradwire.Client(tls.replace("https", "http")) as client, pytest.raises(gradwire.GradwireError):
        client.grad(**JOB)
