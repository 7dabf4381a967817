"""The golden cases: what is sent is what was meant, and what comes back is read as it was written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire

FOLDER = Path(os.environ.get("GRADWIRE_GOLDEN", ""))
CASES = json.loads((FOLDER / "cases.json").read_text())
ARRAYS = ("scores", "targets", "class_weight", "pos_weight", "sample_weight", "element_weight", "grad_output")
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
NAN, INFINITY = float("nan"), float("inf")


def as_given(job: dict[str, Any]) -> dict[str, Any]:
    """Lists, and a dtype."""
    return job


def as_arrays(job: dict[str, Any]) -> dict[str, Any]:
    """Arrays of the precision, where they are arrays at all."""
    dtype = job.get("dtype", "float32")
    try:
        arrays = {name: np.array(value, dtype) for name, value in job.items() if name in ARRAYS}
    except ValueError:  # ragged
        return job
    if "mask" in job:
        arrays["mask"] = np.array(job["mask"], bool)
    return {name: value for name, value in job.items() if name != "dtype"} | arrays


def asked(client: gradwire.Client, case: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """The reply's arrays; of a refusal, the problem as far as an error has it."""
    try:
        reply = client.loss(**job) if case["path"] == "/loss" else client.grad(**job)
    except gradwire.Refused as refusal:
        return {"status": refusal.status, "title": refusal.title, "detail": refusal.detail, "errors": refusal.errors}
    return {"loss": reply.loss} | ({"grad": reply.grad} if isinstance(reply, gradwire.Reply) else {})


def assert_golden(found: dict[str, Any], case: dict[str, Any]) -> None:
    """The golden reply, in its precision; or the golden problem, word for word."""
    if case["status"] != 200:
        problem = json.loads((FOLDER / f"{case['name']}.problem.json").read_text())
        errors = [gradwire.FieldError(**each) for each in problem.get("errors", [])]
        assert found == {name: problem[name] for name in ("status", "title", "detail")} | {"errors": errors}
        return
    expected, dtype = json.loads((FOLDER / f"{case['name']}.reply.json").read_text()), case["job"].get("dtype", "float32")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == dtype and found[name].shape == np.shape(value)
        np.testing.assert_allclose(found[name], value, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@each_case
@pytest.mark.parametrize("given", [as_given, as_arrays])
def test_the_golden_request_is_sent_and_the_golden_reply_read(case: dict[str, Any], given: Any, faults: str, form: Any) -> None:
    client = gradwire.Client(f"{faults}/golden/{case['name']}", form=form)
    assert_golden(asked(client, case, given(case["job"])), case)


@each_case
def test_the_service_says_the_same(case: dict[str, Any], client: gradwire.Client) -> None:
    assert_golden(asked(client, case, as_arrays(case["job"])), case)


@pytest.mark.parametrize("name", ["nan", "nan_tensor"])
def test_nan_is_sent_and_refused_by_name(name: str, faults: str) -> None:
    client = gradwire.Client(f"{faults}/golden/{name}", form="binary" if name == "nan_tensor" else "json")
    with pytest.raises(gradwire.Refused, match=r"/scores/0/1: .*found (NaN|nan)"):
        client.grad(np.array([[2.0, NAN, -1.0], [0.1, 1.2, 3.0]], np.float32), labels=[[0], [1, 2]])


def test_a_masked_class_is_sent_as_minus_infinity(faults: str) -> None:
    reply = gradwire.Client(f"{faults}/golden/minus_infinity").grad(np.array([[2, -INFINITY, -1], [0.1, 1.2, 3]]), labels=[[0], [1, 2]])
    assert reply.grad.dtype == np.float64 and reply.grad[0, 1] == 0 and reply.grad[0, 0] != 0


def test_half_precision_is_sent_and_returned(faults: str, live: str) -> None:
    scores = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], np.float16)
    for url in (f"{faults}/golden/half", live):
        reply = gradwire.Client(url).grad(scores, labels=[[0], [1, 2]])
        assert (reply.loss.dtype, reply.grad.dtype) == (np.float16, np.float16)
        np.testing.assert_allclose(reply.grad[0], [-0.1072, 0.0876, 0.01956], rtol=2e-3)


@each_case
def test_a_request_that_is_changed_is_no_golden_one(case: dict[str, Any], faults: str, form: Any) -> None:
    scores = [row[:] for row in case["job"]["scores"]]
    scores[0][0] += 0.5
    with pytest.raises(gradwire.Refused, match=r"not the golden request .*/scores/0/0: found"):
        asked_loudly(gradwire.Client(f"{faults}/golden/{case['name']}", form=form), case, {**case["job"], "scores": scores})


def asked_loudly(client: gradwire.Client, case: dict[str, Any], job: dict[str, Any]) -> None:
    """As `asked`, with the error raised."""
    client.loss(**job) if case["path"] == "/loss" else client.grad(**job)
