"""Which graphs are tried: every loss × kind × labels × reduction × precision, with its parameters as constants and as inputs.

The opsets go round: from one combination to the next the opset is the next one, so that every loss meets every opset in every precision.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from models.catalogue import find
from models.contract import Loss, Reduction
from models.export import Kind, LabelForm, spec
from models.graph import DEFAULT_OPSET, OPSETS, WIRE, FloatType, GraphSpec
from tests.models.cases import VARIANTS, Params, takes_class_weight
from tests.models.references import fitted
from tests.onnx.arrays import rounded

Breadth = Literal["few", "matrix", "everything"]
Mode = Literal["usual", "inputs", "variant"]  # defaults as constants; all that can be as inputs; constants away from the defaults


@dataclass(frozen=True)
class Case:
    """One graph, and the parameters that the service is told for it."""

    loss: str
    kind: Kind
    labels: LabelForm
    reduction: Reduction
    dtype: FloatType
    opset: int
    mode: Mode = "usual"
    variant: int = -1  # of VARIANTS

    @property
    def name(self) -> str:
        """What it is, in a word that can be the name of a file."""
        mode = f"{self.mode}{self.variant}" if self.mode == "variant" else self.mode
        return f"{self.loss}.{self.kind}.{self.labels}.{self.reduction}.{self.dtype}.opset{self.opset}.{mode}"

    @property
    def given(self) -> Params:
        """The parameters that are given, in full precision."""
        if self.mode == "variant":
            return VARIANTS[self.variant][1]
        return most_numbers(self.loss) if self.mode == "inputs" else dict(find(self.loss).about.example)

    @property
    def free(self) -> tuple[str, ...]:
        """The parameters that are inputs: those without a default, or all that can be; never a 0, which a formula may treat as a case."""
        if self.mode == "variant":
            return ()
        there = [name for name in numbers(self.loss) & self.given.keys() if self.given[name] is not None]
        return tuple(sorted(name for name in there if np.all(rounded(self.given[name], self.dtype))))

    def params(self, classes: int) -> Params:
        """Every parameter that is given, as the graph holds it: an input in its precision, a constant in that of the computation."""
        wide = "float32" if self.dtype == "float16" else self.dtype
        values = fitted(self.given, classes)
        return {name: rounded(value, self.dtype if name in self.free else wide) for name, value in values.items()}

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors that the graph takes beside scores and labels."""
        if self.mode != "inputs":
            return ()
        about = find(self.loss).about
        which = {
            "mask": True,
            "class_weight": takes_class_weight(self.loss),
            "sample_weight": about.unit != "batch",
            "pos_weight": about.unit == "element",
            "element_weight": about.unit == "element",
            "label_weights": self.labels == "sparse",
            "grad_output": self.kind == "grad",
        }
        return tuple(name for name, there in which.items() if there)

    def spec(self, classes: int) -> GraphSpec:
        """What `models.export` is asked for; the classes count only where a constant is one number for each."""
        constants = {name: value for name, value in self.params(classes).items() if name not in self.free}
        about: dict[str, Any] = {"graph": self.kind, "labels": self.labels, "reduction": self.reduction, "dtype": self.dtype}
        return spec(find(self.loss), constants, opset=self.opset, inputs=(*self.tensors, *self.free), **about)

    @property
    def of_one_length(self) -> bool:
        """Whether the number of classes is fixed by a constant of one number a class."""
        return any(isinstance(value, list) and name not in self.free for name, value in self.given.items())


def numbers(loss: str) -> set[str]:
    """The parameters of a loss that are a number, or one a class, and not a choice."""
    return {name for name, each in find(loss).params.model_fields.items() if "float" in str(each.annotation)}


def most_numbers(loss: str) -> Params:
    """The variant of the loss with the most parameters that are numbers of its own, defaults included."""
    defaults = {name: each.default for name, each in find(loss).params.model_fields.items() if not each.is_required()}
    variants = [defaults | params for name, params in VARIANTS if name == loss]
    best = max(variants, key=lambda params: sum(params[name] not in (None, 0, 1) for name in numbers(loss)))
    return {name: float(value) if name in numbers(loss) and isinstance(value, int) else value for name, value in best.items()}


def combinations(loss: Loss) -> Iterator[tuple[Any, ...]]:
    """Kind, labels, reduction, precision."""
    labels = ["dense"] if loss.about.targets == "scores" else ["dense", "sparse"]
    return itertools.product(get_args(Kind), labels, get_args(Reduction), WIRE)


def cases(name: str, breadth: Breadth) -> list[Case]:
    """The graphs of a loss."""
    loss = find(name)
    if breadth == "few":
        return [each for each in few(name) if each.labels == "dense" or loss.about.targets != "scores"]
    found = []
    for i, combination in enumerate(combinations(loss)):
        turn = i + i // len(OPSETS)
        turns = OPSETS if breadth == "everything" else {OPSETS[each % len(OPSETS)] for each in (turn, turn + len(OPSETS) // 2)}
        found += [Case(name, *combination, opset, mode) for opset in turns for mode in ("usual", "inputs")]
    for variant, (of, params) in enumerate(VARIANTS):
        forms = ["dense"] if loss.about.targets == "scores" else ["dense", "sparse"]
        if of == name and params:
            found += [Case(name, "grad", form, "none", dtype, DEFAULT_OPSET, "variant", variant) for form in forms for dtype in WIRE]
    return found


def few(name: str) -> Iterator[Case]:
    """One of each, in a second or two: for the suite. The newest two opsets are not loaded everywhere."""
    yield Case(name, "loss", "dense", "mean", "float32", OPSETS[-1])
    yield Case(name, "grad", "dense", "none", "float32", DEFAULT_OPSET)
    yield Case(name, "grad", "sparse", "mean", "float64", OPSETS[0])
    yield Case(name, "loss", "dense", "sum", "float16", OPSETS[-3])
    yield Case(name, "grad", "sparse", "none", "float16", OPSETS[0])
    yield Case(name, "grad", "dense", "mean", "float64", OPSETS[-3], "inputs")
    yield Case(name, "grad", "sparse", "none", "float32", DEFAULT_OPSET, "inputs")
