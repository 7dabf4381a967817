"""Cases: malformed gRPC requests. Each is refused by a status, and the next call on the same channel is answered."""

from collections.abc import Callable
from typing import Any

from tests.conformance.case import Case, NotApplicable, Unmet, add, case, expect
from tests.conformance.grpc_cases import outputs_of, raw_request, sample_request, typed_request
from tests.conformance.health import UNKNOWN
from tests.conformance.outputs import expect_same
from tests.conformance.server import Server

STATUS = "gRPC, Inference: errors are indicated by the status; other codes than OK indicate failure"
CONTENTS = "gRPC, InferTensorContents: the size must match what is expected by the tensor's shape"
RAW_COUNT = "gRPC, ModelInferRequest: raw_input_contents must have data for each tensor"
RAW_SIZE = "gRPC, ModelInferRequest: the size of raw content must match the tensor's shape and datatype"
FITTING = {"NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"}


def refuse(server: Server, method: str, fields: dict[str, Any]) -> str:
    """The code of the refusal; the sample is answered afterwards."""
    code, _ = server.grpc.send(method, **fields)
    expect(code != "OK", f"{method} is OK")
    expect_same(outputs_of(server.grpc.call("ModelInfer", **sample_request(server))), server.expected)
    return str(code)


def typed_change(change: Callable[[dict[str, Any]], Any]) -> Callable[[Server], dict[str, Any]]:
    """The sample with typed contents, its first input changed."""

    def malformed(server: Server) -> dict[str, Any]:
        fields = typed_request(server)
        change(fields["inputs"][0])
        return fields

    return malformed


def raw_change(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Server], dict[str, Any]]:
    """The sample with raw contents, changed."""
    return lambda server: raw_request(server, raw_input_contents=change([each.bytes() for each in server.sample.inputs]))


def values(change: Callable[[list[Any]], list[Any]]) -> Callable[[dict[str, Any]], None]:
    """A change of the first input's values."""
    return lambda tensor: tensor.update(contents={name: change(given) for name, given in tensor["contents"].items()})


def other_field(tensor: dict[str, Any]) -> None:
    """The values stand in a field that is for another datatype."""
    tensor["contents"] = {
        "int64_contents" if "bool_contents" in tensor["contents"] else "bool_contents": [1 for _ in next(iter(tensor["contents"].values()))]
    }


def both(server: Server) -> dict[str, Any]:
    """Typed and raw."""
    return typed_request(server, raw_input_contents=[each.bytes() for each in server.sample.inputs])


MALFORMED: dict[str, tuple[str, Callable[[Server], dict[str, Any]]]] = {
    "grpc_more_values_than_the_shape_are_refused": (CONTENTS, typed_change(values(lambda given: [*given, given[0]]))),
    "grpc_fewer_values_than_the_shape_are_refused": (CONTENTS, typed_change(values(lambda given: given[:-1]))),
    "grpc_values_in_the_field_of_another_datatype_are_refused": (
        "gRPC, Tensor Data: a format that matches the tensor's data type",
        typed_change(other_field),
    ),
    "grpc_negative_dimension_is_refused": (CONTENTS, typed_change(lambda tensor: tensor.update(shape=[-1, *tensor["shape"][1:]]))),
    "grpc_unknown_datatype_is_refused": ("gRPC, Tensor Data Types: the table", typed_change(lambda tensor: tensor.update(datatype="FP31"))),
    "grpc_no_inputs_are_refused": (STATUS, lambda server: typed_request(server, inputs=[])),
    "grpc_unknown_output_is_refused": (
        "gRPC follows REST, Inference Request Examples: the server must return the output requested, and cannot",
        lambda server: sample_request(server, outputs=[{"name": "no-such-output"}]),
    ),
    "grpc_raw_and_typed_contents_are_refused": ("gRPC, ModelInferRequest: with raw_input_contents, contents must not be specified", both),
    "grpc_too_few_raw_contents_are_refused": (RAW_COUNT, raw_change(lambda raw: raw[:-1])),
    "grpc_too_many_raw_contents_are_refused": (RAW_COUNT, raw_change(lambda raw: [*raw, raw[0]])),
    "grpc_raw_content_too_short_is_refused": (RAW_SIZE, raw_change(lambda raw: [raw[0][:-1], *raw[1:]])),
    "grpc_raw_content_too_long_is_refused": (RAW_SIZE, raw_change(lambda raw: [raw[0] + b"\0", *raw[1:]])),
}
for _name, (_clause, _malformed) in MALFORMED.items():
    add(
        Case(
            _name,
            _clause,
            lambda server, malformed=_malformed: refuse(server, "ModelInfer", malformed(server)) and None,
            grpc=True,
        )
    )


@case(STATUS, grpc=True)
def grpc_inference_by_an_unknown_model_is_refused(server: Server) -> None:
    refuse(server, "ModelInfer", sample_request(server, model_name=UNKNOWN))


@case("gRPC, Model Metadata: errors are indicated by the status; other codes than OK indicate failure", grpc=True)
def grpc_metadata_of_an_unknown_model_is_refused(server: Server) -> None:
    refuse(server, "ModelMetadata", {"name": UNKNOWN})


@case("gRPC status codes: INVALID_ARGUMENT or NOT_FOUND for what the client got wrong; the text names none", advice=True, grpc=True)
def grpc_refusals_blame_the_client(server: Server) -> None:
    blaming_itself = []
    unknown = ("an unknown model", lambda server: sample_request(server, model_name=UNKNOWN))
    for name, malformed in [(name, malformed) for name, (_, malformed) in MALFORMED.items()] + [unknown]:
        try:
            code, _ = server.grpc.send("ModelInfer", **malformed(server))
        except NotApplicable:
            continue
        except Unmet as silence:
            code = str(silence)
        if code not in FITTING | {"OK"}:  # an OK is found by a case of its own
            blaming_itself.append(f"{code} for {name}")
    expect(not blaming_itself, "; ".join(blaming_itself))
