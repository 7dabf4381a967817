"""One table from error to status."""

import re

import pytest

from models import errors as job_errors
from models.errors import InvalidJob, JobError, Problem
from service import errors
from service.errors import STATUS, BodyTooLarge, RequestError, UnsupportedMediaType, problem, status_of
from service.reply import problem_reply

TABLE = {
    "MalformedRequest": 400,
    "InvalidRegion": 400,
    "TooManyChunks": 400,
    "Unauthorized": 401,
    "ClientGone": 499,
    "OutOfMemory": 503,
    "DeadlinePassed": 504,
    "UnknownModel": 404,
    "UnknownRegion": 404,
    "UnknownLoss": 404,
    "NotAcceptable": 406,
    "BodyTooLarge": 413,
    "TensorTooLarge": 413,
    "BatchTooLarge": 413,
    "StalledRequest": 400,
    "UnsupportedMediaType": 415,
    "UnknownRuntime": 422,
    "InvalidJob": 422,
    "InvalidParameters": 422,
    "InvalidScores": 422,
    "InvalidTargets": 422,
    "NumericOverflow": 422,
    "Overloaded": 429,
    "NotReady": 503,
}


def below(error: type[Exception]) -> set[type[Exception]]:
    """All classes below this one."""
    return {each for child in error.__subclasses__() for each in {child, *below(child)}}


def test_every_error_has_the_status_that_the_wire_contract_gives_it() -> None:
    every = {each for each in below(RequestError) | below(JobError) if each.__module__ in (errors.__name__, job_errors.__name__)}
    assert {each.__name__: status_of(Exception.__new__(each)) for each in every} == TABLE


def test_the_table_names_no_error_in_vain() -> None:
    for error in STATUS:
        assert issubclass(error, RequestError | JobError)


@pytest.mark.parametrize("tree", [errors, job_errors])
def test_the_tree_in_the_docstring_is_the_tree(tree: type) -> None:
    drawn = set(re.findall(r"── (\w+)", tree.__doc__ or ""))
    assert drawn == {name for name, each in vars(tree).items() if isinstance(each, type) and issubclass(each, RequestError | JobError)} - {
        "JobError",
        "RequestError",
    }


def test_an_error_tells_what_to_do_in_its_headers() -> None:
    assert problem_reply(errors.Overloaded("full")).headers["retry-after"] == "1"
    assert problem_reply(errors.NotReady("starting")).headers["retry-after"] == "1"
    assert problem_reply(BodyTooLarge(1024)).headers["connection"] == "close"
    assert problem_reply(UnsupportedMediaType("'text/plain'", ["application/json"])).headers["accept-post"] == "application/json"


def test_a_problem_repeats_its_detail_for_clients_of_the_open_inference_protocol() -> None:
    assert problem(422, "Unprocessable Entity", "no", [{"pointer": "/x", "detail": "no"}]) == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "no",
        "error": "no",
        "errors": [{"pointer": "/x", "detail": "no"}],
    }
    assert "errors" not in problem(404, "Not Found", "no")


def test_an_invalid_job_names_all_its_fields() -> None:
    error = InvalidJob(Problem("/a", "is odd"), Problem("", "is too"))
    assert str(error) == "/a: is odd; the request: is too"
    assert b'"/a"' in problem_reply(error).body
