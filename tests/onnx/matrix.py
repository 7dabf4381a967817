"""The findings as a table: loss × kind of graph × runtime, the largest error in each precision; and what docs/onnx.md shows of it."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.onnx.judge import Finding

DOCS = Path(__file__).parents[2] / "docs" / "onnx.md"
DTYPES = ("float32", "float64", "float16")


def cell(findings: list[Finding]) -> str:
    """The largest errors, in float32, float64 and float16; or how many graphs fail."""
    bad = [each for each in findings if not each.well]
    if bad:
        return f"**{len(bad)} of {len(findings)} fail**"
    errors = [[each.error for each in findings if each.dtype == dtype and not each.beyond] for dtype in DTYPES]
    return " ".join(f"{max(each):.0e}" if each else "-" for each in errors)


def table(findings: Iterable[Finding], runtimes: dict[str, str]) -> list[str]:
    """Markdown: a row for each loss and kind of graph, and one for each opset."""
    found = list(findings)
    rows = [["loss", "graph", "graphs", *runtimes.values()], ["---"] * (3 + len(runtimes))]
    for loss in sorted({each.loss for each in found}):
        for kind in ("loss", "grad"):
            here = [each for each in found if (each.loss, each.kind) == (loss, kind)]
            by_runtime = [[each for each in here if each.runtime == runtime] for runtime in runtimes]
            rows.append([f"`{loss}`", kind, str(max(map(len, by_runtime))), *map(cell, by_runtime)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def opsets(findings: Iterable[Finding], runtimes: dict[str, str]) -> list[str]:
    """Markdown: how many graphs of each opset agree in each runtime."""
    found = list(findings)
    rows = [["opset", *runtimes.values()], ["---"] * (1 + len(runtimes))]
    for opset in sorted({each.opset for each in found}):
        here = [[each for each in found if (each.opset, each.runtime) == (opset, runtime)] for runtime in runtimes]
        rows.append([str(opset), *map(count, here)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def count(findings: list[Finding]) -> str:
    """How many graphs agree; none where the runtime does not load the opset."""
    if findings and all(each.beyond and each.well for each in findings):
        return "not loaded"
    return f"{sum(each.well and not each.beyond for each in findings)} of {len(findings)}"


def failures(findings: Iterable[Finding]) -> list[str]:
    """What is wrong, each once for a runtime, with an example and how often."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        if not each.well:
            what = re.sub(r"[\d.e+-]+", "#", each.why) if each.why else f"{each.loss}: another result"
            groups.setdefault((each.runtime, "loads an opset that it should not" if each.beyond else what), []).append(each)
    worst = [(runtime, max(group, key=lambda each: each.error), len(group)) for (runtime, _), group in groups.items()]
    return [
        f"{runtime}: {each.graph} and {count - 1} more: {each.why[:500] or f'error {each.error:.3g}'}" for runtime, each, count in worst
    ]


def into_docs(name: str, lines: list[str]) -> None:
    """Put the lines between the marks of this name in docs/onnx.md."""
    text, marked = DOCS.read_text(), "\n".join(["", *lines, ""])
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    assert begin in text and end in text, f"docs/onnx.md has no place for {name}"
    DOCS.write_text(re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{marked}\n{end}", text, flags=re.DOTALL))
