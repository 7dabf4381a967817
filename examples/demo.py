"""`make demo`: plain JavaScript learns the handwritten digits with gradients from gradwire; then PyTorch learns the same in process.

Uses the service at GRADWIRE_URL; without one, starts a service of its own on a free port and ends it afterwards.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import digits

HERE = Path(__file__).parent
FOLDER = HERE.parent / "build" / "demo"
READY_WITHIN_S = 120


class DemoError(Exception):
    """The demo cannot go on; the message is for people."""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(log: Path) -> Iterator[str]:
    """The URL of the service at GRADWIRE_URL, or of one that lives as long as this block."""
    if url := os.environ.get("GRADWIRE_URL"):
        yield url
        return
    port = free_port()
    environment = os.environ | {"GRADWIRE_HOST": "127.0.0.1", "GRADWIRE_PORT": str(port)}
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "service"], cwd=HERE.parent, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask /health/ready until it says yes, the service is gone, or too much time has passed."""
    deadline = time.monotonic() + READY_WITHIN_S
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the service ended with status {process.returncode}; its log, {log}, ends with:\n{tail(log)}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            directly.open(f"{url}/health/ready", timeout=5).close()
            return
        time.sleep(0.1)
    raise DemoError(f"the service was not ready within {READY_WITHIN_S} s; its log, {log}, ends with:\n{tail(log)}")


def tail(log: Path, lines: int = 10) -> str:
    """The last lines of a file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def demo(loss: str) -> bool:
    """The whole of it; True if both trainings gave the same weights."""
    node = shutil.which("node")
    if node is None:
        raise DemoError("Node 18 or newer is needed (https://nodejs.org); there is no `node` on the PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    data, trained = FOLDER / "digits.json", FOLDER / "trained.json"
    digits.write(data)
    with service(FOLDER / "service.log") as url:
        print(f"training in JavaScript, with {loss} from {url}", flush=True)
        done = subprocess.run([node, HERE / "digits.mjs", "--url", url, "--loss", loss, "--data", data, "--out", trained])
    if done.returncode:
        raise DemoError(f"the training ended with status {done.returncode}")
    print("\nthe same training in PyTorch ...\n", flush=True)
    return digits.compare(data, trained)


def main() -> int:
    """0 if both trainings gave the same weights."""
    parser = argparse.ArgumentParser("demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service ends with the demo
    parser.add_argument("--loss", choices=list(digits.LOSSES), default="binary_cross_entropy")
    try:
        return 0 if demo(parser.parse_args().loss) else 1
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
