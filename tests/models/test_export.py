"""The command that writes graphs, the names of its files, and the folder that runtimes read them from."""

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest

from models.catalogue import catalogue, find
from models.contract import Job, Loss, Runtime
from models.errors import InvalidParameters
from models.export import Graphs, default_folder, file_name, spec, write
from models.graph import OPSETS, build
from models.plan import plan
from models.runtimes.onnx import OnnxRuntime, for_job
from tests.models.cases import lists, single_labels, stock_session

pytestmark = pytest.mark.usefixtures("runtimes")  # their pool of threads is there before any session
ROOT = Path(__file__).parents[2]


def command(*options: str) -> "subprocess.CompletedProcess[str]":
    """`python -m models.export` as a user runs it."""
    return subprocess.run([sys.executable, "-m", "models.export", *options], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_command_writes_one_graph_that_runs(tmp_path: Path) -> None:
    kind = ["--loss", "focal", "--graph", "grad", "--labels", "sparse", "--reduction", "mean", "--dtype", "float32", "--opset", "17"]
    done = command("--out", str(tmp_path), *kind, "--params", '{"gamma": 3}')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"1 graphs in {tmp_path}\n"
    (file,) = tmp_path.iterdir()
    asked: Any = {"graph": "grad", "labels": "sparse", "reduction": "mean", "dtype": "float32", "opset": 17}
    chosen = spec(find("focal"), {"gamma": 3}, **asked)
    assert file.name == file_name(chosen) and file.read_bytes() == build(chosen)
    session = stock_session(str(file))
    scores = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]], np.float32)
    loss, grad = session.run(None, {"scores": scores, "labels": np.array([[0, 2], [1, -1]])})
    targets = np.array([[1, 0, 1], [0, 1, 0]])
    sigma = 1 / (1 + np.exp(-scores.astype(np.float64)))
    right, share = np.where(targets == 1, sigma, 1 - sigma), np.where(targets == 1, 0.25, 0.75)
    np.testing.assert_allclose(loss, (-share * (1 - right) ** 3 * np.log(right)).mean(), rtol=1e-5)
    slope = share * (1 - right) ** 3 * (3 * right * np.log(right) + right - 1) * (2 * targets - 1)
    np.testing.assert_allclose(grad, slope / 6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--loss", "focl"], "no loss named 'focl'; did you mean 'focal'?"),
        (["--loss", "focal", "--params", '{"gama": 3}'], "/params/gama: unknown field; did you mean 'gamma'?"),
        (["--opset", "16"], "/opset: found 16; expected 17 to"),
        (["--loss", "zlpr", "--inputs", "pos_weight"], "pos_weight belongs to element losses"),
        (["--out", "/dev/null/here"], "Not a directory"),
    ],
)
def test_a_mistake_ends_with_one_line(options: list[str], said: str, tmp_path: Path) -> None:
    done = command("--out", str(tmp_path / "new"), *options)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("params", ["{", "3", "[1]", '"gamma"', "null"])
def test_parameters_that_are_no_object_end_without_a_traceback(params: str, tmp_path: Path) -> None:
    done = command("--out", str(tmp_path), "--loss", "focal", "--params", params)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_what_the_options_leave_open_is_written_in_every_combination(tmp_path: Path) -> None:
    done = command("--out", str(tmp_path), "--loss", "bce", "--reduction", "mean", "none", "--dtype", "float32")
    assert done.stdout == f"8 graphs in {tmp_path}\n"
    names = {file.name for file in tmp_path.iterdir()}
    kinds = itertools.product(["loss", "grad"], ["dense", "sparse"], ["mean", "none"])
    assert names == {f"binary_cross_entropy.{'.'.join(kind)}.float32.opset20.onnx" for kind in kinds}


def possible(loss: Loss, option: str, value: Any) -> bool:
    """Whether the loss has such a graph."""
    no_class_weight = loss.about.unit != "element" and "class_weight" not in loss.takes
    no_rows = loss.about.unit == "batch"
    refused = {
        "labels": loss.about.targets == "scores" and value == "sparse",
        "mean_over": no_rows,
        "inputs": option == "inputs" and ((no_class_weight and "class_weight" in value) or (no_rows and "sample_weight" in value)),
    }
    return not refused.get(option, False)


def test_different_graphs_have_different_file_names() -> None:
    varied: dict[str, list[Any]] = {
        "graph": ["loss", "grad"],
        "labels": ["dense", "sparse"],
        "reduction": ["none", "sum", "mean"],
        "dtype": ["float32", "float64", "float16"],
        "opset": list(OPSETS),
        "mean_over": ["rows", "elements", "weights", "valid", "positives"],
        "inputs": [(), ("class_weight",), ("sample_weight",), ("mask",), ("class_weight", "mask")],
    }
    found: dict[str, bytes] = {}
    for each, (option, values) in itertools.product(catalogue().values(), varied.items()):
        for value in values:
            if not possible(each, option, value):
                continue
            chosen = spec(each, dict(each.about.example), **{option: value})
            assert found.setdefault(file_name(chosen), build(chosen)) == build(chosen)
    for params in ({}, {"gamma": 3}, {"gamma": 3.5}, {"alpha": None}, {"soft": "geometric"}):
        chosen = spec(find("focal"), params)
        assert found.setdefault(file_name(chosen), build(chosen)) == build(chosen)
    assert len(set(found.values())) > 100


def test_no_two_graphs_of_the_runtime_share_a_file_name() -> None:
    found: dict[str, bytes] = {}
    scores, weight = np.ones((2, 3)), np.ones(3)
    forms: list[dict[str, Any]] = [{"labels": single_labels([0, 1])}, {"labels": lists([0], [1])}, {"targets": np.eye(2, 3)}]
    forms.append({"labels": single_labels([0, 9]), "ignore_index": 9})
    for form, mean_over, mask, class_weight in itertools.product(forms, [None, "rows", "valid"], [None, scores * 0], [None, weight]):
        job = Job(loss=find("softmax"), scores=scores, mean_over=mean_over, mask=mask, class_weight=class_weight, **form)
        chosen, _ = for_job(plan(job)[0], job)
        assert found.setdefault(file_name(chosen), build(chosen)) == build(chosen), file_name(chosen)


def test_a_name_says_what_the_graph_is() -> None:
    assert file_name(spec(find("asl"), {})) == "asymmetric.grad.dense.mean.float32.opset20.onnx"
    assert file_name(spec(find("asl"), {"clip": 0.1})).startswith("asymmetric.grad.dense.mean.float32.opset20.")


def test_a_graph_is_read_from_the_folder_where_it_is_there_and_built_where_not(tmp_path: Path) -> None:
    chosen = spec(find("focal"), {})
    (tmp_path / file_name(chosen)).write_bytes(b"as exported")
    graphs = Graphs(tmp_path)
    assert graphs.get(chosen) == b"as exported"
    assert graphs.get(dataclasses.replace(chosen, opset=17)) == build(dataclasses.replace(chosen, opset=17))
    assert Graphs(tmp_path / "nothing").get(chosen) == build(chosen)


def test_the_runtime_runs_what_the_folder_holds(tmp_path: Path, runtimes: dict[str, Runtime], monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = cast(OnnxRuntime, runtimes["onnx"])
    monkeypatch.setattr(onnx, "graphs", Graphs(tmp_path))
    job = Job(loss=find("zlpr"), scores=np.zeros((2, 2)), targets=np.eye(2))
    usual, _ = for_job(plan(job)[0], job)
    other = dataclasses.replace(usual, plan=dataclasses.replace(usual.plan, reduction="sum"))
    (tmp_path / file_name(usual)).write_bytes(build(other))
    onnx.session.cache_clear()
    total = onnx.run(job).loss
    (tmp_path / file_name(usual)).unlink()
    onnx.session.cache_clear()
    monkeypatch.setattr(onnx, "graphs", Graphs(tmp_path))
    mean = onnx.run(job).loss
    onnx.session.cache_clear()
    assert total == 2 * mean > 0


def test_a_file_appears_whole_and_is_written_over(tmp_path: Path) -> None:
    chosen = spec(find("zlpr"), {})
    (tmp_path / file_name(chosen)).write_bytes(b"old")
    assert write([chosen, chosen], tmp_path) == 2
    assert [file.name for file in tmp_path.iterdir()] == [file_name(chosen)]
    onnx.checker.check_model(tmp_path / file_name(chosen), full_check=True)


def test_an_installation_keeps_the_graphs_of_its_own_version_and_equations() -> None:
    folder = default_folder()
    assert folder.is_relative_to(sys.prefix) and folder.name.startswith("0.") and folder == default_folder()


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"opset": 16}, "/opset"),
        ({"opset": OPSETS[-1] + 1}, "/opset"),
        ({"inputs": ("class_weigth",)}, "/inputs"),
        ({"inputs": ("scores",)}, "/inputs"),
        ({"inputs": ("element_weight",)}, "/inputs"),
        ({"inputs": ("label_weights",)}, "/inputs"),
        ({"inputs": ("grad_output",), "graph": "loss"}, "/inputs"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(options: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        spec(find("softmax"), {}, **options)
    assert refused.value.problems[0].pointer == pointer
