"""GET /losses, GET /losses/{name} and the loss as an ONNX graph."""

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response

from models.catalogue import catalogue, described, find
from models.contract import MeanOver, Reduction
from models.errors import InvalidParameters, Problem
from models.export import file_name, spec
from models.graph import DEFAULT_OPSET, OPSETS, FloatType
from service.body import timeout_s
from service.documentation import problems
from service.json_object import literal
from service.schema import LossDescription

router = APIRouter(prefix="/losses", tags=["catalogue"])

Name = Annotated[str, Path(description="Name or alias of a loss.", examples=["focal"])]


@router.get("", response_model=list[LossDescription])
async def list_losses() -> list[dict[str, Any]]:
    """Every loss: its parameters, its equation, its paper."""
    return [described(each) for each in catalogue().values()]


@router.get("/{name}", response_model=LossDescription, responses=problems(404))
async def describe_loss(name: Name) -> dict[str, Any]:
    """One loss, by name or alias."""
    return described(find(name))


GRAPH_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The graph.", "content": {"application/onnx": {}}},
    304: {"description": "You have it."},
}
QUERY = ("graph", "labels", "reduction", "mean_over", "dtype", "opset", "inputs")


@router.get("/{name}/onnx", response_class=Response, responses=GRAPH_CONTENT | problems(404, 422, 429, 503, 504))
async def export_onnx(
    request: Request,
    name: Name,
    graph: Annotated[Literal["loss", "grad"], Query(description="The loss alone, or with its gradient.")] = "grad",
    labels: Annotated[Literal["dense", "sparse"], Query(description="`targets`, or `labels` int64 [N, K] padded with -1.")] = "dense",
    reduction: Reduction = "mean",
    mean_over: MeanOver | None = None,
    dtype: FloatType = "float32",
    opset: Annotated[int, Query(ge=OPSETS[0], le=OPSETS[-1])] = DEFAULT_OPSET,
    inputs: Annotated[str, Query(description="What it takes besides, with commas between: tensors (`class_weight`), or parameters.")] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The loss as an ONNX graph that any ONNX Runtime computes like this service; its parameters are query parameters too."""
    wanted = spec(
        find(name),
        parameters(request),
        graph=graph,
        labels=labels,
        reduction=reduction,
        mean_over=mean_over,
        dtype=dtype,
        opset=opset,
        inputs=tuple(each.strip() for each in inputs.split(",") if each.strip()),
    )
    content: bytes = await request.state.engine.at_a_place(timeout_s(request), request.state.graphs.get, wanted)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Disposition": f'attachment; filename="{file_name(wanted)}"'}
    if etag in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/onnx", headers=headers)


def parameters(request: Request) -> dict[str, Any]:
    """The query parameters that are the loss's own: numbers, true, false and null as in JSON, and words."""
    given = request.query_params.multi_items()
    if len(dict(given)) < len(given):
        raise InvalidParameters(Problem("", "a parameter is given twice"))
    return {name: literal(value) for name, value in given if name not in QUERY}
