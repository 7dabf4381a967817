"""Cases: inferences that must succeed."""

from collections.abc import Iterable

from tests.conformance.case import NotApplicable, case, expect, member
from tests.conformance.outputs import expect_same, outputs_of
from tests.conformance.server import Server
from tests.conformance.tensor import Tensor

ID = "REST, Inference Request JSON Object: an id, if specified, must be returned in the response"
OUTPUTS = "REST, Inference Request JSON Object: outputs are the tensors requested"


def fits(shape: Iterable[int], described: list[int]) -> bool:
    """Whether a shape is one that the metadata describes."""
    shape = list(shape)
    return len(shape) == len(described) and all(b in (-1, a) for a, b in zip(shape, described, strict=True))


@case("REST, Inference Response JSON Object: 200 with model_name and outputs; model_version, if any, is a string")
def inference_names_the_model(server: Server) -> None:
    found = server.infer().ok().json()
    expect(member(found, "model_name", str) == server.sample.model, f"model_name {found['model_name']!r}")
    member(found, "model_version", str, optional=True)
    member(found, "parameters", dict, optional=True)


@case("REST, Inference Response JSON Object: a server without versions should not give model_version", advice=True)
def no_version_in_the_reply_where_there_are_none(server: Server) -> None:
    version = server.infer().ok().json().get("model_version")
    expect(version is None or server.metadata.get("versions"), f"model_version {version!r}, but the metadata lists no versions")


@case("REST, Response Output: name, shape, datatype and data, which belong together")
def outputs_are_consistent(server: Server) -> None:
    expect(outputs_of(server.infer().ok()), "no outputs")


@case("REST, Model Metadata Response JSON Object: outputs are what the model produces, of that datatype and shape")
def outputs_are_those_of_the_metadata(server: Server) -> None:
    described = {each["name"]: each for each in server.metadata.get("outputs") or []}
    if not described:
        raise NotApplicable("the model's metadata names no outputs")
    for name, tensor in server.expected.items():
        expect(name in described, f"output {name} is not in the metadata")
        expect(tensor.datatype == described[name]["datatype"], f"{name}: {tensor.datatype}, not {described[name]['datatype']}")
        expect(fits(tensor.shape, described[name]["shape"]), f"{name}: shape {tensor.shape}, not {described[name]['shape']}")


@case("REST, Model Metadata Response JSON Object: inputs are those required by the model; nothing there marks one as optional", advice=True)
def inputs_are_those_of_the_metadata(server: Server) -> None:
    described = {each["name"]: each["datatype"] for each in server.metadata.get("inputs") or []}
    sent = {each.name: each.datatype for each in server.sample.inputs}
    expect(sent == described, f"the sample is computed with {sent}, and the metadata names {described}")


@case("REST, Inference Request JSON Object: without outputs, all that the model produces are returned")
def all_outputs_come_unasked(server: Server) -> None:
    names = {each["name"] for each in server.metadata.get("outputs") or []} or set(server.sample.outputs)
    missing = names - server.expected.keys()
    expect(not missing, f"missing: {sorted(missing)}")


@case("REST, Tensor Data: elements may come in their multi-dimensional form or flattened")
def nested_data_gives_what_flat_data_gives(server: Server) -> None:
    request = server.sample.request()
    for each, tensor in zip(request["inputs"], server.sample.inputs, strict=True):
        each["data"] = tensor.nested()
    expect_same(outputs_of(server.infer(request).ok()), server.expected)


@case(ID)
def id_comes_back(server: Server) -> None:
    for identifier in ("42", "ünïcode with spaces"):
        found = server.infer(server.sample.request(id=identifier)).ok().json()
        expect(member(found, "id", str) == identifier, f"id {found['id']!r} for {identifier!r}")


@case("REST, Inference Response JSON Object: id is a string, the one of the request, if any")
def reply_without_an_id_has_none_or_a_string(server: Server) -> None:
    member(server.infer().ok().json(), "id", str, optional=True)


@case("REST, Inference Request JSON Object: parameters is an object of zero or more, at the request, an input and an output")
def empty_parameters_are_accepted(server: Server) -> None:
    request = {"parameters": {}} | server.sample.request(outputs=[{"name": name, "parameters": {}} for name in server.output_names])
    for each in request["inputs"]:
        each["parameters"] = {}
    expect_same(outputs_of(server.infer(request).ok()), {name: server.expected[name] for name in server.output_names})


@case(f"{OUTPUTS}; REST, Inference Request Examples: the server must return the output requested")
def requested_output_is_returned(server: Server) -> None:
    for name in server.output_names:
        found = outputs_of(server.infer(server.sample.request(outputs=[{"name": name}])).ok())
        expect(name in found, f"outputs {sorted(found)} where {name} was requested")
        expect_same({name: found[name]}, {name: server.expected[name]})


@case(f"{OUTPUTS}, which should be returned from the model (Request Output): no others", advice=True)
def requested_output_is_returned_alone(server: Server) -> None:
    if len(server.output_names) < 2:
        raise NotApplicable("the model has one output")
    found = outputs_of(server.infer(server.sample.request(outputs=[{"name": server.output_names[-1]}])).ok())
    expect(len(found) == 1, f"outputs {sorted(found)} where {server.output_names[-1]} was requested")


@case("REST, paths: v2/models/{name}/versions/{version}/infer, for the versions that the metadata lists")
def inference_by_a_version(server: Server) -> None:
    reply = server.call("POST", f"{server.model}/versions/{server.version}/infer", server.sample.request()).ok()
    expect_same(outputs_of(reply), server.expected)
    version = reply.json().get("model_version")
    expect(version in (None, server.version), f"model_version {version!r} for {server.version!r}")


@case("REST, Inference: the order of named tensors is not said to matter", advice=True)
def inputs_may_come_in_any_order(server: Server) -> None:
    if len(server.sample.inputs) < 2:
        raise NotApplicable("the sample has one input")
    backwards: list[Tensor] = server.sample.inputs[::-1]
    reply = server.infer(server.sample.request(inputs=[each.json() for each in backwards])).ok()
    expect_same(outputs_of(reply), server.expected)


@case("Triton's official client sends JSON without a Content-Type; the text does not demand one", advice=True)
def content_type_may_be_absent(server: Server) -> None:
    expect_same(outputs_of(server.infer(headers={}).ok()), server.expected)


@case("REST, Inference Request Examples: a reply of JSON is application/json", advice=True)
def reply_says_that_it_is_json(server: Server) -> None:
    found = server.infer().ok().headers.get("content-type", "")
    expect(found.split(";")[0].strip().lower() == "application/json", f"Content-Type {found!r}")
