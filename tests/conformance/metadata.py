"""Cases: what the server says about itself and the model."""

from typing import Any

from tests.conformance.case import case, expect, member
from tests.conformance.health import UNKNOWN
from tests.conformance.server import Server
from tests.conformance.tensor import DATATYPES

PLATFORMS = {
    *("tensorrt_plan", "tensorflow_graphdef", "tensorflow_savedmodel", "onnx_onnxv1"),
    *("pytorch_torchscript", "mxnet_mxnet", "caffe2_netdef"),
}
CAN_BE_ASKED = "REST, Model Metadata Response JSON Object: versions are those that may be explicitly requested"


def expect_strings(values: list[Any]) -> None:
    """Every one is a string."""
    expect(all(isinstance(each, str) for each in values), f"not all strings: {values}")


@case("REST, Server Metadata Response JSON Object: 200 with name, version and extensions, strings all")
def server_metadata_has_its_members(server: Server) -> None:
    found = server.call("GET", "/v2").ok().json()
    member(found, "name", str), member(found, "version", str)
    expect_strings(member(found, "extensions", list))


@case("YAML: the path of the server metadata is written /v2/ there, v2 in the text", advice=True)
def server_metadata_has_a_path_with_a_slash_too(server: Server) -> None:
    reply = server.call("GET", "/v2/")
    expect(reply.status in (200, 301, 302, 307, 308), f"{reply.status} for /v2/")


@case("REST, Model Metadata Response JSON Object: 200 with name and platform; versions, if any, are strings")
def model_metadata_has_its_members(server: Server) -> None:
    found = server.call("GET", server.model).ok().json()
    expect(member(found, "name", str) == server.sample.model, f"name {found['name']!r}")
    member(found, "platform", str)
    expect_strings(member(found, "versions", list, optional=True) or [])


@case("REST, Model Metadata Response JSON Object: inputs and outputs are not #optional; each has name, datatype and shape (-1: variable)")
def model_metadata_describes_tensors(server: Server) -> None:
    found = server.call("GET", server.model).ok().json()
    for each in member(found, "inputs", list) + member(found, "outputs", list):
        name, datatype, shape = member(each, "name", str), member(each, "datatype", str), member(each, "shape", list)
        expect(datatype in DATATYPES, f"{name}: datatype {datatype} is not in the table")
        expect(all(type(size) is int and size >= -1 for size in shape), f"{name}: shape {shape}")


@case(
    "REST, Model Metadata Response JSON Object: inputs and outputs are what the model requires and produces; a list of none says nothing",
    advice=True,
)
def model_metadata_names_tensors(server: Server) -> None:
    expect(server.metadata.get("inputs") and server.metadata.get("outputs"), "no inputs or no outputs are named")


@case("REST, Platforms: a platform is a project, an underscore and a format, and seven names are allowed", advice=True)
def platform_is_a_project_and_a_format(server: Server) -> None:
    platform = member(server.metadata, "platform", str)
    expect(platform in PLATFORMS, f"platform {platform!r}")


@case("REST, Model Metadata Response JSON Error Object: an HTTP error status (typically 400) and an error string")
def metadata_of_an_unknown_model_is_refused(server: Server) -> None:
    server.call("GET", server.model_path(UNKNOWN)).refusal()


@case("REST, paths: v2/models/{name}/versions/{version}, for the versions that the metadata lists")
def metadata_of_a_version(server: Server) -> None:
    found = server.call("GET", f"{server.model}/versions/{server.version}").ok().json()
    expect(member(found, "name", str) == server.sample.model, f"name {found['name']!r}")


@case(f"{CAN_BE_ASKED}; of any other there is none to give")
def metadata_of_an_unknown_version_is_refused(server: Server) -> None:
    server.call("GET", f"{server.model}/versions/no-{server.version}").refusal()


@case("KServe, HTTP/REST: all strings in all contexts are case-sensitive (a model's name here)", advice=True)
def names_are_case_sensitive(server: Server) -> None:
    server.call("GET", server.model_path(server.sample.model.swapcase())).refusal()
