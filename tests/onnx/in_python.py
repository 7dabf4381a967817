"""`python -m tests.onnx.in_python onnxruntime|reference FOLDER`: run every graph there, and write its outputs beside it."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.onnx.arrays import Array, at, folders, written

Run = Callable[[dict[str, Array]], list[Any]]


def onnxruntime(file: Path) -> tuple[list[str], Run]:
    """ONNX Runtime as it comes, with one thread."""
    import onnxruntime as stock

    options = stock.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = stock.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return [each.name for each in session.get_outputs()], lambda feeds: list(session.run(None, feeds))


def reference(file: Path) -> tuple[list[str], Run]:
    """The evaluator that the specification is explained with: plain numpy, operator by operator."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(file))
    return list(evaluator.output_names), lambda feeds: list(evaluator.run(None, feeds))


RUNTIMES = {"onnxruntime": onnxruntime, "reference": reference}


def outcome(load: Callable[[Path], tuple[list[str], Run]], here: Path, graph: dict[str, Any], data: bytes) -> dict[str, Any]:
    """The outputs of each run of a graph, or why there are none."""
    try:
        names, run = load(here / graph["file"])
        runs = []
        for each in graph["runs"]:
            outputs = run({name: at(data, place) for name, place in each["feeds"].items()})
            runs.append({name: written(output) for name, output in zip(names, outputs, strict=True)})
    except Exception as error:  # whatever it is, it is the answer
        return {"graph": graph["name"], "why": f"{type(error).__name__}: {error}"}
    return {"graph": graph["name"], "runs": runs}


def main(runtime: str, folder: str) -> None:
    """Every graph of the folder."""
    warnings.simplefilter("ignore", RuntimeWarning)  # the evaluator's log of 0, which a Where leaves out
    np.seterr(all="ignore")
    for here in folders(Path(folder)):
        index, data = json.loads((here / "index.json").read_text()), (here / "data.bin").read_bytes()
        lines = [json.dumps(outcome(RUNTIMES[runtime], here, graph, data)) for graph in index["graphs"]]
        (here / f"{runtime}.jsonl").write_text("\n".join(lines))
        print(f"{runtime}: {here.name}, {len(lines)} graphs", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
