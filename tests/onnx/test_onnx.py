"""A selection of what `python -m tests.onnx` tries: every loss at least once in every runtime that this machine has."""

from pathlib import Path

import pytest

from models.catalogue import catalogue
from tests.onnx.judge import findings
from tests.onnx.matrix import failures
from tests.onnx.runtimes import RUNTIMES, Runtime, must_have_all
from tests.onnx.writer import write


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven graphs of each loss, what they are fed, and what the service replies."""
    folder = tmp_path_factory.mktemp("onnx") / "graphs"
    write(folder, list(catalogue()), "few", processes=2)
    return folder


@pytest.mark.parametrize("runtime", RUNTIMES, ids=[each.name for each in RUNTIMES])
def test_the_runtime_computes_from_every_graph_what_the_service_replies(runtime: Runtime, graphs: Path) -> None:
    missing = runtime.missing()
    if missing and not must_have_all():
        pytest.skip(f"NOT CHECKED: the exported graphs in {runtime.name}: {missing}")
    assert missing is None
    runtime.run(graphs)
    found = list(findings(graphs, runtime.name, runtime.newest))
    assert {each.loss for each in found if not each.beyond} == set(catalogue())
    assert failures(found) == []
