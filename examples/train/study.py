"""Does softmax cross-entropy beat binary cross-entropy on multi-label data? Five losses of a live service, several data sets and seeds.

`python examples/train/study.py --url URL --data digits FOLDER …` prints the tables; docs/parity.md says how to read them. For each seed a
fifth of the training part is set apart. Every loss is trained with each of RATES; its rate and its number of epochs are those that do best,
on average, on what was set apart; so is each network's threshold, by micro-F1: a `tuned` F1 is at that threshold, the other at the loss's
natural one. The test part is looked at only with what was chosen.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import label_ranking_average_precision_score

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
from gradwire import Client, GradwireError

from examples.train import data, lockstep
from examples.train.arff import WANTED, DataError
from examples.train.data import Data
from examples.train.lockstep import Networks, Rows
from examples.train.measures import confidence, f1, mean_average_precision, natural_threshold
from examples.train.reference import LOSSES, Array

RATES = (0.001, 0.003, 0.01, 0.03)
EPOCHS = (5, 10, 20, 40, 80)
HELD_OUT = 0.2
SOFTMAX, BINARY = "softmax_cross_entropy", "binary_cross_entropy"
COLUMNS = ("micro-F1", "macro-F1", "tuned micro-F1", "tuned macro-F1", "mAP", "mAP by score", "LRAP")


Way = tuple[float, int]  # rate, epochs


@dataclass(frozen=True)
class Finding:
    """A loss on a data set: what was chosen, by what, and for each of COLUMNS what each seed's network has on the test part, [seeds]."""

    data: str
    loss: str
    chosen_by: str
    rate: float
    epochs: int
    thresholds: Array
    measured: dict[str, Array]


def find(client: Client, loaded: Data, loss: str, seeds: int, grid: tuple[int, ...]) -> Iterator[Finding]:
    """Train with every rate, choose by what was set apart, and only then look at the test part."""
    randoms = [np.random.default_rng(seed) for seed in range(seeds)]
    shuffled = np.stack([random.permutation(len(loaded.train.features)) for random in randoms])
    apart = int(HELD_OUT * shuffled.shape[1])
    nets = lockstep.networks(randoms, RATES, loaded.train.features.shape[1], len(loaded.classes))
    training = lockstep.epochs(client, loss, loaded.train, shuffled[:, apart:], randoms, nets)
    held_out, test = by_way(training, grid, nets, loss, loaded, shuffled[:, :apart])
    truths = loaded.train.targets[shuffled[:, :apart]]
    for name, criterion in CRITERIA.items():
        rate, epochs = chosen = max(held_out, key=lambda way: float(np.mean(list(map(criterion, truths, held_out[way])))))
        thresholds = np.array([best_threshold(truth, values)[0] for truth, values in zip(truths, held_out[chosen], strict=True)])
        each = [measured(loss, loaded.test.targets, scores, threshold) for scores, threshold in zip(test[chosen], thresholds, strict=True)]
        columns = {column: np.array([one[column] for one in each]) for column in COLUMNS}
        yield Finding(loaded.name, loss, name, rate, epochs, thresholds, columns)


def by_way(
    training: Iterator[int], grid: tuple[int, ...], nets: Networks, loss: str, loaded: Data, rows: Rows
) -> tuple[dict[Way, Array], dict[Way, Array]]:
    """For each way, of each seed's network: its confidences in the rows [seeds, N] set apart, and its scores of the test part."""
    held_out: dict[Way, Array] = {}
    test: dict[Way, Array] = {}
    for done in itertools.islice(training, grid[-1]):
        if done in grid:
            here = nets.forward(loaded.train.features[rows.repeat(len(RATES), 0)])[1]
            there = nets.forward(loaded.test.features)[1]
            for place, rate in enumerate(RATES):  # the networks of a seed lie together, one a rate
                held_out[rate, done] = np.stack([confidence(loss, scores) for scores in here[place :: len(RATES)]])
                test[rate, done] = there[place :: len(RATES)]
    return held_out, test


def best_threshold(truth: Array, values: Array) -> tuple[float, float]:
    """truth, values [N, C] -> the threshold with the best micro-F1, halfway between the values on its two sides, and that micro-F1."""
    order = np.argsort(-values, axis=None)
    sorted_values = np.append(values.ravel()[order], -1e-9)  # below all of them
    hits, found = truth.ravel()[order].cumsum(), np.arange(1, truth.size + 1)
    score = np.where(sorted_values[:-1] > sorted_values[1:], 2 * hits / (found + truth.sum()), -1.0)  # equal values are not parted
    best = int(score.argmax())
    return float(sorted_values[best : best + 2].mean()), float(score[best])


def label_ranking(truth: Array, values: Array) -> float:
    """truth, values [N, C] -> how high a row's labels stand among its classes, 1 where they come first; rows without labels count as 1."""
    return float(label_ranking_average_precision_score(truth, values))


CRITERIA: dict[str, Callable[[Array, Array], float]] = {
    "mAP": mean_average_precision,
    "micro-F1": lambda truth, values: best_threshold(truth, values)[1],
    "LRAP": label_ranking,
}


def measured(loss: str, truth: Array, scores: Array, threshold: float) -> dict[str, float]:
    """truth, scores [N, C] -> every one of COLUMNS. `mAP by score` differs from mAP for a softmax alone: it ranks rows by what p hides."""
    values = confidence(loss, scores)
    precision = {"mAP": mean_average_precision(truth, values), "mAP by score": mean_average_precision(truth, scores)}
    natural = f1(truth, values > natural_threshold(loss, truth.shape[1]))
    tuned = {f"tuned {name}": value for name, value in f1(truth, values > threshold).items()}
    return {**natural, **tuned, **precision, "LRAP": label_ranking(truth, values)}


def findings_table(found: list[Finding]) -> str:
    """What was chosen, and mean ± standard deviation over the seeds."""
    rows: list[tuple[str, ...]] = [("data", "loss", "rate", "epochs", "threshold", *COLUMNS)]
    for each in found:
        numbers = [spread(each.thresholds), *(spread(each.measured[name]) for name in COLUMNS)]
        rows.append((each.data, each.loss, f"{each.rate:g}", str(each.epochs), *numbers))
    return markdown(rows)


def differences_table(found: list[Finding]) -> str:
    """Softmax against binary cross-entropy, the same seed's networks with each other: mean ± deviation, and how many seeds softmax wins."""
    by_name = {(each.data, each.chosen_by, each.loss): each.measured for each in found}
    rows: list[tuple[str, ...]] = [("data", "chosen by", *COLUMNS)]
    for name, criterion in dict.fromkeys((each.data, each.chosen_by) for each in found):
        ours, theirs = by_name[name, criterion, SOFTMAX], by_name[name, criterion, BINARY]
        apart = [ours[column] - theirs[column] for column in COLUMNS]
        rows.append(
            (name, criterion, *(f"{'+' if each.mean() > 0 else ''}{spread(each)} ({sum(each > 0)} of {len(each)})" for each in apart))
        )
    return markdown(rows)


def spread(values: Array) -> str:
    """Mean ± standard deviation, of a sample."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) if len(values) > 1 else 0.0:.3f}"


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A table that lines up as plain text too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(f"| {line} |" for line in (lines[0], " | ".join("-" * width for width in widths), *lines[1:]))


def report(found: list[Finding]) -> str:
    """What the losses come to when chosen by the first criterion, and by each of them what is between the two that the claim is about."""
    first = next(iter(CRITERIA))
    text = f"Chosen by {first}; mean ± standard deviation over the seeds:\n\n"
    text += findings_table([each for each in found if each.chosen_by == first])
    if {SOFTMAX, BINARY} <= {each.loss for each in found}:
        text += f"\n\n{SOFTMAX} minus {BINARY}, and in how many seeds it is more:\n\n{differences_table(found)}"
    return text


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("study.py", description="Does softmax cross-entropy beat binary cross-entropy on multi-label data?")
    url = os.environ.get("GRADWIRE_URL", "http://127.0.0.1:8000")
    parser.add_argument("--url", default=url, help="the service (default: $GRADWIRE_URL, or %(default)s)")
    parser.add_argument("--data", nargs="+", default=["digits"], metavar="DATA", help=f"`digits` (the default), folders with {WANTED}")
    parser.add_argument(
        "--losses", nargs="+", choices=[*LOSSES], default=[*LOSSES], metavar="LOSS", help=f"of {', '.join(LOSSES)} (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument("--epochs", type=int, nargs="+", default=[*EPOCHS], help="the numbers to choose from (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables to this file too")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or min(options.epochs) < 1:
        parser.error("--seeds and --epochs are whole numbers from 1 on")
    return options


def main(arguments: list[str] | None = None) -> int:
    """See above."""
    options, started = parsed(arguments), time.perf_counter()
    found: list[Finding] = []
    try:
        if options.out:
            options.out.touch()  # rather now than after all the training
        client = Client(options.url)
        for loaded in map(data.load, options.data):
            for loss in options.losses:
                found.extend(find(client, loaded, loss, options.seeds, tuple(sorted(options.epochs))))
                print(f"{time.perf_counter() - started:5.0f} s  {loaded.name}  {loss}", file=sys.stderr, flush=True)
        print(report(found))
        if options.out:
            options.out.write_text(f"{report(found)}\n")
    except (DataError, GradwireError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
