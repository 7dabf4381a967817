"""The example of the documentation, run as a reader would; and NumPy is all that it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "ten_lines.py"
README = Path(__file__).parent.parent / "README.md"
WITHOUT_TORCH = "import runpy, sys; sys.modules['torch'] = None; "


def run(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GRADWIRE_URL": url}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize("command", [[str(EXAMPLE)], ["-c", f"{WITHOUT_TORCH}runpy.run_path({str(EXAMPLE)!r})"]])
def test_the_example_prints_the_loss_and_its_gradient(command: list[str], live: str, golden: Path) -> None:
    done = run(*command, url=live)
    assert (done.returncode, done.stderr) == (0, "")
    expected = json.loads((golden / "softmax.reply.json").read_text())
    loss, *rows = ([float(word) for word in line.split()] for line in done.stdout.splitlines())
    np.testing.assert_allclose(loss, [expected["loss"]], rtol=1e-5)
    np.testing.assert_allclose(rows, expected["grad"], rtol=1e-5)


def test_the_example_says_what_is_wrong() -> None:
    done = run(str(EXAMPLE), url="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "cannot reach http://127.0.0.1:1/grad: Connection refused\n"


def test_remote_loss_says_that_it_needs_torch(live: str) -> None:
    done = run("-c", f"{WITHOUT_TORCH}import gradwire.torch", url=live)
    assert done.stderr.splitlines()[-1] == "ImportError: gradwire.torch needs PyTorch: pip install 'gradwire[torch]'"


def test_importing_the_client_does_not_import_torch(live: str) -> None:
    assert run("-c", "import sys, gradwire; sys.exit('torch' in sys.modules)", url=live).returncode == 0


def test_the_readme_shows_the_example() -> None:
    assert f"```python\n{EXAMPLE.read_text()}```" in README.read_text()
