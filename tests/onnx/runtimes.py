"""The four runtimes: what each is called, where it is missing, and how it runs a folder of graphs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

from tests.onnx import in_browser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSTALLED = HERE / "node_modules" / ".package-lock.json"  # npm writes it last
WITHIN_S = 1200


@dataclass(frozen=True)
class Runtime:
    """What runs graphs of opsets up to `newest`, and loads none beyond; `missing` says what this machine lacks for it."""

    name: str
    newest: int
    missing: Callable[[], str | None]
    title: Callable[[], str]
    run: Callable[[Path], None]


def program(command: list[str | Path], cwd: Path = ROOT) -> None:
    """Run it; fails with what it says."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def install() -> None:
    """The npm packages beside this file, as package-lock.json pins them, without running anything of theirs."""
    if not INSTALLED.is_file() or INSTALLED.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        program(["npm", "ci", "--ignore-scripts"], HERE)


def pinned(package: str) -> str:
    """Its version in package-lock.json."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    return str(packages[f"node_modules/{package}"]["version"])


def no_node() -> str | None:
    """What Node lacks."""
    return next((f"there is no `{name}` on the PATH (get Node 18 or newer)" for name in ("node", "npm") if not shutil.which(name)), None)


def no_browser() -> str | None:
    """What the browser lacks; npm brings its files."""
    return no_node() or (None if in_browser.chromium() else "there is no Chromium (apt-get install chromium)")


def in_node(folder: Path) -> None:
    """ONNX Runtime for Node."""
    install()
    program(["node", HERE / "in_node.mjs", folder])


def browse(folder: Path) -> None:
    """ONNX Runtime for the web."""
    install()
    in_browser.run(folder, WITHIN_S)


def in_python(name: str) -> Callable[[Path], None]:
    """A runtime that Python imports."""
    return lambda folder: program([sys.executable, "-m", "tests.onnx.in_python", name, folder])


RUNTIMES = [
    Runtime("onnxruntime", 28, lambda: None, lambda: f"Python: onnxruntime {onnxruntime.__version__}", in_python("onnxruntime")),
    Runtime("node", 26, no_node, lambda: f"Node: onnxruntime-node {pinned('onnxruntime-node')}", in_node),
    Runtime("browser", 26, no_browser, lambda: f"{in_browser.version()}: onnxruntime-web {pinned('onnxruntime-web')}, wasm", browse),
    Runtime("reference", 28, lambda: None, lambda: f"onnx.reference {onnx.__version__}", in_python("reference")),
]


def must_have_all() -> bool:
    """Whether a missing runtime is a failure, and not a skip."""
    return os.environ.get("GRADWIRE_ALL_LANGUAGES") == "1"
