"""docs/parity.md: its commands are ones that the programs take, and its tables have every language, loss and measure."""

import re
import shlex
from pathlib import Path

import pytest

from examples.train import compare, study
from examples.train.reference import LOSSES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "parity.md").read_text()
PROGRAMS = {"examples/train/compare.py": compare.parsed, "examples/train/study.py": study.parsed}


@pytest.mark.parametrize("command", re.findall(r"^```sh\n(.*?)\n```", TEXT, re.MULTILINE | re.DOTALL))
def test_every_command_is_understood(command: str) -> None:
    if command == "make parity":
        assert "\nparity:" in (ROOT / "Makefile").read_text()
        return
    python, program, *arguments = shlex.split(command)
    assert python == ".venv/bin/python"
    assert PROGRAMS[program](arguments).url == "http://127.0.0.1:8000"


def test_every_language_has_its_row_and_column() -> None:
    (head,) = [line for line in TEXT.splitlines() if line.startswith("| data | loss | micro-F1 | macro-F1 | mAP | ")]
    for language in (file.parent.name for file in (ROOT / "examples" / "train").glob("*/train")):
        assert f"\n| {language} | " in TEXT
        assert f" {language} |" in head


def test_every_loss_and_every_measure_of_the_study_is_there() -> None:
    assert f"| data | loss | rate | epochs | threshold | {' | '.join(study.COLUMNS)} |" in TEXT
    for name in ("digits", "emotions", "yeast"):
        assert all(TEXT.count(f"| {name} | {loss} | ") == 2 for loss in LOSSES)
        assert all(f"| {name} | {criterion} | " in TEXT for criterion in study.CRITERIA)


def test_every_file_that_is_named_is_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / "docs" / link).exists(), link
