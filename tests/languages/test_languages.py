"""Each language's client: built, tried against a service, one that wants a key, and one that misbehaves, by the language's own `check`."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent.parent.parent / "clients"
LANGUAGES = ["python", "go", "rust", "typescript", "java", "cpp", "r"]
LONGEST_S = 300
NOT_INSTALLED = 77
WELL = re.compile(r"^[1-9]\d* checks, all well$")


def checked(command: Path, environment: dict[str, str]) -> tuple[int, list[str]]:
    """Run it, with whatever it starts in a group of its own, which is ended when it takes too long: its exit code and lines."""
    with subprocess.Popen(
        [command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as check:
        try:
            printed, _ = check.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            os.killpg(check.pid, signal.SIGKILL)
            printed, _ = check.communicate()
            pytest.fail(f"{command} is not done after {LONGEST_S} s:\n{printed}")
    return check.returncode, printed.splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_client_does_what_all_clients_do(language: str, environment: dict[str, str]) -> None:
    code, lines = checked(CLIENTS / language / "check", environment)
    if code == NOT_INSTALLED:
        missing = f"{language}: {lines[-1] if lines else 'its check says nothing'}"
        if os.environ.get("GRADWIRE_ALL_LANGUAGES") == "1":
            pytest.fail(f"GRADWIRE_ALL_LANGUAGES is set, and {missing}")
        pytest.skip(missing)
    assert code == 0, "\n".join(lines[-100:])
    assert lines and WELL.match(lines[-1]), "\n".join(lines[-100:])


def test_every_client_is_tried_here_and_described_to_its_users() -> None:
    folders = {each.name for each in CLIENTS.iterdir() if each.is_dir()}
    assert folders == set(LANGUAGES)
    for name in LANGUAGES:
        assert (CLIENTS / name / "README.md").exists()
        assert os.access(CLIENTS / name / "check", os.X_OK)
        assert f"| `{name}/` |" in (CLIENTS / "README.md").read_text()
