"""What every refusal looks like on the wire, and a request that is refused by nobody."""

from http import HTTPStatus
from typing import Any

import httpx2

from models.catalogue import find

GOOD: dict[str, Any] = {"scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], "labels": [[0], [1, 2]]}


def good(loss: str, form: str = "labels") -> dict[str, Any]:
    """A request for this loss, with labels of its kind in one of the two forms, and the parameters that it needs."""
    about = find(loss).about
    single = about.targets in ("single", "distribution")
    forms = {"labels": [[0], [1]] if single else [[0], [1, 2]], "targets": [[1, 0, 0], [0, 1, 0]] if single else [[1, 0, 0], [0, 1, 1]]}
    form = "targets" if about.targets == "scores" else form
    return {"loss": loss, "scores": GOOD["scores"], "params": dict(about.example), form: forms[form]}


def weights(loss: str) -> dict[str, list[float]]:
    """Weights of classes and rows, where the loss has them."""
    found = find(loss)
    by_class = found.about.unit == "element" or "class_weight" in found.takes
    return ({"class_weight": [1, 0.5, 2]} if by_class else {}) | ({"sample_weight": [1, 3]} if found.about.unit != "batch" else {})


def assert_problem(reply: httpx2.Response, status: int, names: str = "") -> dict[str, Any]:
    """The reply is an RFC 9457 problem of this status that names the field; returns it."""
    assert reply.status_code == status, reply.text[:500]
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert {"type", "title", "status", "detail", "error"} <= set(problem)
    assert problem["status"] == status
    assert problem["title"] == HTTPStatus(status).phrase
    assert problem["error"] == problem["detail"] != ""
    if status == 422:
        assert problem["errors"], problem
        for each in problem["errors"]:
            assert set(each) == {"pointer", "detail"}
            assert each["pointer"] == "" or each["pointer"].startswith("/")
        assert any(names in each["pointer"] or names in each["detail"] for each in problem["errors"]), (names, problem)
    assert names in problem["detail"], (names, problem)
    return problem
