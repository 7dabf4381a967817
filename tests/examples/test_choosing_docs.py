"""docs/choosing.md: its commands are ones that the program takes, and each of its tables has every loss for several labels."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from examples.train import advise, data, variations
from examples.train.advice import REFERENCE
from examples.train.label_statistics import statistics
from examples.train.trials import COLUMNS
from examples.train.variations import VARIATIONS
from models.catalogue import catalogue

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "choosing.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)\n```", TEXT, re.MULTILINE | re.DOTALL)
LOSSES = {name for name, loss in catalogue().items() if loss.about.targets in advise.MULTI_LABEL}
CHANGED = ("missing", "noise")  # labels, so that there is a second table, by true held-out ones


def arguments(command: str) -> list[str]:
    python, program, *rest = shlex.split(command)
    assert (python, program) == (".venv/bin/python", "examples/train/advise.py")
    return rest


def tables() -> dict[str, list[list[str]]]:
    """The cells of each table of results, without its head, by title."""
    found = {}
    for title, *lines in (part.splitlines() for part in re.split(r"^#### ", TEXT, flags=re.MULTILINE)[1:]):
        rows = list(takewhile(lambda line: line.startswith("|"), lines[1:]))
        found[title] = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return found


def promised() -> list[str]:
    """The titles that the commands print tables under."""
    titles = []
    for options in (advise.parsed(arguments(command)) for command in COMMANDS):
        for source in () if options.statistics else options.data:
            name = Path(source).name
            titles += [] if options.only_varied else [name]
            for how in options.vary:
                titles += [f"{name}, {how}"] + ([f"{name}, {how}, true held-out labels"] if how in CHANGED else [])
    return titles


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    assert advise.parsed(arguments(command)).url == "http://127.0.0.1:8000"


def test_every_table_that_the_commands_print_is_there_and_no_other() -> None:
    assert [*tables()] == promised()


def test_every_table_names_the_same_losses_and_they_are_those_of_the_catalogue() -> None:
    for title, (head, _, *rows) in tables().items():
        assert head == ["loss", "rate", "epochs", "by", *COLUMNS], title
        assert {row[0] for row in rows} >= LOSSES, title
        assert [row[0] for row in rows] == [row[0] for row in next(iter(tables().values()))[2:]], title


def test_the_conclusion_has_a_row_for_every_table_and_measure_and_calls_better_what_the_table_does() -> None:
    for title, (_, _, *rows) in tables().items():
        for place, column in enumerate(COLUMNS, 4):
            (line,) = re.findall(rf"^\| {re.escape(title)} +\| {re.escape(column)} +\|(.*)\|$", TEXT, re.MULTILINE)
            best, *marked = (cell.strip() for cell in line.split("|"))
            for names, sign in zip(marked, "▲▼", strict=True):
                assert names == (", ".join(row[0] for row in rows if sign in row[place]) or "–"), (title, column)
            highest = max(float(row[place].split()[0]) for row in rows if row[place] != "–")
            assert float(best.split()[1]) == highest, (title, column)
        assert all("▲" not in cell and "▼" not in cell for row in rows if row[0] == REFERENCE for cell in row)


def test_the_statistics_of_what_comes_with_scikit_learn_are_as_they_are_counted() -> None:
    digits = data.load("digits")
    for name in (None, *VARIATIONS):
        here = variations.vary(digits, name).data if name else digits
        cells = [here.name, *statistics(here.train.targets).cells().values()]
        assert re.search(r"^\| " + r" +\| ".join(map(re.escape, cells)) + r" +\|$", TEXT, re.MULTILINE), here.name


def test_every_file_that_is_named_is_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / "docs" / link).exists(), link
