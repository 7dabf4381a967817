"""Cases: malformed requests. Each is refused with a message, and the next request on the same connection is answered."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.case import Case, NotApplicable, add, case, expect
from tests.conformance.health import UNKNOWN
from tests.conformance.outputs import expect_same, outputs_of
from tests.conformance.rest import JSON, Connection, Reply
from tests.conformance.server import Server

ERROR = "REST, Inference Response JSON Error Object: a failed inference must be an HTTP error status with an error string"
NEEDED = "REST, Request Input: name, shape, datatype and data are not #optional"
COUNT = "REST, Request Input: shape and data must represent the full shape and contents"
DIMENSION = "REST, Request Input: each dimension must be an integer representable as an unsigned 64-bit integer"

Malformed = Callable[[Server], tuple[Any, Mapping[str, str]]]


def refuse(server: Server, body: Any, headers: Mapping[str, str], path: str | None = None) -> tuple[Reply, Connection]:
    """Send it, expect a refusal, then expect the sample to be answered on the connection as it is left."""
    with server.connection() as link:
        reply = link.send("POST", path or f"{server.model}/infer", body, headers).refusal()
        expect_same(outputs_of(link.send("POST", f"{server.model}/infer", server.sample.request()).ok()), server.expected)
    return reply, link


def changed(change: Callable[[dict[str, Any], Server], Any]) -> Malformed:
    """The sample's request after a change of its first input, or of the whole where the change gives something back."""

    def malformed(server: Server) -> tuple[Any, Mapping[str, str]]:
        request = server.sample.request()
        instead = change(request["inputs"][0], server)
        return (request if instead is None else instead), JSON

    return malformed


def without(name: str) -> Malformed:
    """The first input lacks a member."""
    return changed(lambda tensor, _: tensor.__delitem__(name))


def with_(**members: Any) -> Malformed:
    """The first input has a member of another value."""
    return changed(lambda tensor, _: tensor.update(members))


def words_for_numbers(tensor: dict[str, Any], server: Server) -> None:
    """No coercion makes a number of these."""
    if tensor["datatype"] in ("BYTES", "BOOL"):
        raise NotApplicable(f"the first input is {tensor['datatype']}")
    tensor["data"] = ["word"] * math.prod(tensor["shape"])


def transposed(tensor: dict[str, Any], server: Server) -> None:
    """Nested as the shape backwards."""
    shape = tensor["shape"]
    if len(shape) != 2 or shape[0] == shape[1]:
        raise NotApplicable("the first input is no oblong matrix")
    tensor["data"] = [tensor["data"][at : at + shape[0]] for at in range(0, math.prod(shape), shape[0])]


def dimension(value: Any) -> Malformed:
    """The first dimension is no size."""

    def change(tensor: dict[str, Any], server: Server) -> None:
        if not tensor["shape"]:
            raise NotApplicable("the first input is a scalar")
        tensor["shape"][0] = value(tensor["shape"][0])

    return changed(change)


def renamed(tensor: dict[str, Any], server: Server) -> dict[str, Any]:
    """One input more, of a name that the model has not."""
    return server.sample.request(inputs=[*server.sample.request()["inputs"], tensor | {"name": "no-such-input"}])


MALFORMED: dict[str, tuple[str, Malformed]] = {
    "body_that_is_not_json_is_refused": (ERROR, lambda server: (b"not json", JSON)),
    "truncated_json_is_refused": (ERROR, lambda server: (json.dumps(server.sample.request()).encode()[:-9], JSON)),
    "json_that_is_no_object_is_refused": (ERROR, lambda server: (b"[]", JSON)),
    "no_inputs_are_refused": ("REST, Inference Request JSON Object: inputs is not #optional", lambda server: ({"id": "1"}, JSON)),
    "inputs_that_are_no_array_are_refused": ("YAML, inference_request: inputs is an array", lambda server: ({"inputs": "scores"}, JSON)),
    "input_without_a_name_is_refused": (NEEDED, without("name")),
    "input_without_a_shape_is_refused": (NEEDED, without("shape")),
    "input_without_a_datatype_is_refused": (NEEDED, without("datatype")),
    "input_without_data_is_refused": (NEEDED, without("data")),
    "more_values_than_the_shape_are_refused": (COUNT, changed(lambda tensor, _: tensor["data"].append(tensor["data"][0]))),
    "fewer_values_than_the_shape_are_refused": (COUNT, changed(lambda tensor, _: tensor["data"].__delitem__(-1))),
    "negative_dimension_is_refused": (DIMENSION, dimension(lambda size: -size)),
    "fractional_dimension_is_refused": (DIMENSION, dimension(lambda size: size + 0.5)),
    "unknown_datatype_is_refused": ("REST, Request Input: datatype as defined in Tensor Data Types", with_(datatype="FP31")),
    "words_for_numbers_are_refused": (
        "REST, Tensor Data: a server may coerce elements or return an error, and a word is no number",
        changed(words_for_numbers),
    ),
    "unknown_output_is_refused": (
        "REST, Inference Request Examples: the server must return the output requested, and cannot",
        lambda server: (server.sample.request(outputs=[{"name": "no-such-output"}]), JSON),
    ),
}
UNCLEAR: dict[str, tuple[str, Malformed]] = {
    "datatype_in_small_letters_is_refused": (
        "KServe, HTTP/REST: all strings in all contexts are case-sensitive",
        changed(lambda tensor, _: tensor.update(datatype=tensor["datatype"].lower())),
    ),
    "nested_data_of_another_shape_is_refused": (
        "REST, Tensor Data: natural multi-dimensional form or flattened, and this is neither",
        changed(transposed),
    ),
    "unknown_input_is_refused": ("REST, Request Input: silent on a name that the model has not", changed(renamed)),
    "duplicate_input_is_refused": (
        "REST, Request Input: silent on a name that comes twice",
        lambda server: (server.sample.request(inputs=[each.json() for each in [*server.sample.inputs, server.sample.inputs[0]]]), JSON),
    ),
    "missing_input_is_refused": (
        "REST, Model Metadata Response JSON Object: inputs are those required by the model; silent on one left out",
        lambda server: (server.sample.request(inputs=[each.json() for each in server.sample.inputs[1:]]), JSON),
    ),
}


def add_refusals(cases: Mapping[str, tuple[str, Malformed]], **kind: Any) -> None:
    """Each becomes a case."""
    for name, (clause, malformed) in cases.items():
        add(Case(name, clause, lambda server, malformed=malformed: refuse(server, *malformed(server)) and None, **kind))


add_refusals(MALFORMED)
add_refusals(UNCLEAR, advice=True)


@case(ERROR)
def inference_by_an_unknown_model_is_refused(server: Server) -> None:
    refuse(server, server.sample.request(), JSON, f"{server.model_path(UNKNOWN)}/infer")


@case("RFC 9110, 15.5 and 15.6: 4xx where the client has erred, 5xx where the server has; the text says typically 400", advice=True)
def refusals_blame_the_client(server: Server) -> None:
    blaming_itself = []
    for name, (_, malformed) in MALFORMED.items():
        try:
            status = server.infer(*malformed(server)).status
        except NotApplicable:
            continue
        if status >= 500:
            blaming_itself.append(f"{status} for {name}")
    expect(not blaming_itself, "; ".join(blaming_itself))


@case("RFC 9112, 9.3 and 9.6: a connection persists unless a reply says close", advice=True)
def connection_outlives_refusals(server: Server) -> None:
    with server.connection() as link:
        for body in (b"not json", b"[]", {"inputs": []}, server.sample.request()):
            last = link.send("POST", f"{server.model}/infer", body, JSON)
        last.ok()
    expect(not link.drops, f"dropped {link.drops} times, unannounced")


@case("REST, paths: one verb for each path; RFC 9110, 15.5.6: 405 for another", advice=True)
def wrong_methods_are_refused(server: Server) -> None:
    for method, path in (("GET", f"{server.model}/infer"), ("POST", server.model), ("POST", "/v2/health/live"), ("DELETE", "/v2")):
        status = server.call(method, path).status
        expect(400 <= status < 500, f"{status} for {method} {path}")
