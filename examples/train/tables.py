"""The comparison as text: a line a training for people, and Markdown."""

from dataclasses import dataclass

from examples.train.measures import MEASURES

COLUMNS = ("data", "loss", "language", "form", "dtype", "runtime", *MEASURES, "difference", "seconds", "verdict")
WIDTHS = (10, 23, 12, 8, 9, 9, 10, 10, 8, 12, 9, 0)
PYTORCH = "PyTorch"  # in the column of languages: the reference


@dataclass(frozen=True)
class Line:
    """A training: its cells by COLUMNS, the largest difference of a weight to PyTorch's, and what became of it."""

    cells: dict[str, str]
    difference: float | None = None
    skipped: bool = False
    failed: bool = False

    @property
    def task(self) -> tuple[str, str]:
        return self.cells["data"], self.cells["loss"]

    @property
    def way(self) -> str:
        return " ".join(self.cells.get(name, "") for name in ("form", "dtype", "runtime"))

    @property
    def outcome(self) -> str:
        """The difference, where it may be so large; else how it failed, in a word."""
        return "skipped" if self.skipped else "FAILED" if self.failed else self.cells.get("difference", "")


def shown(texts: list[str]) -> str:
    """A row for people."""
    return " ".join(text.ljust(width) for text, width in zip(texts, WIDTHS, strict=True)).rstrip()


def cells_of(line: Line) -> list[str]:
    """The cells in the order of COLUMNS."""
    return [line.cells.get(name, "") for name in COLUMNS]


def summary(lines: list[Line], largest: dict[str, float]) -> str:
    """How many trainings there were, and the largest difference of each precision."""
    trained = [line for line in lines if line.cells["language"] != PYTORCH]
    counts = {"skipped": sum(line.skipped for line in trained), "FAILED": sum(line.failed for line in trained)}
    text = f"{len(trained)} trainings" + "".join(f", {count} {name}" for name, count in counts.items() if count) + "."
    for dtype, allowed in largest.items():
        apart = [line.difference for line in trained if line.cells["dtype"] == dtype and line.difference is not None]
        if apart:
            text += f" Largest difference of a weight with {dtype}: {max(apart):.1e} (allowed: {allowed:.0e})."
    return text


def markdown(lines: list[Line], largest: dict[str, float]) -> str:
    """Each language by way, each task by language, the summary, and every training."""
    trained = [line for line in lines if line.cells["language"] != PYTORCH]
    parts = [by_way(trained), by_task(lines, trained), summary(lines, largest), table([list(COLUMNS), *map(cells_of, lines)])]
    return "\n\n".join(parts) + "\n"


def by_way(trained: list[Line]) -> str:
    """The first task's differences, a row a language and a column a way, and the seconds that it took."""
    first = [line for line in trained if line.task == trained[0].task]
    ways = list(dict.fromkeys(line.way for line in first))
    rows = [[f"{trained[0].task[0]}, {trained[0].task[1]}", *ways, "seconds"]]
    for language in dict.fromkeys(line.cells["language"] for line in first):
        of_way = {line.way: line for line in first if line.cells["language"] == language}
        seconds = sorted((line.cells["seconds"] for line in of_way.values() if "seconds" in line.cells), key=float)
        rows.append([language, *(of_way[way].outcome for way in ways), f"{seconds[0]} to {seconds[-1]}" if seconds else ""])
    return table(rows)


def by_task(lines: list[Line], trained: list[Line]) -> str:
    """The measures of PyTorch's training, and each language's difference in the first way."""
    languages = list(dict.fromkeys(line.cells["language"] for line in trained))
    rows = [["data", "loss", *MEASURES, *languages]]
    for reference in (line for line in lines if line.cells["language"] == PYTORCH):
        here = {line.cells["language"]: line for line in trained if (line.task, line.way) == (reference.task, trained[0].way)}
        rows.append([*reference.task, *(reference.cells[name] for name in MEASURES), *(here[each].outcome for each in languages)])
    return table(rows)


def table(rows: list[list[str]]) -> str:
    """A Markdown table, whose first row is its head; a bar within a cell is no column."""
    head, *others = (f"| {' | '.join(text.replace('|', '∣') for text in row)} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *others])
