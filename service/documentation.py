"""What OpenAPI says of the routes whose bodies FastAPI does not parse: schemas, worked examples, and every error."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.open_inference_schema import InferReply, InferRequest
from service.schema import GradReply, GradRequest, LossReply, LossRequest, Problem

TEMPLATE = "#/components/schemas/{model}"
BINARY = ("application/vnd.safetensors", "application/vnd.apache.arrow.stream")

MULTI_LABEL: dict[str, Any] = {
    "loss": "softmax_cross_entropy",
    "scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
    "labels": [[0], [1, 2]],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "several labels a row": MULTI_LABEL,
    "dense targets, in double precision": {
        "loss": "binary_cross_entropy",
        "scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
        "targets": [[1, 0, 0], [0, 1, 0.5]],
        "pos_weight": 2,
        "dtype": "float64",
    },
    "parameters, weights and a mask, unreduced": {
        "loss": "focal",
        "params": {"gamma": 1.5, "alpha": None},
        "scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
        "labels": [[0], [1, 2]],
        "class_weight": [1, 2, 0.5],
        "mask": [[1, 1, 0], [1, 1, 1]],
        "reduction": "none",
    },
    "single labels, as torch.nn.CrossEntropyLoss takes them": {
        "loss": "CrossEntropyLoss",
        "scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
        "labels": [0, -100],
        "ignore_index": -100,
    },
}

WHEN = {
    401: "A key is required, and it is absent or wrong.",
    400: "The body cannot be read as what it says it is.",
    404: "No such path or loss; the nearest name is in the detail.",
    405: "No such method here.",
    406: "No reply type that is acceptable.",
    413: "The body is over the limit, which the detail names.",
    415: "A request type that is not known.",
    422: "Readable but wrong: shapes, ranges, parameters, numbers that are not finite or do not fit.",
    429: "The queue is full.",
    503: "Starting, about to stop, or a device has failed.",
    504: "The deadline passed.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error replies of a route."""
    content = {"application/problem+json": {"schema": {"$ref": TEMPLATE.format(model="Problem")}}}
    return {status: {"description": WHEN[status], "content": content} for status in statuses}


def documented(request: type[BaseModel], reply: type[BaseModel], examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Arguments for a route: its request body, its replies."""
    content = {
        "application/json": {
            "schema": {"$ref": TEMPLATE.format(model=request.__name__)},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }
    }
    return {
        "response_model": None,
        "responses": {
            200: {
                "description": reply.__doc__,
                "content": {"application/json": {"schema": {"$ref": TEMPLATE.format(model=reply.__name__)}}},
            },
            **problems(400, 401, 404, 406, 413, 415, 422, 429, 503, 504),
        },
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }


def in_binary_too(described: dict[str, Any]) -> dict[str, Any]:
    """The same arguments, for a route that takes and gives tensors as bytes too."""
    for content in (described["openapi_extra"]["requestBody"]["content"], described["responses"][200]["content"]):
        content |= {each: {"schema": {"type": "string", "format": "binary"}} for each in BINARY}
    return described


LOSS = in_binary_too(documented(LossRequest, LossReply, EXAMPLES))
FROM_ABOVE = {"a gradient from above": MULTI_LABEL | {"reduction": "none", "grad_output": [1.0, -0.5]}}
GRAD = in_binary_too(documented(GradRequest, GradReply, EXAMPLES | FROM_ABOVE))

INFER = documented(
    InferRequest,
    InferReply,
    {
        "a gradient": {
            "inputs": [
                {"name": "scores", "datatype": "FP32", "shape": [2, 3], "data": [2.0, 0.5, -1.0, 0.1, 1.2, 3.0]},
                {"name": "labels", "datatype": "INT64", "shape": [2, 2], "data": [0, -1, 1, 2]},
            ],
            "parameters": {"reduction": "sum"},
        }
    },
)


def with_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the models that only the routes above refer to, and without FastAPI's own errors: ours are problems."""
    models: list[type[BaseModel]] = [LossRequest, GradRequest, LossReply, GradReply, InferRequest, InferReply, Problem]
    _, defined = models_json_schema([(each, "validation") for each in models], ref_template=TEMPLATE)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(defined["$defs"])
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "Where the service asks for one."}}
    document["security"] = [{}, {"key": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    return document
