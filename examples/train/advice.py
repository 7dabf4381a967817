"""Trials as text: what the labels are like, how each loss did, and what so few seeds can show."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import t as student

from examples.train.label_statistics import Statistics
from examples.train.reference import Array
from examples.train.study import markdown, spread
from examples.train.trials import COLUMNS, TRUE, Trial

REFERENCE = "binary_cross_entropy"
CHANCE = 0.05  # that among all losses of a column chance alone marks one
BETTER, WORSE, NONE = "▲", "▼", "–"


def statistics_table(found: dict[str, Statistics]) -> str:
    """A row a data set."""
    cells = {name: each.cells() for name, each in found.items()}
    head = next(iter(cells.values()))
    return markdown([("training part", *head), *((name, *each.values()) for name, each in cells.items())])


def tables(found: list[Trial]) -> Iterator[tuple[str, list[Trial]]]:
    """The trials of a table, and its title."""
    for (name, chosen_by), group in itertools.groupby(found, key=lambda each: (each.data, each.chosen_by)):
        yield name + (", true held-out labels" if chosen_by == TRUE else ""), list(group)


def ordered(found: list[Trial]) -> list[Trial]:
    """The tables of a data set one after another."""
    places = {key: place for place, key in enumerate(dict.fromkeys((each.data, each.chosen_by) for each in found))}
    return sorted(found, key=lambda each: places[each.data, each.chosen_by])


def trials_tables(found: list[Trial]) -> str:
    """Mean ± standard deviation over the seeds, with a mark where the difference to the reference is more than chance."""
    return "\n\n".join(f"#### {title}\n\n{trials_table(group)}" for title, group in tables(ordered(found)))


def trials_table(group: list[Trial]) -> str:
    """A row a loss. Rate, epochs and what scores are read by are those of mAP: other columns have their own."""
    rows: list[tuple[str, ...]] = [("loss", "rate", "epochs", "by", *COLUMNS)]
    for each in group:
        way = each.chosen["mAP"]
        cells = [cell(each, column, group) for column in COLUMNS]
        rows.append((each.loss, f"{way.rate:g}", str(way.epochs), way.reading, *cells))
    return markdown(rows)


def cell(trial: Trial, column: str, group: list[Trial]) -> str:
    """A number with its deviation and mark."""
    values = trial.measured[column]
    return NONE if np.isnan(values).any() else f"{spread(values)} {mark(trial, column, group)}".strip()


def mark(trial: Trial, column: str, group: list[Trial]) -> str:
    """BETTER or WORSE than the reference where the seeds show it."""
    reference = next((each for each in group if each.loss == REFERENCE), None)
    if reference is None or reference is trial:
        return ""
    others = [each for each in group if each is not reference and not np.isnan(each.measured[column]).any()]
    difference = trial.measured[column] - reference.measured[column]
    return {1: BETTER, -1: WORSE, 0: ""}[shown(difference, len(others))]


def shown(difference: Array, comparisons: int) -> int:
    """1 or -1 where the mean over the seeds is further from 0 than chance explains, by Student's t and Bonferroni; else 0."""
    count = len(difference)
    bound = student.ppf(1 - CHANCE / 2 / comparisons, count - 1) * difference.std(ddof=1) / count**0.5
    return int(np.sign(difference.mean())) if abs(difference.mean()) > bound else 0


def conclusion(found: list[Trial], rates: Sequence[float], epochs: Sequence[int]) -> str:
    """For each table and measure the best mean, and which losses are shown to be better or worse than the reference."""
    rows: list[tuple[str, ...]] = [("data", "measure", "best mean", f"{BETTER} better than {REFERENCE}", f"{WORSE} worse")]
    for title, group in tables(ordered(found)):
        for column in COLUMNS:
            there = [each for each in group if not np.isnan(each.measured[column]).any()]
            best = max(there, key=lambda each: float(each.measured[column].mean()))
            named = [", ".join(each.loss for each in there if mark(each, column, group) == sign) or NONE for sign in (BETTER, WORSE)]
            rows.append((title, column, f"{best.loss} {best.measured[column].mean():.3f}", *named))
    return f"{markdown(rows)}\n\n{ends(found, rates, epochs)}"


def ends(found: list[Trial], rates: Sequence[float], epochs: Sequence[int]) -> str:
    """How many choices lie at an end of the grid, where a wider one might have found a better."""
    ways = [way for each in found for way in each.chosen.values()]
    low, high = (sum(way.rate == end for way in ways) for end in (min(rates), max(rates)))
    few, many = (sum(way.epochs == end for way in ways) for end in (min(epochs), max(epochs)))
    return (
        f"Of {len(ways)} choices {low} are the lowest rate, {min(rates):g}, and {high} the highest, {max(rates):g}; "
        f"{few} the fewest epochs, {min(epochs)}, and {many} the most, {max(epochs)}."
    )
