"""The training programs of the languages: which there are, running one, and reading what it wrote."""

import os
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from examples.train.reference import Recipe, Trained

NOT_INSTALLED = 77
WITHIN_S = 600  # a first run builds


class ProgramError(Exception):
    """A program that is not there, that failed, or whose output is no result of this training."""


class NotInstalled(ProgramError):
    """The language is not on this machine; the text is what the program says of it."""


@dataclass(frozen=True)
class Way:
    """How a program talks to the service; the names are those of its options."""

    form: str
    dtype: str
    runtime: str


def installed(folder: Path, wanted: str) -> dict[str, Path]:
    """The program `<language>/train` in this folder of each language: `all`, or names with commas between them."""
    found = {file.parent.name: file for file in sorted(folder.glob("*/train")) if os.access(file, os.X_OK)}
    names = list(found) if wanted == "all" else wanted.split(",")
    missing = [name for name in names if name not in found]
    if missing or not names:
        there = ", ".join(found) or "none"
        raise ProgramError(f"no program {folder}/<language>/train for {', '.join(missing) or 'any language'}; there is one for: {there}")
    return {name: found[name] for name in names}


def train(program: Path, url: str, file: Path, recipe: Recipe, way: Way) -> tuple[Trained, int]:
    """What the program makes of the data in this file, and how many requests it took."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights"
        options = {"url": url, "data": file, "out": out, **asdict(recipe), **asdict(way)}
        status, said = run([str(program), *(text for name, value in options.items() for text in (f"--{name}", str(value)))])
        if status == NOT_INSTALLED:
            raise NotInstalled(said)
        if status:
            raise ProgramError(f"exit status {status}: {said or 'nothing was said'}")
        return result(out)


def run(command: list[str]) -> tuple[int, str]:
    """The exit status and the last line that was printed. Nothing that it started outlives the call."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )
    try:
        printed, _ = process.communicate(timeout=WITHIN_S)
        return process.returncode, printed.strip().rpartition("\n")[2]
    except subprocess.TimeoutExpired:
        raise ProgramError(f"not done within {WITHIN_S} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def result(file: Path) -> tuple[Trained, int]:
    """`seconds S`, `requests N`, `loss L`, `weights K`, a line each, and then K numbers, a line each."""
    try:
        text = file.read_text().rstrip("\n").split("\n")
        names, (seconds, requests, loss, count) = zip(*(line.split(" ") for line in text[:4]), strict=True)
        if names != ("seconds", "requests", "loss", "weights"):
            raise ValueError(f"it begins with {names}")
        weights = np.array([float(line) for line in text[4:]])
        if len(weights) != int(count):
            raise ValueError(f"{len(weights)} numbers after 'weights {count}'")
        if not np.isfinite([float(loss), *weights]).all():
            raise ValueError("NaN or an infinity among the weights or the loss; did the training diverge?")
        return Trained(weights, float(loss), float(seconds)), int(requests)
    except (OSError, ValueError) as error:
        raise ProgramError(f"what it wrote is not as README.md says: {error}") from None
