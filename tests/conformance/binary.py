"""Cases: tensors as bytes after the JSON, both ways."""

import json
from collections.abc import Sequence
from typing import Any

from tests.conformance.case import NotApplicable, case, expect, member
from tests.conformance.outputs import expect_same, head_and_tail, outputs_of
from tests.conformance.rest import Reply
from tests.conformance.server import Server
from tests.conformance.tensor import Tensor

BINARY = "binary_tensor_data"
HEADER = "Inference-Header-Content-Length"


def binary_input(tensor: Tensor) -> dict[str, Any]:
    """As a $request_input whose data comes after the JSON."""
    return tensor.head() | {"parameters": {"binary_data_size": len(tensor.bytes())}}


def framed(request: dict[str, Any], tail: bytes = b"") -> tuple[bytes, dict[str, str]]:
    """The body and headers of a request with binary data."""
    head = json.dumps(request).encode()
    return head + tail, {"Content-Type": "application/octet-stream", HEADER: str(len(head))}


def binary_request(server: Server, which: Sequence[bool] | None = None, **more: Any) -> tuple[bytes, dict[str, str]]:
    """The sample with its inputs, or these of them, as binary data."""
    tensors = list(zip(server.sample.inputs, which or [True] * len(server.sample.inputs), strict=True))
    inputs = [binary_input(tensor) if binary else tensor.json() for tensor, binary in tensors]
    return framed(server.sample.request(inputs=inputs, **more), b"".join(tensor.bytes() for tensor, binary in tensors if binary))


def asking(server: Server, all_binary: bool | None = None, outputs: Sequence[bool] = ()) -> Reply:
    """The sample in JSON, with binary_data_output as said, and each output's binary_data as said."""
    names = server.output_names if outputs else []
    wanted = [{"name": name, "parameters": {"binary_data": flag}} for name, flag in zip(names, outputs, strict=True)]
    general = {} if all_binary is None else {"parameters": server.sample.parameters | {"binary_data_output": all_binary}}
    return server.infer(server.sample.request(**general, **({"outputs": wanted} if wanted else {}))).ok()


def which_are_binary(reply: Reply) -> set[str]:
    """The names of the outputs that come as bytes."""
    return {each["name"] for each in head_and_tail(reply)[0]["outputs"] if "binary_data_size" in (each.get("parameters") or {})}


@case(f"Binary: little-endian, row-major, in the order of the inputs; {HEADER} must give the length of the JSON", extension=BINARY)
def binary_inputs_give_what_json_gives(server: Server) -> None:
    expect_same(outputs_of(server.infer(*binary_request(server)).ok()), server.expected)


@case("Binary: binary_data_size indicates that this input is binary; others stay JSON", extension=BINARY)
def json_and_binary_inputs_mix(server: Server) -> None:
    inputs = server.sample.inputs
    if len(inputs) < 2:
        raise NotApplicable("the sample has one input")
    for first in (True, False):
        which = [first, *[not first] * (len(inputs) - 1)]
        expect_same(outputs_of(server.infer(*binary_request(server, which)).ok()), server.expected)


@case("Binary: binary_data and binary_data_output not given: outputs come as JSON, binary inputs or not", extension=BINARY)
def outputs_are_json_by_default(server: Server) -> None:
    expect(not which_are_binary(server.infer(*binary_request(server)).ok()), "binary outputs, unasked")


@case("Binary: binary_data is true where an output should be returned as binary data", extension=BINARY)
def binary_data_gives_a_binary_output(server: Server) -> None:
    reply = asking(server, outputs=[True] * len(server.output_names))
    expect(which_are_binary(reply) == set(server.output_names), f"binary: {sorted(which_are_binary(reply))}")
    expect_same(outputs_of(reply), {name: server.expected[name] for name in server.output_names})


@case("Binary: binary_data_output is true where all outputs should be binary data", extension=BINARY)
def binary_data_output_gives_binary_outputs(server: Server) -> None:
    reply = asking(server, all_binary=True)
    expect(which_are_binary(reply) == server.expected.keys(), f"binary: {sorted(which_are_binary(reply))}")
    expect_same(outputs_of(reply), server.expected)


@case("Binary: binary_data, if specified on an output, overrides binary_data_output", extension=BINARY)
def binary_data_overrides_binary_data_output(server: Server) -> None:
    names = server.output_names
    expect(not which_are_binary(asking(server, True, [False] * len(names))), "binary, though binary_data is false")
    expect(which_are_binary(asking(server, False, [True] * len(names))) == set(names), "not binary, though binary_data is true")


@case("Binary: binary data is in the order of the outputs in the JSON; an output without is JSON", extension=BINARY)
def json_and_binary_outputs_mix(server: Server) -> None:
    if len(server.output_names) < 2:
        raise NotApplicable("the model has one output")
    for first in (True, False):
        reply = asking(server, outputs=[first, *[not first] * (len(server.output_names) - 1)])
        expect((server.output_names[0] in which_are_binary(reply)) is first, f"binary: {sorted(which_are_binary(reply))}")
        expect_same(outputs_of(reply), {name: server.expected[name] for name in server.output_names})


@case(f"Binary: {HEADER} must be provided with binary data, and Content-Length gives the length of the full body", extension=BINARY)
def binary_reply_gives_both_lengths(server: Server) -> None:
    reply = asking(server, all_binary=True)
    expect(HEADER.lower() in reply.headers, f"no {HEADER} in the reply")
    head, tail = head_and_tail(reply)
    sizes = [member(each.get("parameters"), "binary_data_size", int) for each in member(head, "outputs", list)]
    expect(sum(sizes) == len(tail), f"{len(tail)} bytes after the JSON, binary_data_size {sizes}")
    length = reply.headers.get("content-length")
    expect(length is None or int(length) == len(reply.body), f"Content-Length {length} of {len(reply.body)}")


@case(
    "REST, Inference Request JSON Object: an id must be returned; Binary: a binary reply begins with that same JSON object",
    extension=BINARY,
)
def binary_reply_keeps_its_id(server: Server) -> None:
    reply = server.infer(*binary_request(server, id="binary-42", parameters=server.sample.parameters | {"binary_data_output": True})).ok()
    found = head_and_tail(reply)[0]
    expect(found.get("id") == "binary-42", f"id {found.get('id')!r}")


@case("Binary, Examples: a reply with binary data is application/octet-stream", advice=True, extension=BINARY)
def binary_reply_says_that_it_is_bytes(server: Server) -> None:
    found = asking(server, all_binary=True).headers.get("content-type")
    expect(found == "application/octet-stream", f"Content-Type {found!r}")


@case(f"Binary: {HEADER} is needed only with binary data; silent on one that spans a body of JSON", advice=True, extension=BINARY)
def header_length_of_the_whole_body_is_accepted(server: Server) -> None:
    expect_same(outputs_of(server.infer(*framed(server.sample.request())).ok()), server.expected)
