"""One request: what a caller gave, as tensors where it can be, and as JSON where it cannot.

Nothing is judged here: what can be sent is sent, and the service says what is wrong with it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Labels = Sequence[Sequence[int]] | Sequence[int] | Array
ARRAYS = ("scores", "targets", "class_weight", "pos_weight", "sample_weight", "element_weight", "mask", "grad_output")
LABELS = ("labels", "label_weights")
PADDING = -1
PRECISIONS = ("float16", "bfloat16", "float32", "float64")


class NoTensor(Exception):
    """What was given is no array of numbers, such as rows of different lengths."""


@dataclass(frozen=True)
class Job:
    """The fields that were given, None nowhere among them."""

    fields: Mapping[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The arguments of a call; what is an array of another library is one of NumPy's from here on."""
        given = {name: value for name, value in arguments.items() if name != "self" and value is not None}
        return cls({name: np.asarray(value) if hasattr(value, "__array__") else value for name, value in given.items()})

    @property
    def dtype(self) -> str:
        """The precision of the computation, and of the reply in the binary form: as asked for, or that of the scores' array, or float32."""
        return str(self.fields.get("dtype") or self.own_dtype() or "float32")

    def own_dtype(self) -> str | None:
        """The precision of the scores, where they are an array of floats."""
        name = getattr(getattr(self.fields["scores"], "dtype", None), "name", None)
        return name if name in PRECISIONS else None

    def shape(self) -> tuple[int, ...] | None:
        """Of the scores; None: they have none."""
        try:
            return tensor(self.fields["scores"]).shape
        except NoTensor:
            return None

    def tensors(self) -> dict[str, Array]:
        """Every array, labels as indices and offsets; raises NoTensor."""
        given = self.fields
        arrays = {name: tensor(given[name]) for name in ARRAYS if name in given and not is_number(given[name])}
        return arrays | label_tensors(given.get("labels"), given.get("label_weights"))

    def options(self) -> dict[str, Any]:
        """Everything else."""
        given = {name: value for name, value in self.fields.items() if name not in LABELS and (name not in ARRAYS or is_number(value))}
        return given if self.own_dtype() or "dtype" in given else {**given, "dtype": "float32"}  # a list is read in full precision

    def lists(self) -> dict[str, Any]:
        """Every field as JSON has it."""
        listed = {name: as_lists(value) for name, value in self.fields.items()}
        if isinstance(labels := self.fields.get("labels"), np.ndarray) and labels.ndim == 2:
            listed |= dict(without_padding(labels, self.fields.get("label_weights"), self.fields.get("ignore_index")))
        return listed if "dtype" in listed or self.own_dtype() != "float64" else {**listed, "dtype": "float64"}


def is_number(value: Any) -> bool:
    """One number, where an array may stand too."""
    return np.ndim(value) == 0 if isinstance(value, np.ndarray | np.generic) else isinstance(value, int | float)


def tensor(value: ArrayLike) -> Array:
    """Numbers as an array; lists in full precision. Raises NoTensor."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError, TypeError) as error:  # ragged, for one
        raise NoTensor from error
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise NoTensor
    if array.dtype.kind in "iu" and not isinstance(value, np.ndarray):
        return array.astype(np.float64)
    return array.astype(np.float64) if array.dtype.itemsize > 8 else array


def label_tensors(labels: Any, weights: Any) -> dict[str, Array]:
    """Labels one after another with offsets, or an index a row, or [N, K] padded with -1, as they were given; raises NoTensor."""
    if labels is None:
        if weights is not None:
            raise NoTensor
        return {}
    if isinstance(labels, np.ndarray) or not any(map(is_row, labels)):
        return {"labels": integers(labels)} | ({} if weights is None else {"label_weights": tensor(weights)})
    counts = counts_of(labels)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    tensors = {"labels": integers(chained(labels)), "label_offsets": offsets}
    if weights is None:
        return tensors
    if not np.array_equal(counts_of(weights), counts):
        raise NoTensor
    return {**tensors, "label_weights": tensor(chained(weights))}


def is_row(value: Any) -> bool:
    """Several labels."""
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and np.ndim(value) > 0


def counts_of(rows: Any) -> NDArray[np.int64]:
    """The lengths of rows; raises NoTensor where one is none."""
    if not isinstance(rows, Sequence | np.ndarray) or not all(map(is_row, rows)):
        raise NoTensor
    return np.fromiter(map(len, rows), np.int64, len(rows))


def chained(rows: Any) -> list[Any]:
    """Rows one after another."""
    return list(itertools.chain.from_iterable(rows))


def integers(values: Any) -> Array:
    """Class indices; raises NoTensor where they are none, for the service to say so."""
    if len(values) == 0:
        return np.zeros(np.shape(values), np.int64)
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, TypeError) as error:
        raise NoTensor from error
    if array.dtype.kind not in "iu":
        raise NoTensor
    return array


def as_lists(value: Any) -> Any:
    """A value as `json` takes it."""
    if isinstance(value, np.ndarray | np.generic):
        plain = {"bool": np.int8, "bfloat16": np.float32}.get(value.dtype.name)  # JSON's booleans are no numbers, and bfloat16 has no list
        return (value if plain is None else value.astype(plain)).tolist()
    if isinstance(value, Mapping):
        return {name: as_lists(each) for name, each in value.items()}
    return [as_lists(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def without_padding(labels: Array, weights: Any, ignore_index: Any) -> Iterator[tuple[str, list[Any]]]:
    """Labels [N, K] in which -1 is no label, and their weights, as lists; a row of nothing but -1 holds one where that is ignored."""
    there = labels != PADDING
    if ignore_index == PADDING and labels.shape[1]:
        there[:, 0] |= ~there.any(1)
    for name, rows in (("labels", labels), ("label_weights", weights)):
        if np.shape(rows) == labels.shape:
            yield name, [np.asarray(row)[kept].tolist() for row, kept in zip(rows, there, strict=True)]
