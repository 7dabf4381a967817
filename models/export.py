"""`python -m models.export --out DIR` writes losses and their gradients as ONNX graphs; `Graphs` gives each of them, built once.

`--layout triton` writes a Triton model repository.
"""

import argparse
import functools
import hashlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Literal, get_args

import cachetools
import onnx

from models import triton
from models.catalogue import catalogue, find
from models.contract import Dtype, Loss, MeanOver, Reduction
from models.errors import InvalidParameters, JobError, Problem, did_you_mean
from models.graph import DEFAULT_OPSET, OPSETS, SHAPES, WIRE, FloatType, GraphSpec, build, version
from models.plan import Plan

EXTRA_INPUTS = frozenset(SHAPES) - {"scores", "targets", "labels", "kept"} | {"grad_output"}
Kind = Literal["loss", "grad"]
LabelForm = Literal["dense", "sparse"]


def spec(
    loss: Loss,
    params: Mapping[str, Any],
    *,
    graph: Kind = "grad",
    labels: LabelForm = "dense",
    reduction: Reduction = "mean",
    mean_over: MeanOver | None = None,
    dtype: FloatType = "float32",
    opset: int = DEFAULT_OPSET,
    inputs: tuple[str, ...] = (),
) -> GraphSpec:
    """A graph for everyone: a score of -inf masks its class; parameters are constants, but for those that `inputs` names beside tensors."""
    if opset not in OPSETS:
        raise InvalidParameters(Problem("/opset", f"found {opset}; expected {OPSETS[0]} to {OPSETS[-1]}"))
    own = loss.params.model_fields.keys() & set(inputs)
    if unknown := set(inputs) - set(EXTRA_INPUTS) - own:
        known = {*EXTRA_INPUTS, *loss.params.model_fields}
        raise InvalidParameters(Problem("/inputs", f"no input {min(unknown)!r}{did_you_mean(min(unknown), known)}"))
    by_element = {"pos_weight", "element_weight"}.intersection(inputs)
    if by_element and loss.about.unit != "element":
        raise InvalidParameters(Problem("/inputs", f"{min(by_element)} belongs to element losses, and {loss.name} is none"))
    if "class_weight" in inputs and loss.about.unit != "element" and "class_weight" not in loss.takes:
        raise InvalidParameters(Problem("/inputs", f"{loss.name} has no class weights"))
    if "sample_weight" in inputs and loss.about.unit == "batch":
        raise InvalidParameters(Problem("/inputs", f"{loss.name} is one number for the whole batch: it has no rows to weigh"))
    if mean_over is not None and loss.about.unit == "batch":
        raise InvalidParameters(Problem("/mean_over", f"{loss.name} is one number for the whole batch: there is nothing to divide by"))
    if "label_weights" in inputs and labels == "dense":
        raise InvalidParameters(Problem("/inputs", "label_weights belongs to sparse labels"))
    if "grad_output" in inputs and graph == "loss":
        raise InvalidParameters(Problem("/inputs", "grad_output belongs to the gradient graph"))
    if labels == "sparse" and loss.about.targets == "scores":
        raise InvalidParameters(Problem("/labels", f"{loss.name} takes targets: labels is 'dense'"))
    given = frozenset({"scores", "targets" if labels == "dense" else "labels", *inputs} - own)
    plan = Plan(loss, given, reduction, mean_over, graph == "grad", masked=True)
    constants = checked(loss, params, own, "float64" if dtype == "float64" else "float32")
    return GraphSpec(plan, constants, tuple(sorted(own)), dtype, opset, tuple(sorted(own & loss.vectors)))


def checked(loss: Loss, params: Mapping[str, Any], free: AbstractSet[str], dtype: Dtype) -> tuple[tuple[str, Any], ...]:
    """The parameters that are constants of a graph, by name; those that are free have no value yet."""
    stand_ins = {name: value for name, value in loss.about.example.items() if name in free}
    found = loss.parameters(stand_ins | dict(params), dtype)
    for name in free:
        if "float" not in str(loss.params.model_fields[name].annotation):
            raise InvalidParameters(Problem("/inputs", f"{name} is a choice and not a number: it can only be a constant"))
    return tuple(sorted((name, tuple(each) if isinstance(each, list) else each) for name, each in found.items() if name not in free))


def file_name(graph: GraphSpec) -> str:
    """A name that tells people what it is, with a digest where it is not the usual graph of its kind."""
    plan, about = graph.plan, graph.described
    kind: Kind = "grad" if plan.wants_grad else "loss"
    labels: LabelForm = "sparse" if "labels" in plan.inputs else "dense"
    needed = tuple(plan.loss.about.example)
    usual = spec(plan.loss, {}, graph=kind, labels=labels, reduction=plan.reduction, dtype=graph.dtype, opset=graph.opset, inputs=needed)
    digest = "" if graph == usual else "." + hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    return f"{plan.loss.name}.{kind}.{labels}.{plan.reduction}.{graph.dtype}.opset{graph.opset}{digest}.onnx"


def sources() -> str:
    """A digest of the files that graphs come from, so that a changed equation is never served from an old file."""
    digest = hashlib.sha256(onnx.__version__.encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Graphs:
    """Every graph: read from the folder of this version if it was exported ahead, and otherwise built, and remembered while there is room.

    Who asks for a graph while it is built waits for it. Nothing is written: no caller can fill a disk.
    """

    def __init__(self, folder: Path, remembered_bytes: int = 64 << 20) -> None:
        self.folder = folder
        remembered: cachetools.LRUCache[Any, bytes] = cachetools.LRUCache(remembered_bytes, getsizeof=len)
        self.get = cachetools.cached(remembered, condition=threading.Condition())(self._get)

    def _get(self, spec: GraphSpec) -> bytes:
        file = self.folder / file_name(spec)
        return file.read_bytes() if file.is_file() else build(spec)


def default_folder() -> Path:
    """Where an installation keeps the graphs of just this version: beside its packages."""
    return Path(sys.prefix) / "share" / "gradwire" / "graphs" / f"{version()}-{sources()}"


def write(specs: Iterable[GraphSpec], folder: Path) -> int:
    """Export each graph to a file of the folder, which appears whole or not at all; returns how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for each in specs:
        part = folder / f"{file_name(each)}.{os.getpid()}.part"
        part.write_bytes(build(each))
        part.replace(folder / file_name(each))
        count += 1
    return count


def chosen(options: argparse.Namespace) -> Iterator[GraphSpec]:
    """Every combination of what the options leave open."""
    losses = [find(options.loss)] if options.loss else list(catalogue().values())
    open_axes = [getattr(options, axis) or usual for axis, usual in USUAL[options.layout].items()]
    kinds = itertools.product(losses, options.graph, *open_axes)
    for loss, graph, labels, reduction, dtype in kinds:
        if labels == "sparse" and loss.about.targets == "scores":
            continue
        about = {"graph": graph, "labels": labels, "reduction": reduction, "dtype": dtype}
        needed = [name for name in loss.about.example if name not in options.params]  # without a default, they are inputs
        yield spec(loss, options.params, mean_over=options.mean_over, opset=options.opset, inputs=(*options.inputs, *needed), **about)


USUAL: dict[str, dict[str, list[str]]] = {  # what is written where the command line does not say
    "files": {"labels": ["dense", "sparse"], "reduction": list(get_args(Reduction)), "dtype": ["float32", "float64"]},
    "triton": {"labels": ["dense"], "reduction": ["mean"], "dtype": ["float32"]},
}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser("python -m models.export", description="Write losses and their gradients as ONNX graphs.")
    choice = functools.partial(parser.add_argument, nargs="+")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where to (default: {default_folder()})")
    layout = "one file each, or a Triton model repository of <loss> and <loss>.grad (dense, mean, float32 if nothing else is said)"
    parser.add_argument("--layout", choices=list(USUAL), default="files", help=layout)
    parser.add_argument("--loss", metavar="NAME", help="a name or alias (default: all)")
    choice("--graph", choices=["loss", "grad"], default=["loss", "grad"])
    choice("--labels", choices=["dense", "sparse"])
    choice("--reduction", choices=get_args(Reduction))
    choice("--dtype", choices=list(WIRE), help="default: float32 float64")
    choice(
        "--inputs",
        default=[],
        metavar="NAME",
        help=f"tensors that the graph takes besides ({', '.join(sorted(EXTRA_INPUTS))}), or parameters",
    )
    parser.add_argument("--mean-over", choices=get_args(MeanOver), help="what a mean divides by (default: the loss's own)")
    parser.add_argument("--opset", type=int, default=DEFAULT_OPSET, help="%(default)s; from 17 on")
    parser.add_argument("--params", type=json_object, default={}, metavar="JSON", help="""the loss's parameters, as '{"gamma": 3}'""")
    return parser


def json_object(text: str) -> dict[str, Any]:
    """A JSON object; ValueError, which argparse turns into a line for the user, where it is none."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    return value


def place_for(options: argparse.Namespace) -> Path:
    """Where the graphs go; a model repository has one graph of each name, and a place of its own."""
    if options.layout == "files":
        return options.out or default_folder()
    for axis in USUAL["triton"]:
        if len(getattr(options, axis) or [axis]) > 1:
            raise InvalidParameters(Problem(f"/{axis}", "a Triton model has one; make a repository for each"))
    if options.out is None:
        raise InvalidParameters(Problem("/out", "a Triton model repository needs a folder: --out DIR"))
    return Path(options.out)


def main() -> int:
    """Write what the command line asks for; a mistake in it is one line on stderr."""
    options = arguments().parse_args()
    try:
        folder = place_for(options)
        count = (write if options.layout == "files" else triton.write)(chosen(options), folder)
    except (JobError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{count} graphs in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
