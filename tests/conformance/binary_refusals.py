"""Cases: lengths that lie."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.binary import BINARY, HEADER, binary_input, binary_request, framed
from tests.conformance.refusals import Malformed, add_refusals
from tests.conformance.server import Server

LENGTH = f"Binary: {HEADER} gives the length of the JSON object"
SIZE = "Binary: binary_data_size is an int64, the size of the tensor's binary data in bytes"
ORDER = "Binary: the body is the JSON object, then the binary data of the tensors in their order"


def header(value: Callable[[int, bytes], str]) -> Malformed:
    """The header's value from the true length and the body."""

    def malformed(server: Server) -> tuple[bytes, Mapping[str, str]]:
        body, headers = binary_request(server)
        return body, headers | {HEADER: value(int(headers[HEADER]), body)}

    return malformed


def no_header(server: Server) -> tuple[bytes, Mapping[str, str]]:
    """Binary data, and nothing says where it begins."""
    body, headers = binary_request(server)
    return body, {name: value for name, value in headers.items() if name != HEADER}


def size(value: Callable[[int], Any], tail: Callable[[bytes], bytes] = lambda data: data) -> Malformed:
    """The last input's binary_data_size, and the bytes that are sent."""

    def malformed(server: Server) -> tuple[bytes, Mapping[str, str]]:
        inputs = [binary_input(each) for each in server.sample.inputs]
        inputs[-1]["parameters"]["binary_data_size"] = value(inputs[-1]["parameters"]["binary_data_size"])
        return framed(server.sample.request(inputs=inputs), tail(b"".join(each.bytes() for each in server.sample.inputs)))

    return malformed


def both(server: Server) -> tuple[bytes, Mapping[str, str]]:
    """Data in the JSON, and bytes as well."""
    inputs = [each.json() | binary_input(each) for each in server.sample.inputs]
    return framed(server.sample.request(inputs=inputs), b"".join(each.bytes() for each in server.sample.inputs))


LIES: dict[str, tuple[str, Malformed]] = {
    "negative_header_length_is_refused": (LENGTH, header(lambda length, body: "-1")),
    "header_length_that_is_no_number_is_refused": (LENGTH, header(lambda length, body: "many")),
    "header_length_beyond_the_body_is_refused": (LENGTH, header(lambda length, body: str(len(body) + 1))),
    "header_length_within_the_json_is_refused": (LENGTH, header(lambda length, body: str(length - 1))),
    "binary_data_without_a_header_length_is_refused": (f"Binary: {HEADER} must be provided if any binary data is present", no_header),
    "binary_data_size_below_the_shape_is_refused": (SIZE, size(lambda true: true - 1, lambda data: data[:-1])),
    "binary_data_size_above_the_shape_is_refused": (SIZE, size(lambda true: true + 1, lambda data: data + b"\0")),
    "binary_data_size_beyond_the_body_is_refused": (SIZE, size(lambda true: true + 1)),
    "negative_binary_data_size_is_refused": (SIZE, size(lambda true: -true)),
    "binary_data_size_that_is_no_number_is_refused": (SIZE, size(lambda true: "many")),
    "left_over_bytes_are_refused": (ORDER, size(lambda true: true, lambda data: data + b"left")),
    "binary_data_that_is_cut_off_is_refused": (ORDER, size(lambda true: true, lambda data: data[: len(data) // 2])),
}
UNCLEAR: dict[str, tuple[str, Malformed]] = {
    "data_beside_binary_data_size_is_refused": ("Binary: silent on an input that has both", both),
    "binary_data_size_beyond_int64_is_refused": (
        "Binary: binary_data_size is an int64 parameter; silent on a larger integer",
        size(lambda true: json.loads("9" * 30)),
    ),
}
add_refusals(LIES, extension=BINARY)
add_refusals(UNCLEAR, extension=BINARY, advice=True)
