"""The Triton model repository: Triton's own message reads each config, and Triton's own server loads models of it and answers."""

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import pytest
from starlette.testclient import TestClient

from models.catalogue import catalogue
from tests.clients.test_clients import python, run
from tests.conftest import answers, free_port, wait_until_ready

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "tritonserver"
TYPES = {"TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64, "TYPE_INT64": np.int64, "TYPE_BOOL": np.bool_}
SCORES = [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]


def export(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "models.export", "--layout", "triton", "--out", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the command makes it without further options."""
    folder = tmp_path_factory.mktemp("triton")
    done = export(folder)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{2 * len(catalogue())} graphs in {folder}\n")
    return folder


def parsed(folder: Path) -> dict[str, Any]:
    """Every config, by Triton's own message."""
    lines = run([python("triton"), HERE / "triton_config.py", *sorted(folder.glob("*/config.pbtxt"))]).splitlines()
    return {each["name"]: each for each in map(json.loads, lines)}


def test_each_config_says_of_the_graph_beside_it_what_the_graph_says(repository: Path) -> None:
    configs = parsed(repository)
    assert set(configs) == {name + kind for name in catalogue() for kind in ("", ".grad")}
    for name, config in configs.items():
        assert [each.name for each in sorted((repository / name).rglob("*"))] == ["1", "model.onnx", "config.pbtxt"]
        graph = onnx.load(repository / name / "1" / "model.onnx").graph
        assert config["backend"] == "onnxruntime" and not config.get("max_batch_size") and "dynamic_batching" not in config
        for said, there in zip(config["input"] + config["output"], [*graph.input, *graph.output], strict=True):
            tensor = there.type.tensor_type
            assert said["name"] == there.name and TYPES[said["data_type"]] == onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            assert said["dims"] == (["-1"] * len(tensor.shape.dim) or ["1"]) and "reshape" not in said
    assert [each["name"] for each in configs["zlpr.grad"]["output"]] == ["loss", "grad"]


def test_rows_of_several_requests_may_be_put_together_only_where_nothing_is_reduced(tmp_path: Path) -> None:
    export(tmp_path, "--reduction", "none", "--labels", "sparse")
    configs = parsed(tmp_path)
    batched = {name for name, each in configs.items() if each.get("max_batch_size")}
    assert batched == {name for name, each in configs.items() if "dynamic_batching" in each}
    assert {"focal", "zlpr.grad"} <= batched and not {"two_way", "two_way.grad", "ldam"} & batched
    assert [each["dims"] for each in configs["focal.grad"]["input"] + configs["focal.grad"]["output"]] == [["-1"]] * 4
    assert configs["zlpr"]["output"] == [{"name": "loss", "data_type": "TYPE_FP32", "dims": ["1"], "reshape": {}}]
    export(tmp_path / "weighed", "--reduction", "none", "--inputs", "class_weight", "--loss", "focal", "--dtype", "float16")
    assert "max_batch_size" not in parsed(tmp_path / "weighed")["focal"]


@pytest.mark.parametrize("options", [["--labels", "dense", "sparse"], ["--dtype", "float32", "float64"]])
def test_a_model_has_one_graph(options: list[str], tmp_path: Path) -> None:
    done = export(tmp_path, *options)
    assert done.returncode == 2 and "a Triton model has one" in done.stderr


def server() -> Path:
    """Triton's server, out of NVIDIA's package, with the stand-in for the backend that the package lacks."""
    stub = f"{sys.version_info.major}.{sys.version_info.minor}"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("NOT CHECKED: Triton's own server; its package is for Linux on x86_64")
    packages = BUILT / "lib" / f"python{stub}" / "site-packages"
    triton = packages / "pytriton" / "tritonserver"
    wanted, stamp = HERE / "tritonserver" / "requirements.txt", BUILT / "made-of"
    if not stamp.is_file() or stamp.read_text() != wanted.read_text():
        run([sys.executable, "-m", "venv", "--clear", BUILT])
        run([BUILT / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", wanted])
        stamp.write_text(wanted.read_text())
    backends = BUILT / "backends"
    shutil.rmtree(backends, ignore_errors=True)
    shutil.copytree(triton / "backends" / "python", backends / "python")
    shutil.copy(triton / "python_backend_stubs" / stub / "triton_python_backend_stub", backends / "python")
    command = ["ldd", backends / "python" / "triton_python_backend_stub"]
    needs = subprocess.run(command, capture_output=True, text=True, env=libraries(), check=False)
    if "not found" in needs.stdout:
        pytest.skip(f"NOT CHECKED: Triton's own server; this machine lacks libpython{stub}.so")
    (backends / "onnxruntime").mkdir()
    path = f"import sys; sys.path.insert(0, {str(packages)!r})\n"  # the server passes no PYTHONPATH on
    (backends / "onnxruntime" / "model.py").write_text(path + (HERE / "tritonserver" / "model.py").read_text())
    return triton / "bin" / "tritonserver"


def libraries() -> dict[str, str]:
    """The environment in which the package's libraries are found."""
    (folder,) = BUILT.glob("lib/*/site-packages/nvidia_pytriton.libs")
    return os.environ | {"LD_LIBRARY_PATH": str(folder)}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Triton over a repository, on 127.0.0.1, ended with all its processes."""
    port, grpc, log = free_port(), free_port(), folder.parent / "triton.log"
    local = ["--http-address", "127.0.0.1", "--http-port", str(port), "--grpc-address", "127.0.0.1", "--grpc-port", str(grpc)]
    command = [server(), "--model-repository", folder, "--backend-directory", BUILT / "backends", "--allow-metrics", "false", *local]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=libraries(), start_new_session=True)
    try:
        wait_until_ready(lambda: answers(f"http://127.0.0.1:{port}/v2/health/ready"))
        yield f"http://127.0.0.1:{port}"
    except AssertionError:
        print(log.read_text()[-5000:])
        raise
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def infer(url: str, model: str, **inputs: Any) -> dict[str, Any]:
    """What a model replies; integers are INT64."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    named = [
        {"name": name, "datatype": "INT64" if each.dtype.kind == "i" else "FP32", "shape": each.shape, "data": each.ravel().tolist()}
        for name, each in arrays.items()
    ]
    reply = httpx2.post(f"{url}/v2/models/{model}/infer", json={"inputs": named}, timeout=20)
    assert reply.status_code == 200, reply.text
    outputs = reply.json()["outputs"]
    return {each["name"]: np.reshape(each["data"], each["shape"]) for each in outputs}


def test_tritons_own_server_loads_models_of_the_repository_and_answers_as_the_service_does(
    repository: Path, tmp_path: Path, client: TestClient
) -> None:
    models = tmp_path / "models"
    for name in ("focal", "softmax_cross_entropy.grad", "two_way.grad", "ldam.grad"):
        shutil.copytree(repository / name, models / name)
    export(models, "--loss", "zlpr", "--reduction", "none", "--labels", "sparse")
    targets, counts = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [7.0, 2.0, 4.0]
    with serving(models) as url:
        for name in ("focal", "softmax_cross_entropy.grad", "two_way.grad", "ldam.grad"):
            loss, _, kind = name.partition(".")
            own = {"class_counts": counts} if loss == "ldam" else {}
            found = infer(url, name, scores=SCORES, targets=targets, **own)
            expected = client.post(f"/{kind or 'loss'}", json={"loss": loss, "scores": SCORES, "targets": targets, "params": own}).json()
            assert found["loss"].shape == (1,)
            np.testing.assert_allclose(found["loss"][0], expected["loss"], rtol=1e-5)
            if kind:
                np.testing.assert_allclose(found["grad"], expected["grad"], rtol=1e-5, atol=1e-6)
        found = infer(url, "zlpr.grad", scores=SCORES, labels=[[0, -1], [1, 2]])
        request = {"loss": "zlpr", "scores": SCORES, "labels": [[0], [1, 2]], "reduction": "none"}
        expected = client.post("/grad", json=request).json()
        np.testing.assert_allclose(found["loss"].ravel(), expected["loss"], rtol=1e-5)
        np.testing.assert_allclose(found["grad"], expected["grad"], rtol=1e-5)
