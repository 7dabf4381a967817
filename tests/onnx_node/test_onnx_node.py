"""Stock ONNX Runtime for Node computes from the exported graphs what the service replies."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / ".package-lock.json"  # npm writes it last


def program(name: str) -> str:
    """Where a program is; without it nothing can be checked here, and that is said aloud."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT CHECKED: the exported graphs in ONNX Runtime for Node; there is no `{name}` on the PATH (get Node 18 or newer)")
    return found


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with onnxruntime-node installed beside this file as package-lock.json pins it."""
    found, npm = program("node"), program("npm")
    if not INSTALLED.is_file() or INSTALLED.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=HERE, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
    return found


def test_every_exported_graph_agrees_with_the_service_in_onnx_runtime_for_node(node: str, live_service: str) -> None:
    done = subprocess.run([node, "check.mjs", live_service], cwd=HERE, capture_output=True, text=True, timeout=300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("passed, 0 failed")
