"""Sparse labels: class indices, row after row, with the checks that keep an index from ever reaching memory that is not its own."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from models import checks
from models.checks import Array
from models.errors import InvalidJob, InvalidTargets, Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Row n has the classes indices[offsets[n]:offsets[n + 1]], with the weights at the same places (default 1)."""

    indices: Array  # [L] integers
    offsets: Array  # [N + 1] integers
    weights: Array | None = None  # [L] numbers
    flat: bool = False  # given as one plain int a row: an error then points at /labels/3, not at /labels/3/0

    @functools.cached_property
    def counts(self) -> Array:
        """How many labels each row has, [N]."""
        return np.diff(self.offsets)

    @functools.cached_property
    def rows(self) -> Array:
        """The row of each label, [L]."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    @property
    def width(self) -> int:
        """The most labels that a row has."""
        return int(self.counts.max(initial=0))

    def refuse(self, wrong: Array, detail: str, field: str = "labels", error: type[InvalidJob] = InvalidTargets) -> None:
        """Raise for the first label that is wrong; `{}` in the detail stands for its class index."""
        if not wrong.any():
            return
        position = int(wrong.argmax())
        row = int(self.rows[position])
        pointer = f"/{field}/{row}" if self.flat else f"/{field}/{row}/{position - int(self.offsets[row])}"
        raise error(Problem(pointer, detail.format(int(self.indices[position]))))


def well_formed(labels: Labels, rows: int) -> Labels:
    """Vectors of integers, offsets that start at 0, never fall and end at the number of labels, one row a score row."""
    indices = checks.integers(labels.indices, "/labels")
    offsets = checks.integers(labels.offsets, "/label_offsets")
    if len(offsets) != rows + 1:
        raise InvalidTargets(Problem("/labels", f"has {len(offsets) - 1} rows; scores has {rows}"))
    found = replace(labels, indices=indices, offsets=offsets)
    beyond = int(offsets.view(np.uint64).max()) > len(indices)  # or less than 0; else a difference could be too large for 64 bits
    if beyond or offsets[0] != 0 or offsets[-1] != len(indices) or found.counts.min() < 0:
        raise InvalidTargets(Problem("/label_offsets", f"must rise from 0 to the number of labels, {len(indices)}"))
    if labels.flat and (found.counts != 1).any():
        raise InvalidTargets(Problem("/labels", "single labels are one a row"))
    return found


def weighed(labels: Labels, dtype: str) -> Labels:
    """The label weights as finite numbers of the job's dtype."""
    if labels.weights is None:
        return labels
    weights = np.asarray(labels.weights)
    checks.has_shape(weights, "/label_weights", labels.indices.shape, InvalidTargets)
    try:
        return replace(labels, weights=checks.reals(weights, "", None, dtype, error=InvalidTargets))
    except InvalidJob as error:
        position = int(error.problems[0].pointer.removeprefix("/") or 0)
        labels.refuse(np.arange(len(weights)) == position, error.problems[0].detail, "label_weights", type(error))
        raise


def without_ignored(labels: Labels, ignore_index: int | None) -> tuple[Labels, Array | None]:
    """The labels without the rows that hold just ignore_index, and [N] False for those rows (None: there are none)."""
    if ignore_index is None:
        return labels, None
    starts = labels.offsets[:-1][labels.counts == 1]
    kept = np.ones(len(labels.offsets) - 1, bool)
    kept[labels.rows[starts[labels.indices[starts] == ignore_index]]] = False
    if kept.all():
        return labels, None
    stays = kept[labels.rows]
    weights = None if labels.weights is None else labels.weights[stays]
    offsets = np.concatenate([[0], np.cumsum(labels.counts * kept)])
    return replace(labels, indices=labels.indices[stays], offsets=offsets, weights=weights), kept


def in_range(labels: Labels, classes: int) -> None:
    """Every index is a class, and no row names one twice."""
    indices = labels.indices
    if int(indices.view(np.uint64).max(initial=0)) >= classes:  # where a negative one is very large
        labels.refuse((indices < 0) | (indices >= classes), f"class {{}} is out of range for C = {classes}")
    if labels.width > 1:
        some = 1 + len(labels.counts) * classes  # among so many, one is there twice
        keys = labels.rows[:some] * classes + indices[:some]
        if (keys[1:] > keys[:-1]).all():  # in order, as most are sent: none is there twice
            return
        order = np.argsort(keys, kind="stable")
        twice = np.zeros(len(indices), bool)
        twice[order[1:]] = keys[order[1:]] == keys[order[:-1]]
        labels.refuse(twice, "class {} is there twice")


def padded(labels: Labels, dtype: str) -> tuple[Array, Array | None]:
    """[N, K] indices, −1 where a row has fewer than K ≥ 1, and the weights alike (None: all 1)."""
    counts = labels.counts
    there = np.arange(max(labels.width, 1)) < counts[:, None]
    indices = np.full(there.shape, -1, np.int64)
    indices[there] = labels.indices
    if labels.weights is None:
        return indices, None
    weights = np.zeros(there.shape, dtype)
    weights[there] = labels.weights
    return indices, weights
