"""The same equations as ONNX graphs: `python -m models.export --out DIR` writes them, `graph_bytes` gives one.

A graph takes `scores` [N, C] and `targets` [N, C], or `labels` int64 [N, K] padded with -1, and gives `loss` and, for the gradient graph,
`grad` [N, C]; N, C and K are free. It needs standard operators only, and holds the loss, its parameters and the version as metadata.
"""

import argparse
import functools
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import onnx
from onnx import TensorProto, helper

from models.catalogue import catalogue, find
from models.contract import Loss, MeanOver, Reduction
from models.errors import InvalidParameters, JobError, Problem
from models.kernel import evaluate
from models.plan import Plan
from models.trace import Graph, Kind, Traced, traced_input, wire_output

FloatType = Literal["float32", "float64", "float16"]
WIRE = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
OPSETS = range(17, 25)
DEFAULT_OPSET = 20
SHAPES: dict[str, tuple[str, ...]] = {
    "scores": ("N", "C"),
    "targets": ("N", "C"),
    "labels": ("N", "K"),
    "label_weights": ("N", "K"),
    "class_weight": ("C",),
    "pos_weight": ("C",),
    "sample_weight": ("N",),
    "element_weight": ("N", "C"),
    "mask": ("N", "C"),
    "kept": ("N",),
}
EXTRA_INPUTS = frozenset(SHAPES) - {"scores", "targets", "labels", "kept"} | {"grad_output"}
KINDS: dict[str, Kind] = {"labels": "int", "mask": "bool", "kept": "bool"}


@dataclass(frozen=True)
class GraphSpec:
    """One graph: a plan, with its parameters as constants or, where only their name is given, as inputs."""

    plan: Plan
    constants: tuple[tuple[str, Any], ...]
    free: tuple[str, ...] = ()
    dtype: FloatType = "float32"
    opset: int = DEFAULT_OPSET

    @property
    def described(self) -> dict[str, str]:
        """What the graph's metadata, its file name and its cache key are made of."""
        plan = self.plan
        return {
            "loss": plan.loss.name,
            "graph": "grad" if plan.wants_grad else "loss",
            "reduction": plan.reduction,
            "mean_over": plan.mean_over or plan.loss.about.mean_over,
            "dtype": self.dtype,
            "params": json.dumps(dict(self.constants), sort_keys=True),
            "inputs": " ".join([*sorted(plan.inputs), *self.free]),
            "masked": str(plan.masked),
            "opset": str(self.opset),
            "formula": plan.loss.about.formula,
            "gradient": plan.loss.about.gradient,
            "paper": plan.loss.about.paper,
            "version": version(),
        }

    @property
    def file_name(self) -> str:
        """A name that tells people what it is, with a digest where it is not the usual graph of its kind."""
        plan, about = self.plan, self.described
        labels = "sparse" if "labels" in plan.inputs else "dense"
        usual = spec(plan.loss, {}, graph=about["graph"], labels=labels, reduction=plan.reduction, dtype=self.dtype, opset=self.opset)
        digest = "" if self == usual else "." + hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        return f"{plan.loss.name}.{about['graph']}.{labels}.{plan.reduction}.{self.dtype}.opset{self.opset}{digest}.onnx"


def version() -> str:
    """The version of the installed distribution."""
    return metadata.version("gradwire-service")


def spec(
    loss: Loss,
    params: Mapping[str, Any],
    *,
    graph: Literal["loss", "grad"] = "grad",
    labels: Literal["dense", "sparse"] = "dense",
    reduction: Reduction = "mean",
    mean_over: MeanOver | None = None,
    dtype: FloatType = "float32",
    opset: int = DEFAULT_OPSET,
    inputs: tuple[str, ...] = (),
) -> GraphSpec:
    """A graph for everyone: parameters are constants, a score of -inf masks its class, and `inputs` names what it takes besides."""
    if opset not in OPSETS:
        raise InvalidParameters(Problem("/opset", f"found {opset}; expected {OPSETS[0]} to {OPSETS[-1]}"))
    given = frozenset({"scores", "targets" if labels == "dense" else "labels", *inputs})
    plan = Plan(loss, given, reduction, mean_over, graph == "grad", masked=True)
    return GraphSpec(plan, tuple(sorted(loss.parameters(params).items())), (), dtype, opset)


def build(spec: GraphSpec) -> bytes:
    """Trace the equations of the plan and check what came out; the same spec gives the same bytes."""
    plan, wire = spec.plan, int(WIRE[spec.dtype])
    graph = Graph(int(TensorProto.DOUBLE if spec.dtype == "float64" else TensorProto.FLOAT), spec.opset)
    unreduced = ("N", "C") if plan.by_element else ("N",)
    shapes = SHAPES | {"grad_output": unreduced if plan.reduction == "none" else ()} | dict.fromkeys(spec.free, ())
    names = [name for name in shapes if name in plan.inputs or name in spec.free]
    types = {name: graph.element_type(KINDS[name]) if name in KINDS else wire for name in names}
    tensors = {name: traced_input(graph, name, KINDS.get(name, "real"), len(shapes[name]), types[name]) for name in names}
    params = dict(spec.constants) | {name: tensors.pop(name) for name in spec.free}
    loss, grad = evaluate(plan, params, tensors)
    outputs = {"loss": (loss, unreduced if plan.reduction == "none" else ())} | ({"grad": (grad, ("N", "C"))} if grad is not None else {})
    for name, (traced, _) in outputs.items():
        wire_output(traced, name, wire)
    return serialized(
        graph,
        [helper.make_tensor_value_info(name, types[name], shapes[name]) for name in names],
        [helper.make_tensor_value_info(name, wire, shape) for name, (_, shape) in outputs.items()],
        spec,
    )


def serialized(graph: Graph, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], spec: GraphSpec) -> bytes:
    """A checked model: only what the outputs need, no path and no name of a machine in it."""
    nodes, constants = graph.needed([each.name for each in outputs])
    opset = helper.make_opsetid("", spec.opset)
    model = helper.make_model(
        helper.make_graph(nodes, spec.plan.loss.name, inputs, outputs, constants),
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name="gradwire",
        producer_version=version(),
        doc_string=spec.plan.loss.summary,
    )
    helper.set_model_props(model, spec.described)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def sources() -> str:
    """A digest of the files that graphs come from, so that a changed equation is never served from an old file."""
    here = Path(__file__).parent
    files = [here / name for name in ("trace.py", "export.py", "kernel.py", "mean.py", "stable.py", "plan.py")]
    digest = hashlib.sha256()
    for file in [*files, *sorted((here / "losses").glob("*.py"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Graphs:
    """Every graph, built once: read from the folder of this version if it was exported ahead, and otherwise built and remembered."""

    def __init__(self, folder: Path, remembered: int = 512) -> None:
        self.folder = folder
        self.get = functools.lru_cache(remembered)(self._get)

    def _get(self, spec: GraphSpec) -> bytes:
        file = self.folder / spec.file_name
        return file.read_bytes() if file.is_file() else build(spec)


def default_folder() -> Path:
    """Where an installation keeps the graphs of just this version: beside its packages."""
    return Path(sys.prefix) / "share" / "gradwire" / "graphs" / f"{version()}-{sources()}"


def write(specs: Iterable[GraphSpec], folder: Path) -> int:
    """Export each graph to a file of the folder, which appears whole or not at all; returns how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, each in enumerate(specs, 1):
        part = folder / f"{each.file_name}.{os.getpid()}.part"
        part.write_bytes(build(each))
        part.replace(folder / each.file_name)
    return count


def usual(options: argparse.Namespace) -> Iterator[GraphSpec]:
    """Every combination of what the options leave open."""
    chosen = [find(options.loss)] if options.loss else list(catalogue().values())
    kinds = itertools.product(chosen, options.graph, options.labels, options.reduction, options.dtype)
    for loss, graph, labels, reduction, dtype in kinds:
        about = {"graph": graph, "labels": labels, "reduction": reduction, "dtype": dtype}
        yield spec(loss, options.params, mean_over=options.mean_over, opset=options.opset, inputs=tuple(options.inputs), **about)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser("python -m models.export", description="Write losses and their gradients as ONNX graphs.")
    choice = functools.partial(parser.add_argument, nargs="+")
    parser.add_argument("--out", type=Path, default=default_folder(), metavar="DIR", help="where to (default: %(default)s)")
    parser.add_argument("--loss", metavar="NAME", help="a name or alias (default: all)")
    choice("--graph", choices=["loss", "grad"], default=["loss", "grad"])
    choice("--labels", choices=["dense", "sparse"], default=["dense", "sparse"])
    choice("--reduction", choices=get_args(Reduction), default=list(get_args(Reduction)))
    choice("--dtype", choices=list(WIRE), default=["float32", "float64"])
    choice("--inputs", choices=sorted(EXTRA_INPUTS), default=[], help="tensors that the graph takes besides")
    parser.add_argument("--mean-over", choices=get_args(MeanOver), help="what a mean divides by (default: the loss's own)")
    parser.add_argument("--opset", type=int, default=DEFAULT_OPSET, help="%(default)s; from 17 on")
    parser.add_argument("--params", type=json.loads, default={}, metavar="JSON", help="""the loss's parameters, as '{"gamma": 3}'""")
    return parser


def main() -> int:
    """Write what the command line asks for; a mistake in it is one line on stderr."""
    options = arguments().parse_args()
    try:
        count = write(usual(options), options.out)
    except (JobError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{count} graphs in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
