"""The golden files are what the service says, and what it says is true: judged by autograd over the equations, not by the service."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from starlette.testclient import TestClient

from tests.golden import cases, write
from tests.models.autograd import REFERENCES

LISTED = json.loads((write.FOLDER / "cases.json").read_text())
TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-3}
ALIASES = {
    "softmax": "softmax_cross_entropy",
    "CrossEntropyLoss": "softmax_cross_entropy",
    "SoftmaxWithLoss": "softmax_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "asl": "asymmetric",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin",
}
ELEMENT_LOSSES = {"binary_cross_entropy", "focal", "asymmetric"}
EACH = [(name, form) for name in cases.ALL for form in cases.forms_of(name)]
Arrays = dict[str, np.ndarray[Any, Any]]


def golden(name: str, what: str) -> bytes:
    """A golden file."""
    return (write.FOLDER / f"{name}.{what}").read_bytes()


def decoded(content: bytes, form: str) -> Arrays:
    """The arrays of a reply."""
    if form == "safetensors":
        return dict(load(content))
    return {name: np.array(value, np.float64) for name, value in json.loads(content).items()}


def assert_same(found: Arrays, expected: Arrays, tolerance: float) -> None:
    """Every number."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(
            found[name], array, rtol=tolerance, atol=tolerance, err_msg=name, strict=found[name].dtype == array.dtype
        )


def refused(name: str) -> bool:
    """Whether the service answers with a problem."""
    return (write.FOLDER / f"{name}.problem.json").exists()


@pytest.mark.parametrize(("name", "form"), EACH)
def test_the_service_answers_as_it_did(name: str, form: str, client: TestClient) -> None:
    assert golden(name, f"request.{form}") == write.request(name, form)
    reply = write.send(client, name, form)
    if refused(name):
        problem = json.loads(golden(name, "problem.json"))
        assert (reply.status_code, reply.json()) == (problem["status"], problem)
    else:
        assert reply.status_code == 200
        tolerance = TOLERANCE[cases.ALL[name].get("dtype", "float32")]
        assert_same(decoded(reply.content, form), decoded(golden(name, f"reply.{form}"), form), tolerance)


def test_the_problems_of_every_status_are_those_of_the_service(tmp_path: Any) -> None:
    assert write.statuses(tmp_path / "keys") == json.loads((write.FOLDER / "statuses.json").read_text())


def test_cases_json_lists_every_case_that_json_can_write_down() -> None:
    found = {each["name"]: (each["path"], each["job"]) for each in LISTED}
    assert found == {name: (cases.path_of(name), job) for name, job in (cases.GRAD | cases.LOSS).items()}
    statuses = {each["name"]: each["status"] for each in LISTED}
    assert all((statuses[name] != 200) == refused(name) for name in statuses)


def test_no_golden_file_is_left_over() -> None:
    whole = {"cases.json", "statuses.json", "cases.py", "write.py", "test_golden.py", "__init__.py"}
    wanted = {f"{name}.request.{form}" for name, form in EACH}
    wanted |= {f"{name}.problem.json" if refused(name) else f"{name}.reply.{form}" for name, form in EACH}
    assert {each.name for each in write.FOLDER.iterdir() if each.is_file()} == whole | wanted


CORE = {
    *("softmax_cross_entropy", "binary_cross_entropy", "focal", "asymmetric"),
    *("zlpr", "multilabel_soft_margin", "multilabel_margin"),
}


def test_every_core_loss_option_and_alias_of_a_kind_has_a_case() -> None:
    jobs = cases.ALL.values()
    assert {loss_of(job) for job in jobs} >= CORE  # the others say nothing new to a wire
    fields = {field for job in jobs for field in job}
    options = {
        "params",
        "class_weight",
        "pos_weight",
        "sample_weight",
        "element_weight",
        "mask",
        "ignore_index",
        "mean_over",
        "grad_output",
    }
    assert fields == options | {"loss", "scores", "targets", "labels", "label_weights", "reduction", "dtype", "runtime"}
    assert {job.get("reduction", "mean") for job in jobs} == {"none", "sum", "mean"}


@pytest.mark.parametrize(("name", "form"), [each for each in EACH if not refused(each[0])])
def test_the_golden_reply_is_true(name: str, form: str) -> None:
    job = cases.ALL[name]
    precision = job.get("dtype", "float32")
    loss, grad = truth(job)
    found = decoded(golden(name, f"reply.{form}"), form)
    expected = {"loss": loss} | ({"grad": grad} if cases.path_of(name) == "/grad" else {})
    assert_same({each: array.astype(np.float64) for each, array in found.items()}, expected, TOLERANCE[precision])


def loss_of(job: cases.Job) -> str:
    """Its name, where an alias is given too."""
    name: str = job.get("loss", "softmax_cross_entropy")
    return ALIASES.get(name, name)


def truth(job: cases.Job) -> tuple[Any, Any]:
    """The loss and its gradient, by autograd in float64, from the equations and from docs/semantics.md."""
    name, precision = loss_of(job), job.get("dtype", "float32")

    def tensor(field: str) -> torch.Tensor:
        return torch.tensor(np.array(job[field]).astype(precision).astype(np.float64))

    scores = tensor("scores").requires_grad_()
    kept, targets = labels_of(job, scores.shape) if "labels" in job else (np.ones(len(scores), bool), tensor("targets"))
    weights = {each: tensor(each) for each in ("class_weight", "pos_weight", "mask") if each in job}
    loss = REFERENCES[name](scores, targets, **weights, **job.get("params", {}))
    by_row = loss.dim() == 1
    loss = loss * torch.tensor(kept) if by_row else loss * torch.tensor(kept)[:, None]
    if "sample_weight" in job:
        loss = loss * (tensor("sample_weight") if by_row else tensor("sample_weight")[:, None])
    if "element_weight" in job:
        loss = loss * tensor("element_weight")
    reduced = {"none": loss, "sum": loss.sum(), "mean": loss.sum() / divisor(job, name, targets, kept)}[job.get("reduction", "mean")]
    upstream = tensor("grad_output") if "grad_output" in job else torch.ones(())
    (reduced * upstream).sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    return reduced.detach().numpy(), scores.grad.numpy()


def labels_of(job: cases.Job, shape: Any) -> tuple[Any, torch.Tensor]:
    """Which rows are not ignored, and the labels as numbers [N, C]."""
    rows = [row if isinstance(row, list) else [row] for row in job["labels"]]
    kept = np.array(["ignore_index" not in job or row != [job["ignore_index"]] for row in rows])
    targets = torch.zeros(shape, dtype=torch.float64)
    for n, row in enumerate(rows):
        if kept[n]:
            targets[n, row] = torch.tensor(job["label_weights"][n] if "label_weights" in job else [1.0] * len(row), dtype=torch.float64)
    return kept, targets


def divisor(job: cases.Job, name: str, targets: torch.Tensor, kept: Any) -> float:
    """What a mean divides by, as docs/semantics.md has it, for what the cases hold."""
    by_element = name in ELEMENT_LOSSES
    mask = np.array(job.get("mask", np.ones(targets.shape))) != 0
    if name == "softmax_cross_entropy" and not isinstance(job.get("labels", [[]])[0], list):
        weights = np.array(job["class_weight"])
        return float(sum(weights[label] for label, keep in zip(job["labels"], kept, strict=True) if keep))
    default = "elements" if by_element else "rows"
    valid = mask & kept[:, None]
    element_weight = np.array(job.get("element_weight", np.ones(targets.shape)))
    return float(
        {
            "rows": len(targets),
            "elements": targets.numel(),
            "valid": valid.sum() if by_element else valid.any(1).sum(),
            "weights": (element_weight * valid).sum(),
            "positives": (targets.numpy() * valid).sum(),
        }[job.get("mean_over", default)]
    )
