"""The Open Inference Protocol (KServe V2) under /v2: health, metadata, inference, statistics, the repository's index."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from service import open_inference_models as about
from service.body import FIRST_BYTES, small_body, visiting, whole_body
from service.codec import BINARY_BYTES
from service.codecs import open_inference_binary as binary
from service.documentation import INFER, problems
from service.negotiation import reply_coding
from service.open_inference import VERSION, find_model
from service.open_inference_schema import IndexEntry, IndexRequest, ModelMetadata, ModelReady, ServerMetadata
from service.open_inference_tensors import shared_bytes
from service.reply import Reply
from service.statistics import Statistics

router = APIRouter(prefix="/v2", tags=["open inference"])
Name = Annotated[str, Path(description="A loss, or a loss and `.grad`.", examples=["focal.grad"])]
MODEL = "/models/{name}"
OF_A_VERSION = MODEL + "/versions/{version}"


@router.get("/", include_in_schema=False)
@router.get("")
async def server_metadata(request: Request) -> ServerMetadata:
    """The server, and the extensions of the protocol that it has."""
    return ServerMetadata(**about.server(request.state.settings.shared_memory))


@router.get("/health/live")
async def server_live() -> dict[str, bool]:
    """Whether the process answers at all."""
    return {"live": True}


@router.get("/health/ready", responses=problems(503))
async def server_ready(request: Request) -> dict[str, bool]:
    """Whether every model may be asked."""
    request.state.engine.is_ready()
    return {"ready": True}


@router.get("/models/stats")
async def every_models_statistics(request: Request) -> dict[str, Any]:
    """What became of the requests for each model."""
    statistics: Statistics = request.state.statistics
    return {"model_stats": [about.statistics(name, found) for name, found in statistics.of.items()]}


@router.get(OF_A_VERSION + "/ready", include_in_schema=False)
@router.get(MODEL + "/ready", responses=problems(404, 503))
async def model_ready(request: Request, name: Name, version: str = VERSION) -> ModelReady:
    """Whether a model may be asked."""
    model = find_model(name, version)
    request.state.engine.is_ready()
    return ModelReady(name=model.name, ready=True)


@router.get(OF_A_VERSION + "/stats", include_in_schema=False)
@router.get(MODEL + "/stats", responses=problems(404))
async def model_statistics(request: Request, name: Name, version: str = VERSION) -> dict[str, Any]:
    """What became of the requests for a model; a duration is nanoseconds in all."""
    model = find_model(name, version)
    return {"model_stats": [about.statistics(model.name, request.state.statistics.of[model.name])]}


@router.post(OF_A_VERSION + "/infer", include_in_schema=False)
@router.post(MODEL + "/infer", **INFER)
async def infer(request: Request, name: Name, version: str = VERSION) -> Response:
    """The loss of one batch, and its gradient if the model is `.grad`; tensors in JSON, behind it, or in shared memory."""
    state, coding = request.state, reply_coding(request.headers)
    model = find_model(name, version)
    length = binary.header_length(request.headers.get(binary.LENGTH))
    async with visiting(request, model.name) as visit:
        body = await whole_body(request, visit, state.settings.max_body_bytes, binary.lead(length))
        most = state.settings.max_elements
        parsed = await visit.spend("decode", binary.quickly_parsed(body, length), binary.parsed, body, length, most)
        shared = shared_bytes((each.parameters or {} for each in parsed.message.inputs), state.regions)
        if shared:
            await visit.take_besides(shared, FIRST_BYTES)
        quick = parsed.nbytes + shared <= BINARY_BYTES
        inference = await visit.spend("decode", quick, binary.decode, parsed, model, state.regions, most)
        del body, parsed
        visit.within(inference.timeout_s)
        result = await visit.run(inference.order)
        quick = coding == "identity" and binary.quickly_encoded(inference, result)
        reply = await visit.spend("encode", quick, binary.encode, inference, state.regions, result, coding)
        return Reply(reply, visit)


@router.get(OF_A_VERSION, include_in_schema=False)
@router.get(MODEL, responses=problems(404))
async def model_metadata(request: Request, name: Name, version: str = VERSION) -> ModelMetadata:
    """The tensors that a model takes and gives, its parameters, and the limits of a gRPC message."""
    return ModelMetadata(**about.model(find_model(name, version), request.state.settings.max_body_bytes))


@router.post("/repository/index", responses=problems(400, 413, 422))
async def repository_index(request: Request) -> list[IndexEntry]:
    """Every model; with `{"ready": true}` those alone that may be asked."""
    wanted = await small_body(request, IndexRequest)
    return [IndexEntry(**each) for each in about.index(request.state.engine.ready, wanted.ready)]
