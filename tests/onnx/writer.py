"""Graphs, what they are fed and what the service replies, as files: `FOLDER/<loss>/` has `index.json`, `data.bin` and the graphs.

`index.json` names the graphs in order; each has a `file` and `runs`, and each run has `feeds` and `expected`: by the name of an input
or an output, where its numbers lie in `data.bin` (type, shape, offset, bytes; little-endian).
"""

import contextlib
import functools
import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from models.graph import build
from models.runtimes.pytorch import PyTorch
from service.app import create_app
from service.settings import Settings
from tests.conftest import wait_until_ready
from tests.onnx.arrays import Buffer
from tests.onnx.batches import batches
from tests.onnx.graphs import Breadth, Case, cases
from tests.onnx.replies import REACH, TooLarge, reply


def write(folder: Path, losses: list[str], breadth: Breadth, processes: int = 1) -> int:
    """Every graph of these losses; returns how many there are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    work = functools.partial(written, folder=folder, breadth=breadth)
    if processes == 1:
        counts = list(map(work, losses))
    else:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            counts = list(pool.map(work, losses))
    (folder / "index.json").write_text(json.dumps({"losses": losses}))
    return sum(counts)


def written(loss: str, folder: Path, breadth: Breadth) -> int:
    """One loss's folder."""
    here, buffer = folder / loss, Buffer()
    here.mkdir()
    replied: dict[Any, Any] = {}
    graphs = [graph(case, service(), buffer, replied, here) for case in cases(loss, breadth)]
    (here / "data.bin").write_bytes(buffer.content)
    (here / "index.json").write_text(json.dumps({"loss": loss, "data": "data.bin", "graphs": graphs}))
    return len(graphs)


@functools.cache
def service() -> TestClient:
    """The app of this process, computing in PyTorch: not in the graphs that are judged. It lives as long as the process."""
    client = TestClient(create_app(Settings(_env_file=None), {"pytorch": PyTorch()}))  # type: ignore[call-arg]
    contextlib.ExitStack().enter_context(client)
    wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
    return client


def graph(case: Case, client: TestClient, buffer: Buffer, replied: dict[Any, Any], here: Path) -> dict[str, Any]:
    """One graph with its runs, as the index has it."""
    runs = []
    for name, batch in batches(case).items():
        key = (case.kind, case.labels, case.reduction, case.dtype, case.mode, case.variant, name)
        if key not in replied:
            replied[key] = first_that_fits(client, case, batch)
        fed, expected, reach = replied[key]
        places = [{each: buffer.place(array) for each, array in arrays.items()} for arrays in (fed, expected)]
        runs.append({"batch": name, "reach": reach, "feeds": places[0], "expected": places[1]})
        classes = batch.scores.shape[1]
    file = f"{case.name}.onnx"
    (here / file).write_bytes(build(case.spec(classes)))
    about = {"kind": case.kind, "labels": case.labels, "reduction": case.reduction, "dtype": case.dtype, "opset": case.opset}
    return {"name": case.name, "file": file, **about, "mode": case.mode, "params": case.params(classes), "runs": runs}


def first_that_fits(client: TestClient, case: Case, batch: Any) -> tuple[Any, Any, float]:
    """The reply at the largest reach of the scores that the precision can answer."""
    for reach in REACH if case.dtype == "float16" else REACH[:1]:
        try:
            return *reply(client, case, batch, reach), reach
        except TooLarge:
            continue
    raise RuntimeError(f"{case.name}: no result fits {case.dtype}")
