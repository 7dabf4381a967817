"""Clients that no one here wrote talk to the service, each in a virtual environment of its own: they pin what the service does not."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILT = ROOT / "build" / "clients"
SCRIPTS = sorted(f"{each.parent.name}/{each.name}" for each in HERE.glob("*/check_*.py"))
WRITTEN_AT = "127.0.0.1:8000"


def python(client: str) -> Path:
    """The interpreter of a client's environment."""
    return environment(BUILT / client, HERE / client / "requirements.txt")


def environment(folder: Path, wanted: Path, *options: str) -> Path:
    """The interpreter of an environment, made once for its requirements, with these options of pip."""
    stamp, made = folder / "made-of", hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != made:
        run([sys.executable, "-m", "venv", "--clear", folder])
        run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options, "-r", wanted])
        stamp.write_text(made)
    return folder / "bin" / "python"


def run(command: list[str | Path]) -> str:
    """What a command prints; fails with it where the command fails."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=plain, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_client_gets_what_it_expects(script: str, live_service: str, live_grpc: str) -> None:
    client = script.partition("/")[0]
    printed = run([python(client), HERE / script, live_service.removeprefix("http://"), live_grpc])
    print(printed)
    assert re.search(r"^[1-9]\d* checks, all well$", printed, re.MULTILINE), printed


def test_the_program_in_the_documentation_prints_the_loss(live_service: str) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "wire.md").read_text(), re.MULTILINE | re.DOTALL)
    printed = run([python("triton"), "-c", program.replace(WRITTEN_AT, live_service.removeprefix("http://"))])
    assert printed.startswith("[0.67021")
