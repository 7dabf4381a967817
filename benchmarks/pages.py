"""`python -m benchmarks.pages build/bench.json …` writes the tables of docs/speed.md, each between two comments, from what was measured."""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks import bench_coalescing, bench_kernel, bench_peers, bench_scale, bench_service, bench_wire, profile_service
from benchmarks.report import Row, markdown

PAGE = Path(__file__).parent.parent / "docs" / "speed.md"


class Table(NamedTuple):
    """Which rows of a benchmark, and which of their columns."""

    benchmark: str
    columns: Mapping[str, str]
    wanted: Callable[[Row], bool] = lambda _: True


def of(*named: tuple[str, object]) -> Callable[[Row], bool]:
    """Rows in which these are so."""
    return lambda row: all(row.get(name) == value for name, value in named)


TABLES = {
    "kernel": Table("kernel", {k: v for k, v in bench_kernel.COLUMNS.items() if k != "threads"}, of(("threads", 1))),
    "kernel on two threads": Table(
        "kernel",
        {k: v for k, v in bench_kernel.COLUMNS.items() if k not in ("threads", "onnx")},
        lambda row: row["threads"] == 2 and "faster" in row,
    ),
    "wire": Table("wire", {k: v for k, v in bench_wire.COLUMNS.items() if k != "floor_ms"}),
    "service": Table("service", bench_service.COLUMNS, lambda row: "bar" not in row),
    "service bars": Table("service", bench_service.BARS, lambda row: "bar" in row),
    "coalescing": Table("coalescing", bench_coalescing.COLUMNS),
    "clients": Table("scale", bench_scale.OF_CLIENTS, of(("what", "clients"))),
    "bodies": Table("scale", bench_scale.OF_BODIES, of(("what", "body"))),
    "sizes": Table("scale", bench_scale.OF_TIME, of(("what", "size"))),
    "peers": Table("peers", bench_peers.COLUMNS),
    "profile": Table("profile", profile_service.COLUMNS),
}


def written(page: str, rows: Iterable[Row]) -> str:
    """The page with the tables of what was measured; a table of which nothing was measured stays as it is."""
    measured = list(rows)
    for name, each in TABLES.items():
        found = [row for row in measured if row["benchmark"] == each.benchmark and each.wanted(row)]
        if found:
            about = found[0]["machine"]
            where = f"Load {about['load'][0]} when it began; {about['cpu']}, {about['cpus']} cpus, {about['kernel']}."
            text = "\n".join([f"<!-- {name} -->", "", where, "", *markdown(found, each.columns), "", f"<!-- end of {name} -->"])
            page, count = re.subn(f"<!-- {name} -->.*?<!-- end of {name} -->", lambda _, text=text: text, page, flags=re.DOTALL)
            assert count == 1, f"the page has no place for {name}"
    return page


def main() -> None:
    """From files of rows to the page."""
    options = argparse.ArgumentParser("python -m benchmarks.pages", description="Write the tables of docs/speed.md.")
    options.add_argument("files", nargs="+", type=Path, help="rows, as --out of a benchmark wrote them")
    rows = [json.loads(line) for file in options.parse_args().files for line in file.read_text().splitlines()]
    PAGE.write_text(written(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
