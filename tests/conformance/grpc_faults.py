"""For each case over gRPC, a way to be wrong that it must find."""

from collections.abc import Callable
from typing import Any

from tests.conformance.cases import CASES
from tests.conformance.fake_grpc import Called

GrpcFault = Callable[[Called], Any]


def accepts(called: Called) -> None:
    """Whatever is wrong is OK."""
    if called.code != "OK":
        called.code, called.reply = "OK", type(called.reply)(**({"ready": True} if called.method == "ModelReady" else {}))


def replies(method: str, change: Callable[[Any], Any], which: Callable[[Any], Any] = lambda request: True) -> GrpcFault:
    """The reply of a method is another, where the request is such."""
    return lambda called: called.method == method and called.code == "OK" and which(called.request) and change(called.reply)


def off_by_one(reply: Any) -> None:
    """The first number is not what was computed."""
    for each in reply.outputs[:1]:
        each.contents.fp32_contents[0] += 1


def without_values(reply: Any) -> None:
    """No numbers, raw or typed."""
    reply.ClearField("raw_output_contents")
    for each in reply.outputs:
        each.ClearField("contents")


INFER, METADATA = "ModelInfer", "ModelMetadata"
FAULTS: dict[str, GrpcFault] = {
    "grpc_server_is_live": replies("ServerLive", lambda reply: reply.Clear()),
    "grpc_server_is_ready": replies("ServerReady", lambda reply: reply.Clear()),
    "grpc_model_is_ready": replies("ModelReady", lambda reply: reply.Clear()),
    "grpc_unknown_model_is_not_ready": accepts,
    "grpc_server_metadata_has_its_members": replies("ServerMetadata", lambda reply: reply.ClearField("version")),
    "grpc_model_metadata_describes_tensors": replies(METADATA, lambda reply: reply.inputs[0].ClearField("datatype")),
    "grpc_model_metadata_is_that_of_rest": replies(METADATA, lambda reply: reply.ClearField("inputs")),
    "grpc_typed_contents_give_what_json_gives": replies(INFER, off_by_one, lambda request: not request.raw_input_contents),
    "grpc_raw_contents_give_what_json_gives": replies(
        INFER, lambda reply: reply.outputs[0].contents.fp32_contents.append(1), lambda request: request.raw_input_contents
    ),
    "grpc_outputs_are_consistent": replies(INFER, without_values),
    "grpc_outputs_are_those_of_the_metadata": replies(METADATA, lambda reply: reply.outputs[0].shape.append(1)),
    "grpc_id_comes_back": replies(INFER, lambda reply: reply.ClearField("id")),
    "grpc_requested_output_is_returned": replies(INFER, lambda reply: reply.ClearField("outputs"), lambda request: request.outputs),
    "grpc_requested_output_is_returned_alone": replies(
        INFER, lambda reply: reply.outputs.add(name="more", datatype="FP32", shape=[0]), lambda request: request.outputs
    ),
    "grpc_version_may_be_asked_for": replies("ModelReady", lambda reply: reply.Clear(), lambda request: request.version),
    "grpc_refusals_blame_the_client": lambda called: setattr(called, "code", "OK" if called.code == "OK" else "INTERNAL"),
    "grpc_statistics_rise_by_inference": replies("ModelStatistics", lambda reply: reply.model_stats[0].ClearField("inference_stats")),
    "grpc_statistics_of_all_models": replies("ModelStatistics", lambda reply: reply.Clear(), lambda request: not request.name),
    "grpc_index_lists_the_model": replies("RepositoryIndex", lambda reply: reply.Clear(), lambda request: request.ready),
}
FAULTS |= {name: accepts for name, case in CASES.items() if case.grpc and name.endswith("_refused")}
