"""Cases: is the server live, is it ready, is the model."""

from typing import Any

from tests.conformance.case import case, expect, member
from tests.conformance.rest import Reply
from tests.conformance.server import Server

UNKNOWN = "no-such-model-here"


def says(reply: Reply, *names: str) -> Any:
    """The boolean of a health reply, under one of these names."""
    found = reply.json()
    return member(found, next((name for name in names if name in found), names[0]), bool)


@case("REST, Server Live: GET v2/health/live tells whether the server can receive and answer; YAML: 200")
def server_is_live(server: Server) -> None:
    server.call("GET", "/v2/health/live").ok()


@case("REST, Server Ready: GET v2/health/ready tells whether all models are ready; YAML: 200")
def server_is_ready(server: Server) -> None:
    server.call("GET", "/v2/health/ready").ok()


@case("REST, Model Ready: GET v2/models/{name}/ready tells whether a specific model is ready; YAML: 200")
def model_is_ready(server: Server) -> None:
    server.call("GET", f"{server.model}/ready").ok()


@case("REST, Server Live Response JSON Object: {live: bool}; the YAML has no body, KServe wants it empty", advice=True)
def server_live_has_a_body(server: Server) -> None:
    expect(says(server.call("GET", "/v2/health/live").ok(), "live"), '"live" is false beside a 200')


@case("REST, Server Ready Response JSON Object: {live: bool}, surely meant as ready; either name will do here", advice=True)
def server_ready_has_a_body(server: Server) -> None:
    expect(says(server.call("GET", "/v2/health/ready").ok(), "ready", "live"), "false beside a 200")


@case("REST, Model Ready Response JSON Object: {name: string, ready: bool}; the YAML has no body", advice=True)
def model_ready_has_a_body(server: Server) -> None:
    reply = server.call("GET", f"{server.model}/ready").ok()
    expect(says(reply, "ready"), '"ready" is false beside a 200')
    expect(member(reply.json(), "name", str) == server.sample.model, f"name {reply.json()['name']}")


@case("REST, Model Ready: whether a specific model is ready, so an unknown one is not: an error status, or ready: false")
def unknown_model_is_not_ready(server: Server) -> None:
    reply = server.call("GET", f"{server.model_path(UNKNOWN)}/ready")
    expect(reply.status >= 400 or (reply.status == 200 and not says(reply, "ready")), f"{reply.status}: {reply.body[:100]!r}")


@case("KServe, Health: a 4xx status means false; other errors carry an error member, so why not this one", advice=True)
def unknown_model_is_not_ready_in_so_many_words(server: Server) -> None:
    reply = server.call("GET", f"{server.model_path(UNKNOWN)}/ready").refusal()
    expect(reply.status < 500, f"{reply.status} instead of a 4xx")


@case("REST, paths: v2/models/{name}/versions/{version}/ready, for the versions that the metadata lists")
def model_version_is_ready(server: Server) -> None:
    server.call("GET", f"{server.model}/versions/{server.version}/ready").ok()
