"""Clients that OpenAPI Generator makes of our document compile, and get right answers: in TypeScript, and in Go.

The generator is a Java program, fetched into an environment of its own.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalogue import catalogue
from tests.clients.test_clients import environment

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILT = ROOT / "build" / "generated"
TYPESCRIPT = ROOT / "clients" / "typescript"
TSCONFIG = '{"compilerOptions": {"target": "es2022", "module": "es2022", "moduleResolution": "bundler", "strict": true, "types": []}}'
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
# Softmax cross-entropy: 1/k of each label's -log p, averaged over two rows, and its gradient; by mpmath with 50 digits.
EXPECTED = [
    0.6702130718665099,
    *(-0.10720148270536208, 0.08764519607001835, 0.019556286635343725),
    *(0.02254454773996143, -0.1822724356543695, 0.1597278879144081),
]


def run(command: list[str | Path], folder: Path) -> str:
    """What a command prints; fails with it where the command fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(*programs: str) -> None:
    """Skip where one of them is not installed, unless everything has to be."""
    missing = [each for each in programs if shutil.which(each) is None]
    if missing and os.environ.get("GRADWIRE_ALL_LANGUAGES") == "1":
        pytest.fail(f"GRADWIRE_ALL_LANGUAGES is set, and there is no {', '.join(missing)}")
    if missing:
        pytest.skip(f"there is no {', '.join(missing)}")


def generated(url: str, generator: str, folder: Path, properties: str) -> None:
    """A client of the document that a service gives."""
    shutil.rmtree(folder, ignore_errors=True)
    cli = environment(BUILT / "generator", HERE / "requirements.txt").parent / "openapi-generator-cli"
    run([cli, "generate", "-i", f"{url}/openapi.json", "-g", generator, "-o", folder, "--additional-properties", properties], ROOT)


def in_go(url: str) -> str:
    """Generated, built and run."""
    needs("java", "go")
    folder = BUILT / "go"
    generated(url, "go", folder / "gradwire", "packageName=gradwire")
    for name in ("go.mod", "go.sum"):
        (folder / "gradwire" / name).unlink()
    (folder / "go.mod").write_text("module gradwire.test\n\ngo 1.19\n")
    shutil.copy(HERE / "check.go", folder / "main.go")
    shutil.rmtree(folder / "gradwire" / "test")  # they need a library that the client does not
    run(["go", "vet", "./..."], folder)
    return run(["go", "run", ".", url], folder)


def in_typescript(url: str) -> str:
    """Generated, compiled strictly and run."""
    needs("java", "node", "npm")
    folder = BUILT / "typescript"
    generated(url, "typescript-fetch", folder / "generated", "importFileExtension=.js")
    shutil.copy(HERE / "check.ts", folder / "check.ts")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(TYPESCRIPT / name, folder / name)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    (folder / "tsconfig.json").write_text(TSCONFIG)
    run(["node_modules/.bin/tsc", "-p", "."], folder)
    return run(["node", "check.js", url], folder)


@pytest.mark.parametrize("client", [in_typescript, in_go])
def test_a_generated_client_gets_right_answers_and_refusals(client: Callable[[str], str], live_service: str) -> None:
    answer, losses, refusal = client(live_service).splitlines()
    assert [float(each) for each in NUMBER.findall(answer)] == pytest.approx(EXPECTED, rel=1e-12)
    assert losses.split() == list(catalogue())
    assert refusal == "422 /labels/1/0 class 7 is out of range for C = 3"
