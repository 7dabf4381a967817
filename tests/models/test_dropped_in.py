"""A loss is one file: dropped into the folder, it is in the catalogue, on both runtimes, an ONNX graph, and on every wire."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LOSS = '''
"""Squared error of the probabilities (Brier, 1950, Monthly Weather Review 78)."""

from typing import Annotated

from annotated_types import Gt

from models.contract import About, Value
from models.stable import logistic
from models.tensor import Tensor

ABOUT = About(
    aliases=("brier",),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"s\\,(y-\\sigma)^2",
    use="Where a calibrated probability is wanted.",
    formula="s·(y − σ)²",
    gradient="2s·(σ − y)·σ(1−σ)",
    paper="Brier, 1950",
)


def squared_error(scores: Tensor, targets: Tensor, *, s: Annotated[float, Gt(0)] = 1.0) -> Value:
    """scores, targets [N, C] -> loss [N, C], grad [N, C]."""
    sigma, q = logistic(scores)
    off = (1.0 - targets) * sigma - targets * q
    return Value(s * off * off, lambda: 2.0 * s * off * sigma * q)
'''
PROGRAM = """
    import sys, json
    from models import losses
    losses.__path__.append(sys.argv[1])
    import numpy as np, onnx
    from starlette.testclient import TestClient
    from models.catalogue import find
    from models.export import Graphs, spec, build
    from models.runtimes.onnx import OnnxRuntime
    from models.runtimes.pytorch import PyTorch
    from pathlib import Path
    from service.app import create_app
    from service.settings import Settings
    from tests.conftest import wait_until_ready

    x, y = np.array([[0.3, -2.0], [4.0, 0.0]]), np.array([[1.0, 0.0], [0.25, 0.0]])
    p = 1 / (1 + np.exp(-x))
    loss, grad = (3 * (p - y) ** 2).mean(), 6 * (p - y) * p * (1 - p) / 4
    request = {"scores": x.tolist(), "targets": y.tolist(), "params": {"s": 3}, "dtype": "float64"}
    settings = Settings(_env_file=None)
    with TestClient(create_app(settings, {"pytorch": PyTorch(), "onnx": OnnxRuntime(Graphs(Path("nothing")))})) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        for runtime in ("pytorch", "onnx"):
            reply = client.post("/grad", json=request | {"loss": "brier", "runtime": runtime}).json()
            np.testing.assert_allclose(reply["loss"], loss, rtol=1e-10)
            np.testing.assert_allclose(reply["grad"], grad, rtol=1e-10)
        assert client.get("/losses/squared_error").json()["params"]["properties"]["s"]["exclusiveMinimum"] == 0
        refused = client.post("/grad", json=request | {"loss": "brier", "params": {"s": 0}})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/params/s")
        inputs = [{"name": n, "datatype": "FP64", "shape": [2, 2], "data": v.tolist()} for n, v in (("scores", x), ("targets", y))]
        outputs = client.post("/v2/models/squared_error.grad/infer", json={"inputs": inputs, "parameters": {"s": 3}}).json()["outputs"]
        np.testing.assert_allclose(np.reshape(outputs[1]["data"], (2, 2)), grad, rtol=1e-10)
        graph = onnx.load_from_string(client.get("/losses/brier/onnx?s=3").content)
        assert [each.name for each in graph.graph.output] == ["loss", "grad"]
    print("all of it")
"""


def test_a_file_that_is_dropped_in_is_a_loss_everywhere(tmp_path: Path) -> None:
    (tmp_path / "squared_error.py").write_text(LOSS)
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.endswith("all of it\n"), done.stdout + done.stderr
