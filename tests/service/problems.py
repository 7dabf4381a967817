"""What every refusal looks like on the wire, and a request that is refused by nobody."""

from http import HTTPStatus
from typing import Any

import httpx2

GOOD: dict[str, Any] = {"scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], "labels": [[0], [1, 2]]}


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
