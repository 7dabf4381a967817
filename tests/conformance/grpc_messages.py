"""The messages of the protocol, described at run time in a pool of their own: not the stubs of whatever server is under test."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Fields are numbered in their order, in every message of the specification. "*" is repeated, "%" is a map from string.
MESSAGES = """
ServerLiveRequest
ServerLiveResponse: bool live
ServerReadyRequest
ServerReadyResponse: bool ready
ModelReadyRequest: string name, string version
ModelReadyResponse: bool ready
ServerMetadataRequest
ServerMetadataResponse: string name, string version, string* extensions
ModelMetadataRequest: string name, string version
TensorMetadata: string name, string datatype, int64* shape
ModelMetadataResponse: string name, string* versions, string platform, TensorMetadata* inputs, TensorMetadata* outputs
InferParameter: bool bool_param, int64 int64_param, string string_param, double double_param, uint64 uint64_param
InferTensorContents: bool* bool_contents, int32* int_contents, int64* int64_contents, uint32* uint_contents, uint64* uint64_contents, \
float* fp32_contents, double* fp64_contents, bytes* bytes_contents
Tensor: string name, string datatype, int64* shape, InferParameter% parameters, InferTensorContents contents
RequestedOutput: string name, InferParameter% parameters
ModelInferRequest: string model_name, string model_version, string id, InferParameter% parameters, Tensor* inputs, \
RequestedOutput* outputs, bytes* raw_input_contents
ModelInferResponse: string model_name, string model_version, string id, InferParameter% parameters, Tensor* outputs, \
bytes* raw_output_contents
StatisticDuration: uint64 count, uint64 ns
InferStatistics: StatisticDuration success, StatisticDuration fail, StatisticDuration queue, StatisticDuration compute_input, \
StatisticDuration compute_infer, StatisticDuration compute_output, StatisticDuration cache_hit
ModelStatistics: string name, string version, uint64 last_inference, uint64 inference_count, uint64 execution_count, \
InferStatistics inference_stats
ModelStatisticsRequest: string name, string version
ModelStatisticsResponse: ModelStatistics* model_stats
ModelIndex: string name, string version, string state, string reason
RepositoryIndexRequest: string repository_name, bool ready
RepositoryIndexResponse: ModelIndex* models
"""
PACKAGE = "inference"
ONE_OF = {"InferParameter": "parameter_choice"}
SCALARS = ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")


def add_field(message: Any, number: int, kind: str, name: str) -> None:
    """One field; a map is a repeated message of key and value, as protoc makes it."""
    field = message.field.add(name=name, number=number, label=3 if kind[-1] in "*%" else 1)
    if kind.endswith("%"):
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        add_field(entry, 1, "string", "key")
        add_field(entry, 2, kind[:-1], "value")
        field.type, field.type_name = 11, f".{PACKAGE}.{message.name}.{entry.name}"
    elif kind.rstrip("*") in SCALARS:
        field.type = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.rstrip('*').upper()}")
    else:
        field.type, field.type_name = 11, f".{PACKAGE}.{kind.rstrip('*')}"


@cache
def messages() -> dict[str, Any]:
    """Every message class by its name."""
    file = descriptor_pb2.FileDescriptorProto(name="conformance.proto", package=PACKAGE, syntax="proto3")
    for line in MESSAGES.strip().splitlines():
        name, _, fields = line.partition(":")
        message = file.message_type.add(name=name)
        for number, each in enumerate(filter(None, fields.split(",")), 1):
            add_field(message, number, *each.split())
        if name in ONE_OF:
            message.oneof_decl.add(name=ONE_OF[name])
            for field in message.field:
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [each.name for each in file.message_type]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in names}
