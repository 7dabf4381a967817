"""The request and the replies, as pydantic and OpenAPI describe them.

The small fields are validated by these models. The arrays bypass them on their way from bytes to numpy: a batch holds a million
numbers, and none of them should ever be a Python object. Their checks, with pointers, are those of `models.contract.Job`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.contract import Dtype, MeanOver, Reduction, TargetKind

INT64 = 2**63

Number = Annotated[float, Field(json_schema_extra={"format": "double"})]  # or a generated client has half the digits
Index = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Matrix = list[list[Number]]
Flag = Literal[0, 1] | bool


class Options(BaseModel):
    """The fields of a request that are not arrays."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())

    loss: str = Field("softmax_cross_entropy", description="Name or alias of a loss, from `GET /losses`.")
    params: dict[str, Any] = Field({}, description="The loss's own parameters; an unknown name or a bad value is refused.")
    ignore_index: Annotated[Index, Field(ge=-INT64, lt=INT64)] | None = Field(
        None, description="A row of `labels` holding just this value is left out: loss and gradient 0."
    )
    reduction: Reduction = Field("mean", description="`none` returns the loss in its own unit.")
    mean_over: MeanOver | None = Field(None, description="What `mean` divides by; default: the loss's own, from the catalogue.")
    dtype: Dtype = Field("float32", description="Precision of computation and reply.")
    runtime: Literal["pytorch", "onnx"] | None = Field(None, description="Who computes; default: as the service is set.")


class LossRequest(Options):
    """One batch of `N` rows and `C` classes. Exactly one of `targets` and `labels` is needed."""

    scores: Matrix = Field(description="`[N, C]` raw scores (logits), N ≥ 1 and C ≥ 1.", min_length=1)
    targets: Matrix | None = Field(None, description="`[N, C]` dense, real-valued labels.")
    labels: list[list[Index]] | list[Index] | None = Field(
        None, description="Class indices `0..C-1`, a list a row or one int a row; an empty list is a row without positives."
    )
    label_weights: Matrix | list[Number] | None = Field(
        None, description="Real-valued labels for the indices in `labels`, nested alike; default 1."
    )
    class_weight: list[Number] | None = Field(None, description="`[C]`, multiplies each class's term.")
    pos_weight: list[Number] | Number | None = Field(
        None, description="`[C]` or a number; element losses: multiplies the term of the positives."
    )
    sample_weight: list[Number] | None = Field(None, description="`[N]`, multiplies each row.")
    element_weight: Matrix | None = Field(None, description="`[N, C]`; element losses: multiplies each element's loss.")
    mask: list[list[Flag]] | None = Field(None, description="`[N, C]`; 0: this label is unknown, and adds nothing.")


class GradRequest(LossRequest):
    """One batch of `N` rows and `C` classes. Exactly one of `targets` and `labels` is needed."""

    grad_output: Number | list[Number] | Matrix | None = Field(
        None, description="The gradient that arrives from above: a number, or an array of the unreduced loss with `none`; default 1."
    )


class LossReply(BaseModel):
    """The loss: a number or, unreduced, an array of the loss's own unit."""

    loss: Number | list[Number] | Matrix


class GradReply(LossReply):
    """The loss, and its exact gradient by the scores, `[N, C]`."""

    grad: Matrix


class FieldProblem(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="RFC 6901 pointer into the request.")
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    error: str = Field(description="The same as `detail`, for clients of the Open Inference Protocol.")
    errors: list[FieldProblem] | None = None


class LossDescription(BaseModel):
    """One loss of the catalogue."""

    name: str
    aliases: list[str]
    unit: Literal["row", "element", "batch"]
    targets: TargetKind
    params: dict[str, Any] = Field(description="JSON Schema of its parameters, with defaults.")
    mean_over: str = Field(description="What `mean` divides by, by default.")
    class_weighted_mean: bool = Field(description="With single labels, `mean` divides by the sum of their class weights.")
    formula: str
    gradient: str
    paper: str
    summary: str
