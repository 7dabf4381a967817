"""The judge sees what it must: a wrong number, a lost tail, another shape, a refusal, and an opset that loads against what is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.onnx.arrays import Array, Buffer, written
from tests.onnx.judge import findings
from tests.onnx.matrix import failures

SCORES, TARGETS = np.array([[-80.0, 3.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
LOSS = np.array([[1e-35, 2.0]], np.float32)
WITHOUT_ITS_TAIL = np.array([[0.0, 2.0]], np.float32)


def judged(folder: Path, loss: str, found: Array | str, newest: int = 28) -> list[str]:
    """What is said of one graph whose outcome is this."""
    buffer, here = Buffer(), folder / loss
    here.mkdir()
    feeds = {"scores": buffer.place(SCORES), "targets": buffer.place(TARGETS)}
    about = {"kind": "loss", "dtype": "float32", "opset": 20, "mode": "usual", "params": {}}
    run = {"feeds": feeds, "expected": {"loss": buffer.place(LOSS)}}
    index = {"loss": loss, "data": "data.bin", "graphs": [{"name": "it", **about, "runs": [run]}]}
    (here / "index.json").write_text(json.dumps(index))
    (here / "data.bin").write_bytes(buffer.content)
    outcome: dict[str, Any] = {"why": found} if isinstance(found, str) else {"runs": [{"loss": written(found)}]}
    (here / "node.jsonl").write_text(json.dumps({"graph": "it", **outcome}))
    return failures(findings(folder, "node", newest))


@pytest.mark.parametrize(("loss", "found"), [("focal", LOSS * np.float32(1 + 5e-6)), ("zlpr", WITHOUT_ITS_TAIL)])
def test_what_is_near_is_well(loss: str, found: Array, tmp_path: Path) -> None:
    assert judged(tmp_path, loss, found) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (LOSS * np.float32(1 + 3e-5), "error 3"),
        (WITHOUT_ITS_TAIL, "error 0.00"),
        (np.array([[1e-35, np.nan]], np.float32), "error inf"),
        (LOSS.astype(np.float64), "loss is float64[1, 2]; expected float32[1, 2]"),
        (LOSS[0], "loss is float32[2]; expected float32[1, 2]"),
        ("no such operator", "no such operator"),
    ],
)
def test_what_is_wrong_is_said(found: Array | str, said: str, tmp_path: Path) -> None:
    (line,) = judged(tmp_path, "focal", found)
    assert line.startswith("node: it and 0 more: ") and said in line


def test_a_graph_beyond_the_opsets_of_a_runtime_must_be_refused(tmp_path: Path) -> None:
    assert judged(tmp_path, "focal", "an opset that is not known", newest=19) == []
    (line,) = judged(tmp_path, "zlpr", LOSS, newest=19)
    assert line.startswith("node: it and 0 more")
