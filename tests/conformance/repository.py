"""Cases: the index of models. Loading and unloading would change the server, and are left alone."""

from typing import Any

from tests.conformance.case import NotApplicable, case, expect, member
from tests.conformance.health import UNKNOWN
from tests.conformance.server import Server

REPOSITORY = "model_repository"
READINESS_CHECKS = 10


def index(server: Server, body: Any) -> list[dict[str, Any]]:
    """The entries of the index, with their members."""
    found = server.call("POST", "/v2/repository/index", body).ok().json()
    expect(isinstance(found, list), f"no array: {str(found)[:100]}")
    for each in found:
        member(each, "name", str), member(each, "state", str)
        member(each, "version", str, optional=True), member(each, "reason", str, optional=True)
    return list(found)


@case(
    "Repository, Index: POST v2/repository/index gives every model with name and state; version and reason are strings",
    extension=REPOSITORY,
)
def index_lists_the_model(server: Server) -> None:
    expect(server.sample.model in [each["name"] for each in index(server, {})], "the model is not in the index")


@case("Repository, Index: ready true returns only models ready for inferencing", extension=REPOSITORY)
def index_of_ready_models_is_ready(server: Server) -> None:
    ready = [each["name"] for each in index(server, {"ready": True})]
    expect(server.sample.model in ready, "the model is not in the index")
    for name in ready[:READINESS_CHECKS]:
        server.call("GET", f"{server.model_path(name)}/ready").ok()


@case("Repository, Index: ready is optional and false by default", extension=REPOSITORY)
def index_without_ready_is_the_same_as_false(server: Server) -> None:
    expect({each["name"] for each in index(server, {})} == {each["name"] for each in index(server, {"ready": False})}, "they differ")


@case("Repository, Index: reason is not #optional, and is the reason, if any", advice=True, extension=REPOSITORY)
def index_gives_reasons(server: Server) -> None:
    expect(all("reason" in each for each in index(server, {})), "no reason")


@case("Repository, Index: the request object is required; Triton's official client sends an empty body", advice=True, extension=REPOSITORY)
def index_request_may_be_empty(server: Server) -> None:
    expect(index(server, b""), "nothing")


@case("Repository, Index: a failed index request must be an error status with an error string", extension=REPOSITORY)
def index_request_that_is_not_json_is_refused(server: Server) -> None:
    server.call("POST", "/v2/repository/index", b"{not json").refusal()


@case("Repository, Load and Unload: a failed request must be an error status with an error string", extension=REPOSITORY)
def unknown_model_is_not_loaded(server: Server) -> None:
    if REPOSITORY not in server.extensions:
        raise NotApplicable("the server lists no more than the index")
    for what in ("load", "unload"):
        server.call("POST", f"/v2/repository/models/{UNKNOWN}/{what}", {}).refusal()
