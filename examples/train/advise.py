"""Which loss for which labels? Every multi-label loss of a live service, on real data and on variations of it that change one thing.

`python examples/train/advise.py --url URL --data digits FOLDER … [--vary missing tail …]` prints tables; docs/choosing.md says how to read
them. `--statistics` prints what the labels are like, and trains nothing.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
from gradwire import Client, GradwireError

from examples.train import advice, data, variations
from examples.train.arff import WANTED, DataError
from examples.train.label_statistics import statistics
from examples.train.reference import Array
from examples.train.trials import Candidate, Trial, trials
from examples.train.variations import VARIATIONS, Varied

RATES = (0.003, 0.01, 0.03)
EPOCHS = (5, 10, 20, 40)
MULTI_LABEL = ("real", "unit", "binary")  # the kinds of labels for which several ones in a row, or none, are right
COUNTS = ("class_counts", "neg_counts")  # what a loss may need to be told
PROBED_ROWS = 16

About = dict[str, Any]


def catalogue(url: str) -> list[About]:
    """What the service says of its losses."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/losses", timeout=10) as reply:
            listed: list[About] = json.load(reply)
            return listed
    except (OSError, ValueError) as error:
        raise DataError(f"no catalogue at {url}/losses ({error}); `make serve` starts a service, and --url names another") from None


def for_several_labels(listed: list[About]) -> list[About]:
    """Those that take any targets of 0 and 1: not those of one label a row, of distributions, or of a teacher's scores.

    Nor one that needs a parameter that this program does not know.
    """
    fitting = [about for about in listed if about["targets"] in MULTI_LABEL]
    for about in fitting:
        if unknown := set(about["params"].get("required", [])) - set(COUNTS):
            print(f"left out: {about['name']}, which needs {', '.join(sorted(unknown))}", file=sys.stderr)
    return [about for about in fitting if set(about["params"].get("required", [])) <= set(COUNTS)]


def candidate(client: Client, about: About, targets: Array) -> Candidate:
    """The loss as it is tried on these targets: with defaults, and what it must be told of the classes counted in the training part."""
    counts = {COUNTS[0]: targets.sum(0), COUNTS[1]: (1 - targets).sum(0)}
    params = {name: np.maximum(counts[name], 1).tolist() for name in about["params"].get("required", [])} or None
    return Candidate(about["name"], about["unit"], params, free(client, about["name"], params, targets[:PROBED_ROWS]))


def free(client: Client, loss: str, params: dict[str, Any] | None, targets: Array) -> str:
    """What can be added to scores without a change of the gradient; the service is asked."""
    random = np.random.default_rng(0)
    scores = random.normal(size=targets.shape)

    def same(added: Array) -> bool:
        ours, theirs = (client.grad(each, targets, loss=loss, params=params).grad for each in (scores, scores + added))
        return bool(np.allclose(ours, theirs, rtol=1e-6, atol=1e-9))

    if same(random.normal(scale=3, size=(len(targets), 1))):
        return "rows"
    return "all" if same(np.full((1, 1), 3.0)) and same(np.full((1, 1), -3.0)) else "nothing"


def sets(options: argparse.Namespace) -> Iterator[Varied]:
    """Each data set, and then its variations."""
    for loaded in map(data.load, options.data):
        if not options.only_varied:
            yield Varied(loaded)
        yield from (variations.vary(loaded, name) for name in options.vary)


def tried(options: argparse.Namespace, every: list[Varied]) -> Iterator[list[Trial]]:
    """What became of the losses on one data set after another."""
    started, abouts = time.perf_counter(), for_several_labels(catalogue(options.url))
    if unknown := set(options.losses or ()) - {about["name"] for about in abouts}:
        raise DataError(f"no multi-label loss {', '.join(sorted(unknown))}; there are {', '.join(about['name'] for about in abouts)}")
    with Client(options.url) as client:
        for varied in every:
            found: list[Trial] = []
            for about in abouts:
                if options.losses and about["name"] not in options.losses:
                    continue
                loss = candidate(client, about, varied.data.train.targets)
                found.extend(trials(client, varied, loss, options.seeds, RATES, tuple(options.epochs)))
                print(f"{time.perf_counter() - started:5.0f} s  {varied.data.name}  {loss.name}", file=sys.stderr, flush=True)
            yield found


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("advise.py", description="Which loss for which labels?")
    url = os.environ.get("GRADWIRE_URL", "http://127.0.0.1:8000")
    parser.add_argument("--url", default=url, help="the service (default: $GRADWIRE_URL, or %(default)s)")
    parser.add_argument("--data", nargs="+", default=["digits"], metavar="DATA", help=f"`digits` (the default), folders with {WANTED}")
    parser.add_argument(
        "--vary", nargs="+", default=[], choices=[*VARIATIONS], metavar="HOW", help=f"of {', '.join(VARIATIONS)} (default: none)"
    )
    parser.add_argument("--only-varied", action="store_true", help="the variations, and not the data as they are")
    parser.add_argument("--losses", nargs="+", metavar="LOSS", help="default: every loss of the service for several labels a row")
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument("--epochs", type=int, nargs="+", default=[*EPOCHS], help="the numbers to choose from (default: %(default)s)")
    parser.add_argument("--statistics", action="store_true", help="only what the labels are like")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables to this file too, after each data set")
    options = parser.parse_args(arguments)
    if options.seeds < 2 or min(options.epochs) < 1:
        parser.error("--seeds is a whole number from 2 on, --epochs are from 1 on")
    if options.only_varied and not options.vary:
        parser.error("--only-varied needs --vary")
    return options


def main(arguments: list[str] | None = None) -> int:
    """See above."""
    options = parsed(arguments)
    try:
        every = list(sets(options))
        text = advice.statistics_table({each.data.name: statistics(each.data.train.targets) for each in every})
        print(text, flush=True)
        if options.out:
            options.out.write_text(f"{text}\n")
        found: list[Trial] = []
        for more in () if options.statistics else tried(options, every):
            found += more
            print(f"\n{advice.trials_tables(more)}", flush=True)
            if options.out:
                options.out.write_text(f"{text}\n\n{advice.trials_tables(found)}\n\n{advice.conclusion(found, RATES, options.epochs)}\n")
        if found:
            print(f"\n{advice.conclusion(found, RATES, options.epochs)}")
    except (DataError, GradwireError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
