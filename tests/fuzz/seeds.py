"""What fuzzing begins with: valid bodies in every form, behind the bytes that `targets` reads first; and words worth inserting."""

import gzip
import json
import random
import zlib
from collections.abc import Iterable
from typing import Any

from service.open_inference import models
from service.schema import GradRequest
from tests.fuzz import arrow_target, nearly_valid
from tests.fuzz.targets import REPEATABLE, TARGETS

GRAD, LOSS = b"g", b"l"
REQUESTS: list[dict[str, Any]] = [
    {"scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], "labels": [[0], [1, 2]]},
    {"loss": "bce", "scores": [[2, 0.5]], "targets": [[1, 0.25]], "pos_weight": 2, "dtype": "float64", "mask": [[True, 0]]},
    {"loss": "focal", "params": {"gamma": 1.5, "alpha": None}, "scores": [[1e-3, -2]], "labels": [[1]], "label_weights": [[0.5]]},
    {"scores": [[1, 2], [3, 4]], "labels": [0, -100], "ignore_index": -100, "class_weight": [1, 0.5], "sample_weight": [1, 2]},
    {"loss": "asl", "scores": [[1], [2]], "targets": [[1], [0]], "element_weight": [[1], [2]], "reduction": "sum", "grad_output": 3},
    {"loss": "zlpr", "scores": [[1, 2]], "labels": [[]], "reduction": "none", "grad_output": [0.5], "mean_over": "rows", "runtime": "onnx"},
]
INFERS: list[dict[str, Any]] = [
    {
        "id": "7",
        "inputs": [
            {"name": "scores", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3.5, -4]},
            {"name": "labels", "shape": [2, 2], "datatype": "INT64", "data": [[0, -1], [0, 1]]},
        ],
        "parameters": {"reduction": "none", "temperature": 2.0},
        "outputs": [{"name": "loss"}],
    },
    {
        "parameters": {"binary_data_output": True},
        "inputs": [
            {"name": "scores", "shape": [1, 2], "datatype": "BF16", "data": [[1, 2]]},
            {"name": "targets", "shape": [1, 2], "datatype": "FP64", "data": [[0, 1]]},
            {"name": "mask", "shape": [1, 2], "datatype": "BOOL", "data": [True, False]},
        ],
    },
]
LONG = {"scores": [[0.25 * i for i in range(20)], [1] * 20] * 3, "labels": [[1, 2, 19], [], [0]] * 2}
TOO_LONG = {"scores": [[1] * 70] * 2, "labels": [1, 2]}
HEADERS = (
    b"\x00application/json;q=0.5, application/*;q=.9, */*;q=0\n\x00application/vnd.safetensors\n\x01gzip;q=1.0, identity;q=0.5, *;q=0",
    b"\x02application/x-safetensors; charset=utf-8\n\x03deflate\n\x04123\n\x05SoftmaxWithLoss.grad\n\x061",
)
TOKENS = (
    *(f'"{name}":' for name in (*GradRequest.model_fields, "__metadata__", "data_offsets", "shape", "binary_data_size", "data")),
    *(
        '"inputs":[',
        '"outputs":[',
        '"parameters":{',
        '"name":',
        '"datatype":',
        '"binary_data":',
        '"binary_data_output":',
        '"classification":',
    ),
    *('"F32"', '"F16"', '"BF16"', '"BOOL"', '"I64"', '"FP32"', '"FP16"', '"INT64"', '"UINT8"', '"BYTES"', '"label_offsets"'),
    *('"none"', '"sum"', '"focal"', '"asymmetric"', '"multilabel_margin"', '"gamma":', '"temperature":', '"alpha":', '"float64"'),
    *('"shared_memory_region":"r"', '"shared_memory_byte_size":', "true", "false", "null", "NaN", "-Infinity", "1e999", "9" * 40, "-0"),
    *(
        "[[",
        "]]",
        "],[",
        "[]",
        "{}",
        ",",
        ":",
        '"',
        "\\",
        "\\ud800",
        "\ufeff",
        "\\u0000",
        "18446744073709551616",
        "q=",
        "*/*",
        ";",
        ".grad",
    ),
)


def framed(flag: bytes, header: Any, data: bytes) -> bytes:
    """A header, and how many bytes lie behind it."""
    return flag + len(data).to_bytes(2, "little") + json.dumps(header).encode() + data


def of_a_model(name: str) -> bytes:
    """The first byte, for this model."""
    return bytes([list(models()).index(name)])


def choices() -> Iterable[bytes]:
    """Bytes for the requests that fit together."""
    return [b"", b"g" + bytes(40), *(random.Random(seed).randbytes(150) for seed in range(12))]


TENSORS = {
    "__metadata__": {"loss": "focal", "params": '{"gamma":1.5}', "reduction": "none", "format": "pt"},
    "scores": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
    "targets": {"dtype": "F64", "shape": [1, 2], "data_offsets": [8, 24]},
}
BINARY = {
    "inputs": [
        {"name": "scores", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "labels", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}},
    ],
    "outputs": [{"name": "grad", "parameters": {"binary_data": True}}, {"name": "loss"}],
}
SEEDS: dict[str, list[bytes]] = {
    "json_body": [flag + json.dumps(each).encode() for each in REQUESTS for flag in (GRAD, LOSS)],
    "json_nearly_valid": [*choices()],
    "json_in_pieces": [flag + json.dumps(each).encode() for each in [*REQUESTS, LONG, TOO_LONG] for flag in (GRAD, LOSS)],
    "small_json": [b"l" + b'{"ready": true}', GRAD + b'{"key": "/gradwire-1", "offset": 0, "byte_size": 64}', GRAD],
    "safetensors_body": [framed(GRAD, TENSORS, bytes(24)), GRAD + b"\xff\xff" + nearly_valid.safetensors(b"")],
    "safetensors_nearly_valid": [*choices()],
    "v2_json": [of_a_model("softmax_cross_entropy.grad") + json.dumps(each).encode() for each in INFERS],
    "v2_binary": [framed(of_a_model("softmax_cross_entropy.grad"), BINARY, bytes(16)), b"\x01\xff\xff" + json.dumps(INFERS[1]).encode()],
    "v2_binary_nearly_valid": [*choices()],
    "v2_grpc": [nearly_valid.v2_grpc(each) for each in choices()],
    "v2_grpc_nearly_valid": [*choices()],
    "compressed_body": [b"\0" + gzip.compress(b"{}" * 9) * 2, b"\1" + zlib.compress(b"[]"), b"\1\3\0", b"\1" + zlib.compress(bytes(9999))],
    "packed_body": [b"\x00[1,2]", b"\x01" + bytes(2000)],
    "request_headers": [*HEADERS],
    "repeated": [],
}
for i, each in enumerate(REPEATABLE):
    SEEDS["repeated"] += [bytes([i, 30, 0, 8]) + seed for seed in SEEDS[each.__name__][:3]]
if "arrow_body" in TARGETS:
    SEEDS["arrow_body"] = arrow_target.seeds()
assert SEEDS.keys() == TARGETS.keys()
