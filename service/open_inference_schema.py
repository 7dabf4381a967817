"""The JSON of the Open Inference Protocol, as pydantic and OpenAPI describe it; members that are not named here are not looked at."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from service.open_inference_tensors import DATATYPES, MOST_INPUTS, MOST_OUTPUTS

Datatype = Annotated[str, Field(description=f"One of {', '.join(DATATYPES)}.", examples=["FP32"])]
Parameters = Annotated[dict[str, Any] | None, Field(description="A string, a number or a boolean each.")]
UInt64 = Annotated[int, Field(ge=0, lt=1 << 64)]


class Message(BaseModel):
    """What all of it has in common."""

    model_config = ConfigDict(strict=True, protected_namespaces=())


class InferInput(Message):
    """A tensor that is sent: its numbers in `data`, behind the JSON (`binary_data_size`), or in shared memory."""

    name: str
    datatype: Datatype
    shape: Annotated[list[int], FailFast()]
    parameters: Parameters = None
    data: Any = Field(None, description="The numbers row by row, flat or nested like the shape.")


class InferOutput(Message):
    """An output that is asked for."""

    name: str
    parameters: Parameters = None


class InferRequest(Message):
    """One batch for a model."""

    id: str | None = Field(None, description="Repeated in the reply.")
    parameters: Parameters = None
    inputs: list[InferInput] = Field(max_length=MOST_INPUTS)
    outputs: list[InferOutput] | None = Field(None, max_length=MOST_OUTPUTS, description="Default: all of them.")


class TensorReply(Message):
    """An output: its numbers in `data`, behind the JSON, or in shared memory."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: Parameters = None
    data: list[float] | None = None


class InferReply(Message):
    """What the model made of the batch."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[TensorReply]


class TensorMetadata(Message):
    """A tensor that a model takes or gives; -1 is a dimension of any size."""

    name: str
    datatype: Datatype
    shape: list[int]


class ModelMetadata(Message):
    """A model. Its inputs are `scores`, one of `targets` and `labels`, and what else is wanted."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, str] = Field(description="The JSON Schema of its parameters, and the limits of a gRPC message in bytes.")


class ServerMetadata(Message):
    """The server, and the extensions of the protocol that it has."""

    name: str
    version: str
    extensions: list[str]


class ModelReady(Message):
    """A model that may be asked."""

    name: str
    ready: bool


class IndexRequest(Message):
    """What to list."""

    ready: bool = False


class IndexEntry(Message):
    """A model of the repository."""

    name: str
    version: str
    state: str
    reason: str


class RegionRequest(Message):
    """System shared memory to register."""

    key: str
    offset: UInt64 = 0
    byte_size: UInt64


class RegionStatus(Message):
    """A region; its key is not shown, for whoever knows it could register the memory too."""

    name: str
    key: str
    offset: int
    byte_size: int
