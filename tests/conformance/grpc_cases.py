"""Cases: the protocol over gRPC."""

import math
from typing import Any

from tests.conformance.case import NotApplicable, case, expect
from tests.conformance.health import UNKNOWN
from tests.conformance.inference import fits
from tests.conformance.outputs import binary_output, expect_same
from tests.conformance.server import Server
from tests.conformance.tensor import CONTENTS, DATATYPES, Tensor

RAW = "gRPC, ModelInferRequest: raw_input_contents has data for each tensor in the order of inputs"


def parameter(value: Any) -> dict[str, Any]:
    """As an InferParameter."""
    kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    return {kinds[type(value)]: value}


def typed(tensor: Tensor) -> dict[str, Any]:
    """As an InferInputTensor with contents."""
    if tensor.datatype not in CONTENTS:
        raise NotApplicable(f"{tensor.datatype} has no typed contents")
    return tensor.head() | {"contents": tensor.contents()}


def typed_request(server: Server, **more: Any) -> dict[str, Any]:
    """The sample with typed contents, as the fields of a ModelInferRequest."""
    parameters = {name: parameter(value) for name, value in server.sample.parameters.items()}
    return {"model_name": server.sample.model, "parameters": parameters, "inputs": [typed(each) for each in server.sample.inputs]} | more


def raw_request(server: Server, **more: Any) -> dict[str, Any]:
    """The sample with raw contents."""
    raw = {"inputs": [each.head() for each in server.sample.inputs], "raw_input_contents": [each.bytes() for each in server.sample.inputs]}
    parameters = {name: parameter(value) for name, value in server.sample.parameters.items()}
    return {"model_name": server.sample.model, "parameters": parameters} | raw | more


def sample_request(server: Server, **more: Any) -> dict[str, Any]:
    """Typed contents where there are any for the inputs, raw ones elsewhere."""
    return (typed_request if all(each.datatype in CONTENTS for each in server.sample.inputs) else raw_request)(server, **more)


def outputs_of(reply: Any) -> dict[str, Tensor]:
    """The outputs of a ModelInferResponse, raw or typed, never both."""
    raw = list(reply.raw_output_contents)
    expect(not raw or len(raw) == len(reply.outputs), f"{len(raw)} raw_output_contents for {len(reply.outputs)} outputs")
    found = {}
    for at, each in enumerate(reply.outputs):
        expect(each.datatype in DATATYPES, f"{each.name}: datatype {each.datatype!r} is not in the table")
        if raw:  # an empty contents beside it says nothing, and is let pass
            expect(not each.contents.ByteSize(), f"{each.name}: both contents and raw_output_contents")
            found[each.name] = binary_output(each.name, each.datatype, list(each.shape), len(raw[at]), raw[at])
        else:
            expect(each.datatype in CONTENTS, f"{each.name}: {each.datatype} must be raw")
            values = list(getattr(each.contents, CONTENTS[each.datatype]))
            expect(len(values) == math.prod(each.shape), f"{each.name}: {len(values)} values for shape {list(each.shape)}")
            values = [value.decode() for value in values] if each.datatype == "BYTES" else values
            found[each.name] = Tensor(each.name, each.datatype, list(each.shape), values)
    return found


@case("gRPC, Server Live: ServerLive, live is true if the server is live", grpc=True)
def grpc_server_is_live(server: Server) -> None:
    expect(server.grpc.call("ServerLive").live, "live is false")


@case("gRPC, Server Ready: ServerReady, ready is true if the server is ready", grpc=True)
def grpc_server_is_ready(server: Server) -> None:
    expect(server.grpc.call("ServerReady").ready, "ready is false")


@case("gRPC, Model Ready: ModelReady, ready is true if the model is ready", grpc=True)
def grpc_model_is_ready(server: Server) -> None:
    expect(server.grpc.call("ModelReady", name=server.sample.model).ready, "ready is false")


@case("gRPC, Model Ready: an unknown model is not ready: ready is false, or the status is not OK", grpc=True)
def grpc_unknown_model_is_not_ready(server: Server) -> None:
    code, reply = server.grpc.send("ModelReady", name=UNKNOWN)
    expect(code != "OK" or not reply.ready, "ready is true")


@case("gRPC, Server Metadata: name, version and extensions; REST and gRPC are one server's", grpc=True)
def grpc_server_metadata_has_its_members(server: Server) -> None:
    found = server.grpc.call("ServerMetadata")
    expect(found.name and found.version, f"name {found.name!r}, version {found.version!r}")


@case("gRPC, Model Metadata: name, platform, and name, datatype and shape of each input and output", grpc=True)
def grpc_model_metadata_describes_tensors(server: Server) -> None:
    found = server.grpc.call("ModelMetadata", name=server.sample.model)
    expect(found.name == server.sample.model, f"name {found.name!r}")
    for each in [*found.inputs, *found.outputs]:
        expect(each.name and each.datatype in DATATYPES, f"{each.name!r}: datatype {each.datatype!r}")
        expect(all(size >= -1 for size in each.shape), f"{each.name}: shape {list(each.shape)}")


@case("gRPC: the API closely follows the concepts of HTTP/REST, so both describe the same tensors", advice=True, grpc=True)
def grpc_model_metadata_is_that_of_rest(server: Server) -> None:
    found = server.grpc.call("ModelMetadata", name=server.sample.model)
    for kind in ("inputs", "outputs"):
        described = [{"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in getattr(found, kind)]
        rest = [{name: each[name] for name in ("name", "datatype", "shape")} for each in server.metadata.get(kind) or []]
        expect(described == rest, f"{kind} {described}, and {rest} by REST"[:300])


@case("gRPC, ModelInferRequest: contents in the repeated type that matches the datatype", grpc=True)
def grpc_typed_contents_give_what_json_gives(server: Server) -> None:
    reply = server.grpc.call("ModelInfer", **typed_request(server))
    expect(reply.model_name == server.sample.model, f"model_name {reply.model_name!r}")
    expect_same(outputs_of(reply), server.expected)


@case(f"{RAW}, row-major without padding", grpc=True)
def grpc_raw_contents_give_what_json_gives(server: Server) -> None:
    expect_same(outputs_of(server.grpc.call("ModelInfer", **raw_request(server))), server.expected)


@case("gRPC, ModelInferResponse: outputs raw or typed, not both; the size of each matches its shape and datatype", grpc=True)
def grpc_outputs_are_consistent(server: Server) -> None:
    expect(outputs_of(server.grpc.call("ModelInfer", **sample_request(server))), "no outputs")


@case("gRPC, Model Metadata: the outputs are what the model gives, of that datatype and shape", grpc=True)
def grpc_outputs_are_those_of_the_metadata(server: Server) -> None:
    described = {each.name: each for each in server.grpc.call("ModelMetadata", name=server.sample.model).outputs}
    if not described:
        raise NotApplicable("the model's metadata names no outputs")
    for name, tensor in outputs_of(server.grpc.call("ModelInfer", **sample_request(server))).items():
        expect(name in described, f"output {name} is not in the metadata")
        expect(tensor.datatype == described[name].datatype, f"{name}: {tensor.datatype}, not {described[name].datatype}")
        expect(fits(tensor.shape, list(described[name].shape)), f"{name}: shape {tensor.shape}, not {list(described[name].shape)}")


@case("gRPC, ModelInferRequest: id, if specified, will be returned in the response", grpc=True)
def grpc_id_comes_back(server: Server) -> None:
    found = server.grpc.call("ModelInfer", **sample_request(server, id="42")).id
    expect(found == "42", f"id {found!r}")


@case("gRPC, ModelInferRequest: outputs are the tensors requested", grpc=True)
def grpc_requested_output_is_returned(server: Server) -> None:
    for name in server.output_names:
        found = outputs_of(server.grpc.call("ModelInfer", **sample_request(server, outputs=[{"name": name}])))
        expect(name in found, f"outputs {sorted(found)} where {name} was requested")
        expect_same({name: found[name]}, {name: server.expected[name]})


@case(
    "gRPC, ModelInferRequest: all outputs are returned if none is specified; silent on others beside those specified",
    advice=True,
    grpc=True,
)
def grpc_requested_output_is_returned_alone(server: Server) -> None:
    if len(server.output_names) < 2:
        raise NotApplicable("the model has one output")
    found = outputs_of(server.grpc.call("ModelInfer", **sample_request(server, outputs=[{"name": server.output_names[-1]}])))
    expect(len(found) == 1, f"outputs {sorted(found)} where {server.output_names[-1]} was requested")


@case("gRPC, ModelMetadataResponse: versions of the model available on the server; ModelReady and ModelInfer take one", grpc=True)
def grpc_version_may_be_asked_for(server: Server) -> None:
    versions = server.grpc.call("ModelMetadata", name=server.sample.model).versions
    if not versions:
        raise NotApplicable("the model's metadata lists no versions")
    expect(server.grpc.call("ModelReady", name=server.sample.model, version=versions[0]).ready, "ready is false")
    expect_same(outputs_of(server.grpc.call("ModelInfer", **sample_request(server, model_version=versions[0]))), server.expected)
