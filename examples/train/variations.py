"""Real data with one thing about their labels changed, so that what a loss does can be laid to that; the test part keeps its labels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from examples.train.data import Data, Part
from examples.train.lockstep import Rows
from examples.train.reference import Array

SEED = 0
MISSING, TURNED, TAIL = 0.3, 0.1, (1 / 20, 1 / 5)


@dataclass(frozen=True)
class Varied:
    """A data set, and its training part's labels as they were before some were changed, where any were: [N, C]."""

    data: Data
    true_targets: Array | None = None


def missing(data: Data, random: np.random.Generator) -> Varied:
    """30 % of the training part's labels are taken away at random, as if nobody had noted them."""
    targets = data.train.targets
    kept = random.random(targets.shape) >= MISSING
    return relabelled(data, targets * kept)


def noise(data: Data, random: np.random.Generator) -> Varied:
    """10 % of the training part's targets are turned over at random, 0 to 1 and 1 to 0."""
    targets = data.train.targets
    turned = random.random(targets.shape) < TURNED
    return relabelled(data, np.where(turned, 1 - targets, targets))


def tail(data: Data, random: np.random.Generator) -> Varied:
    """Of the training rows with the rarest class one in 20 is kept, of those with the next one in 5: a class is rare, others less so."""
    return Varied(with_rows(data, tail_rows(data, random)))


def fewer(data: Data, random: np.random.Generator) -> Varied:
    """As many training rows as `tail` keeps, drawn evenly: what is lost by having fewer rows, without a tail."""
    count = len(tail_rows(data, np.random.default_rng(SEED)))
    return Varied(with_rows(data, np.sort(random.permutation(len(data.train.targets))[:count])))


def empty(data: Data, random: np.random.Generator) -> Varied:
    """Half of the classes go, in both parts, each the one without which most training rows have no label left."""
    chosen = list(range(len(data.classes)))
    for _ in range(len(data.classes) // 2):
        without = {each: [other for other in chosen if other != each] for each in chosen}
        chosen = max(without.values(), key=lambda left: int((~data.train.targets[:, left].any(1)).sum()))
    train, test = (Part(part.features, part.targets[:, chosen]) for part in (data.train, data.test))
    return Varied(replace(data, classes=[data.classes[each] for each in chosen], train=train, test=test))


VARIATIONS: dict[str, Callable[[Data, np.random.Generator], Varied]] = {
    each.__name__: each for each in (missing, noise, tail, fewer, empty)
}


def vary(data: Data, name: str) -> Varied:
    """The data set with one of VARIATIONS, the same one every time."""
    varied = VARIATIONS[name](data, np.random.default_rng(SEED))
    return replace(varied, data=replace(varied.data, name=f"{data.name}, {name}"))


def relabelled(data: Data, targets: Array) -> Varied:
    """Other labels for the training part."""
    return Varied(replace(data, train=Part(data.train.features, targets)), data.train.targets)


def with_rows(data: Data, rows: Rows) -> Data:
    """Some rows of the training part."""
    return replace(data, train=Part(data.train.features[rows], data.train.targets[rows]))


def tail_rows(data: Data, random: np.random.Generator) -> Rows:
    """The training rows that `tail` keeps."""
    targets = data.train.targets
    shares = np.ones(len(targets))
    for each, share in zip(np.argsort(targets.sum(0), kind="stable"), TAIL, strict=False):
        shares = np.where(targets[:, each] > 0, np.minimum(shares, share), shares)
    return np.flatnonzero(random.random(len(targets)) < shares)
