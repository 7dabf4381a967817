"""`python -m tests.onnx`: every loss as graphs, in every runtime, against the service; prints a matrix, writes docs/onnx.md.

Graphs, inputs and expected outputs stay in build/onnx for other programs to read.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models.catalogue import catalogue
from tests.onnx import matrix
from tests.onnx.judge import findings
from tests.onnx.runtimes import RUNTIMES, Runtime
from tests.onnx.writer import write

ROOT = Path(__file__).parents[2]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("python -m tests.onnx", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "onnx", help="where to (default: %(default)s)")
    parser.add_argument("--loss", nargs="+", default=list(catalogue()), metavar="NAME", help="default: all")
    parser.add_argument("--runtime", nargs="+", choices=[each.name for each in RUNTIMES], default=[each.name for each in RUNTIMES])
    parser.add_argument(
        "--breadth", choices=["few", "matrix", "everything"], default="matrix", help="everything: each combination in each opset; hours"
    )
    parser.add_argument("--docs", action="store_true", help="write the tables of docs/onnx.md; needs every loss and every runtime")
    return parser.parse_args()


def timed(runtime: Runtime, folder: Path) -> str:
    """Run the folder; a line that says how long it took, or what failed."""
    began = time.monotonic()
    try:
        runtime.run(folder)
    except (RuntimeError, TimeoutError) as error:
        return f"{runtime.title()}: FAILED: {error}"
    return f"{runtime.title()}: {time.monotonic() - began:.0f} s"


def main() -> int:
    """0 if every graph agrees in every runtime that was asked for."""
    options = arguments()
    began = time.monotonic()
    count = write(options.out, options.loss, options.breadth, os.cpu_count() or 1)
    print(f"{count} graphs in {options.out}: {time.monotonic() - began:.0f} s", flush=True)
    asked = [each for each in RUNTIMES if each.name in options.runtime]
    missing = {each.name: reason for each in asked if (reason := each.missing())}
    there = [each for each in asked if each.name not in missing]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for line in pool.map(lambda each: timed(each, options.out), there):
            print(line, flush=True)
    found = [finding for each in there for finding in findings(options.out, each.name, each.newest)]
    titles = {each.name: each.title() for each in there}
    tables = {"matrix": matrix.table(found, titles), "opsets": matrix.opsets(found, titles)}
    wrong = [*(f"{name}: NOT CHECKED: {reason}" for name, reason in missing.items()), *matrix.failures(found)]
    said = f"{len(wrong)} kinds of failure, {time.monotonic() - began:.0f} s"
    print("\n".join([*tables["matrix"], "", *tables["opsets"], "", *wrong, said]))
    if options.docs:
        for name, lines in tables.items():
            matrix.into_docs(name, lines)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
