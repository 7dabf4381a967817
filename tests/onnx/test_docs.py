"""The blocks of docs/onnx.md are run as a reader would run them, and its table has every loss."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.catalogue import catalogue
from tests.onnx.matrix import DOCS
from tests.onnx.runtimes import HERE, ROOT, install, must_have_all, no_node
from tests.test_readme import WRITTEN_AT

TEXT = DOCS.read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
REQUEST = {
    "loss": "softmax_cross_entropy",
    "params": {"label_smoothing": 0.1},
    "scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
    "labels": [[0], [1, 2]],
}


def block(word: str) -> str:
    (found,) = [text for language, text in BLOCKS if word in (language, *text.split())]
    return str(found)


@pytest.fixture(scope="module")
def folder(live_service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the graph is, as the first block gets it."""
    found = tmp_path_factory.mktemp("docs")
    subprocess.run(["bash", "-c", block("curl").replace(WRITTEN_AT, live_service)], cwd=found, check=True)
    return found


def assert_is_the_service_s_reply(printed: str, client: TestClient) -> None:
    expected = client.post("/grad", json=REQUEST).json()
    numbers = [float(each) for each in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", printed)]
    np.testing.assert_allclose(numbers, [expected["loss"], *np.ravel(expected["grad"])], rtol=1e-5, atol=1e-7)


def test_the_python_prints_what_the_service_replies(folder: Path, client: TestClient) -> None:
    done = subprocess.run([sys.executable, "-c", block("python")], cwd=folder, capture_output=True, text=True, check=True)
    assert_is_the_service_s_reply(done.stdout, client)


def test_the_javascript_prints_what_the_service_replies(folder: Path, client: TestClient) -> None:
    missing = no_node()
    if missing and not must_have_all():
        pytest.skip(f"NOT CHECKED: the JavaScript of docs/onnx.md: {missing}")
    install()
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    node = ["node", "--input-type=module", "--eval", block("js")]
    done = subprocess.run(node, cwd=folder, capture_output=True, text=True, check=True)
    assert_is_the_service_s_reply(done.stdout, client)


@pytest.mark.parametrize("command", [text for _, text in BLOCKS if "models.export" in text])
def test_the_commands_write_graphs(command: str, tmp_path: Path) -> None:
    command = command.replace(".venv/bin/python", sys.executable).replace("build/", f"{tmp_path}/")
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True, capture_output=True)
    assert list(tmp_path.rglob("*.onnx"))


def test_the_table_has_every_loss() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", TEXT.partition("<!-- matrix -->")[2], re.MULTILINE)
    assert set(rows) == {(name, kind) for name in catalogue() for kind in ("loss", "grad")}, "run python -m tests.onnx --docs"
    assert "fail**" not in TEXT
