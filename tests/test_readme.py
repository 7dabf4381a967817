"""Every block of the README is run as a reader would run it, and gives what the README says."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.catalogue import catalogue
from tests.conftest import answers, free_port, wait_until_ready

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
WRITTEN_AT = "http://127.0.0.1:8000"


def following(text: str) -> Any:
    """The JSON block after this one, if that is what comes next."""
    languages_and_texts = BLOCKS[[each for _, each in BLOCKS].index(text) + 1 :]
    return json.loads(languages_and_texts[0][1]) if languages_and_texts and languages_and_texts[0][0] == "json" else None


def same(found: Any, expected: Any) -> bool:
    """Equal, numbers to float32."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return math.isclose(found, expected, rel_tol=1e-5) if isinstance(expected, float) else bool(found == expected)


def test_every_kind_of_block_is_one_that_is_run_here() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "js", "json"}
    assert all(any(word in text for word in ("make ", "curl ", "models.export")) for text in SHELL)


@pytest.mark.parametrize("command", [text for text in SHELL if "curl" in text])
def test_each_curl_gives_the_reply_that_is_printed_below_it(command: str, live_service: str, tmp_path: Path) -> None:
    done = subprocess.run(["bash", "-c", command.replace(WRITTEN_AT, live_service)], capture_output=True, check=True, cwd=tmp_path)
    expected = following(command)
    if expected is None:
        (written,) = tmp_path.iterdir()
        assert written.stat().st_size > 1000
    else:
        assert same(json.loads(done.stdout), expected)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_javascript_gives_what_the_curl_gives(live_service: str) -> None:
    (program,) = [text for language, text in BLOCKS if language == "js"]
    node = ["node", "--input-type=module", "--eval", program.replace(WRITTEN_AT, live_service)]
    printed = subprocess.run(node, capture_output=True, check=True, text=True).stdout
    expected = following(next(text for text in SHELL if "/grad" in text))
    loss, grad = printed.split(maxsplit=1)
    assert same([float(loss), json.loads(grad.strip())], [expected["loss"], expected["grad"]])


def test_the_export_command_writes_graphs(tmp_path: Path) -> None:
    (command,) = [text for text in SHELL if "models.export" in text]
    command = command.replace(".venv/bin/python", sys.executable).replace("build/graphs", str(tmp_path))
    subprocess.run(["bash", "-c", command], check=True, cwd=ROOT, capture_output=True)
    assert list(tmp_path.glob("softmax_cross_entropy.grad.sparse.*.onnx"))


@pytest.mark.skipif(not (ROOT / ".venv" / ".service").exists(), reason="make has not installed into .venv")
@pytest.mark.parametrize("command", [text for text in SHELL if "make serve" in text])
def test_make_serve_serves(command: str) -> None:
    port = str(free_port())
    command = command.replace("GRADWIRE_PORT=9000 ", "")
    environment = os.environ | {"GRADWIRE_PORT": port}
    service = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert service.stderr is not None
        wait_until_ready(lambda: answers(f"http://127.0.0.1:{port}/health/ready"))
        first = service.stderr.readline()
        process = int(re.search(r"process (\d+)", first)[1])  # type: ignore[index]
        os.kill(process, 15)
        assert service.wait(30) == 0
    finally:
        service.kill()
        service.communicate()


def test_make_test_is_what_runs_this_suite() -> None:
    assert any(text == "make test\n" for text in SHELL)
    planned = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert "-m pytest" in planned


def test_every_loss_parameter_and_alias_is_in_the_table() -> None:
    for name, loss in catalogue().items():
        (row,) = [line for line in README.splitlines() if line.startswith(f"| `{name}` |")]
        for word in (*loss.about.aliases, *loss.params.model_fields):
            assert f"`{word}`" in row
        assert f"| {loss.about.unit} |" in row


def test_every_file_that_is_named_is_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
