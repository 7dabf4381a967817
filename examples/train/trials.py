"""A loss on a data set: trained with every rate, looked at after some epochs, chosen by held-out rows, measured on the test part."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from gradwire import Client
from scipy.special import expit, softmax

from examples.train import lockstep
from examples.train.data import Data
from examples.train.reference import Array
from examples.train.study import HELD_OUT, best_threshold
from examples.train.variations import Varied

COLUMNS = ("micro-F1", "macro-F1", "tuned micro-F1", "tuned macro-F1", "macro-F1 by class", "mAP", "LRAP")
NATURAL = COLUMNS[:2]  # at the loss's natural threshold; some have none
AS_GIVEN, TRUE = "as given", "true"  # the labels of held-out rows


@dataclass(frozen=True)
class Candidate:
    """A loss of the catalogue with the parameters that it must be given. `free` says what may be added to scores without a change."""

    name: str
    unit: str = "element"
    params: Mapping[str, Any] | None = None
    free: str = "nothing"  # or "rows": a number to each row; or "all": the same number to all scores

    @property
    def readings(self) -> tuple[str, ...]:
        """What scores may be judged by. Where rows are free, p compares the classes of a row; the raw score may still say more."""
        return ("p", "score") if self.free == "rows" else ("score",)

    def natural_threshold(self, reading: str, classes: int) -> float | None:
        """More than an even share of p; or a score above 0, which is σ > ½. None where the loss does not say where 0 is."""
        if self.free == "rows":
            return 1 / classes if reading == "p" else None
        return None if self.free == "all" else 0.5


def read(reading: str, scores: Array) -> Array:
    """scores [..., C] -> values between 0 and 1."""
    return np.asarray(softmax(scores, axis=-1) if reading == "p" else expit(scores))


class Way(NamedTuple):
    """What held-out rows choose."""

    rate: float
    epochs: int
    reading: str


class Rule(NamedTuple):
    """Thresholds of a network: one for all classes, and one a class [C]."""

    common: float
    by_class: Array


@dataclass(frozen=True)
class Trial:
    """What became of a loss: for each of COLUMNS what was chosen for it, and what each seed's network has on the test part [seeds]."""

    data: str
    loss: str
    chosen_by: str  # AS_GIVEN or TRUE
    chosen: dict[str, Way]
    measured: dict[str, Array]


class Judged(NamedTuple):
    """What each seed's network says in a way: values of the held-out rows and scores of the test part, [seeds, N, C]."""

    values: Array
    test: Array


def trials(
    client: Client, varied: Varied, candidate: Candidate, seeds: int, rates: tuple[float, ...], grid: tuple[int, ...]
) -> Iterator[Trial]:
    """One, and one more where the true labels of the held-out rows are known to be others than those given."""
    data = varied.data
    randoms = [np.random.default_rng(seed) for seed in range(seeds)]
    shuffled = np.stack([random.permutation(len(data.train.features)) for random in randoms])
    count = int(HELD_OUT * shuffled.shape[1])
    held_out, learnt = shuffled[:, :count], shuffled[:, count:]
    nets = lockstep.networks(randoms, rates, data.train.features.shape[1], len(data.classes))
    apart = candidate.unit == "batch"
    training = lockstep.epochs(client, candidate.name, data.train, learnt, randoms, nets, candidate.params, apart)
    judged: dict[Way, Judged] = {}
    for done in itertools.islice(training, max(grid)):
        if done in grid:
            here, there = nets.forward(data.train.features[held_out.repeat(len(rates), 0)])[1], nets.forward(data.test.features)[1]
            for (place, rate), reading in itertools.product(enumerate(rates), candidate.readings):  # a seed's networks lie together
                judged[Way(rate, done, reading)] = Judged(read(reading, here[place :: len(rates)]), there[place :: len(rates)])
    yield chosen(data, candidate, judged, AS_GIVEN, data.train.targets[held_out])
    if varied.true_targets is not None:
        yield chosen(data, candidate, judged, TRUE, varied.true_targets[held_out])


def chosen(data: Data, candidate: Candidate, judged: dict[Way, Judged], chosen_by: str, truths: Array) -> Trial:
    """For each column the way that is best on the held-out rows, whose labels `truths` [seeds, N, C] are, by the column's own measure."""
    rules: dict[Way, list[Rule]] = {}
    held_out: dict[Way, dict[str, float]] = {}
    for way, here in judged.items():
        natural = candidate.natural_threshold(way.reading, len(data.classes))
        rules[way] = [rule(truth, values) for truth, values in zip(truths, here.values, strict=True)]
        each = [measured(*one, natural) for one in zip(truths, here.values, rules[way], strict=True)]
        held_out[way] = {column: float(np.mean([one[column] for one in each])) for column in COLUMNS}
    choice, values = {}, {}
    for column in COLUMNS:
        ways = [way for way in judged if not np.isnan(held_out[way][column])]
        if not ways:
            values[column] = np.full(len(truths), np.nan)
            continue
        best = choice[column] = max(ways, key=lambda way: held_out[way][column])
        natural = candidate.natural_threshold(best.reading, len(data.classes))
        tests = zip(read(best.reading, judged[best].test), rules[best], strict=True)
        values[column] = np.array([measured(data.test.targets, test, its, natural)[column] for test, its in tests])
    return Trial(data.name, candidate.name, chosen_by, choice, values)


def rule(truth: Array, values: Array) -> Rule:
    """truth, values [N, C] -> the thresholds of the best micro-F1, and of each class's best F1; a class without labels has the first."""
    common = best_threshold(truth, values)[0]
    each = zip(truth.T[:, :, None], values.T[:, :, None], strict=True)
    return Rule(common, np.array([best_threshold(*one)[0] if one[0].any() else common for one in each]))


def measured(truth: Array, values: Array, rule: Rule, natural: float | None) -> dict[str, float]:
    """truth, values [N, C] -> every one of COLUMNS; NaN where there is no natural threshold."""
    at_natural = (np.nan, np.nan) if natural is None else f1(truth, values > natural)
    by_class = f1(truth, values > rule.by_class)[1]
    numbers = (*at_natural, *f1(truth, values > rule.common), by_class, mean_average_precision(truth, values), label_ranking(truth, values))
    return dict(zip(COLUMNS, numbers, strict=True))


# What follows is as in measures.py and study.py, where scikit-learn computes it; here it is asked for thousands of times.


def f1(truth: Array, found: Any) -> tuple[float, float]:
    """truth, found [N, C] -> micro-F1 and macro-F1; a class that neither is nor is found counts as 0."""
    hits, total = (truth * found).sum(0), truth.sum(0) + found.sum(0)
    return float(2 * hits.sum() / max(total.sum(), 1)), float((2 * hits / np.maximum(total, 1)).mean())


def mean_average_precision(truth: Array, values: Array) -> float:
    """truth, values [N, C] -> the mean over the classes that have labels of the average precision; equal values are taken together."""
    there = truth.any(0)
    truth, values = truth[:, there], values[:, there]
    order = np.argsort(-values, axis=0, kind="stable")
    ranked, labels = np.take_along_axis(values, order, 0), np.take_along_axis(truth, order, 0)
    hits = labels.cumsum(0)
    precision = hits / np.arange(1, len(truth) + 1)[:, None]
    last = np.ones(ranked.shape, bool)
    last[:-1] = ranked[:-1] > ranked[1:]
    for row in range(len(truth) - 2, -1, -1) if not last.all() else ():
        precision[row] = np.where(last[row], precision[row], precision[row + 1])
    return float(((labels * precision).sum(0) / hits[-1]).mean()) if there.any() else float("nan")


def label_ranking(truth: Array, values: Array) -> float:
    """truth, values [N, C] -> label ranking average precision; a row without labels, or with all of them, counts as 1."""
    above = values[:, None, :] >= values[:, :, None]  # [N, label, other]: at least as high as the label
    precision = (above * truth[:, None, :]).sum(2) / above.sum(2)
    counts = truth.sum(1)
    return float(np.where(counts > 0, (precision * truth).sum(1) / np.maximum(counts, 1), 1.0).mean())
