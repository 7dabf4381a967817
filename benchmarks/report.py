"""What every benchmark prints: the machine, quantiles, a JSON row a measurement, and a table for people, in Markdown."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.native.library import library

Row = dict[str, Any]
Shape = tuple[int, int]


def parser(about: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    options.add_argument("--out", type=Path, help="file for a JSON object a measurement")
    options.add_argument("--quick", action="store_true", help="a moment of everything: whether it runs, not how fast")
    return options


def shapes(text: str) -> list[Shape]:
    """32x1000,256x1000 -> [(32, 1000), (256, 1000)]."""
    return [(int(rows), int(classes)) for rows, classes in (each.split("x") for each in text.split(","))]


def machine() -> Row:
    """Where it was measured, and how busy it was."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kernel": "fused kernel" if library().is_file() else "no fused kernel",
        "load": [round(each, 2) for each in os.getloadavg()],
    }


def timed(acts: Sequence[Callable[[], Any]], seconds: float) -> list[list[float]]:
    """How many seconds each took, every time: all in turn, so that what else the machine does hits them alike."""
    taken: list[list[float]] = [[] for _ in acts]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[-1]) < 3:
        for act, each in zip(acts, taken, strict=True):
            began = time.perf_counter()
            act()
            each.append(time.perf_counter() - began)
    return taken


def quantiles(seconds: Sequence[float]) -> Row:
    """p10 (what it takes when nothing comes between), p50, p90 and p99 in milliseconds, and of how many."""
    p10, p50, p90, p99 = (float(each) * 1000 for each in np.quantile(np.asarray(seconds), [0.1, 0.5, 0.9, 0.99]))
    return {"p10_ms": p10, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "count": len(seconds)}


def mb_s(nbytes: float, ms: float) -> float:
    """Megabytes a second, of which each is a million bytes."""
    return nbytes / 1e6 / (ms / 1e3)


def written(value: Any) -> str:
    """Three digits that count; whole numbers whole."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows for people."""
    print("\n".join(markdown(rows, columns)) + "\n", flush=True)


def markdown(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    """Rows for people, as lines of a table; `columns` has the heading of each key."""
    lines = [list(columns.values()), *([written(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    return ["| " + " | ".join(each.ljust(width) for each, width in zip(line, widths, strict=True)) + " |" for line in lines]


def begin(what: str) -> Row:
    """Say what is measured, and on which machine."""
    about = machine()
    busy = "" if about["load"][0] < 0.75 * about["cpus"] else "; BUSY with other work: trust the ratios alone"
    where = f"{about['cpu']}, {about['cpus']} cpus, {about['system']}, Python {about['python']}, {about['kernel']}"
    print(f"## {what}\n\n{where}, load {about['load'][0]}{busy}\n", flush=True)
    return about


def finish(benchmark: str, about: Row, rows: Sequence[Row], out: Path | None) -> None:
    """Write the rows, each with the machine."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a") as file:
            file.writelines(json.dumps({"benchmark": benchmark, **row, "machine": about}) + "\n" for row in rows)
        print(f"{len(rows)} rows in {out}", file=sys.stderr)
