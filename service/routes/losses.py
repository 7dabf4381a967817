"""POST /loss and POST /grad."""

from fastapi import APIRouter, Request, Response

from service.body import read_body
from service.compression import unpacked
from service.documentation import GRAD, LOSS
from service.engine import Engine
from service.negotiation import reply_codec, request_codec, request_coding
from service.reply import Reply
from service.settings import Settings

router = APIRouter(tags=["losses"])


@router.post("/loss", **LOSS)
async def loss(request: Request) -> Response:
    """The loss of one batch."""
    return await answer(request, wants_grad=False)


@router.post("/grad", **GRAD)
async def grad(request: Request) -> Response:
    """The loss of one batch, and its exact gradient by the scores."""
    return await answer(request, wants_grad=True)


async def answer(request: Request, *, wants_grad: bool) -> Response:
    """Bytes -> job -> result -> bytes."""
    engine: Engine = request.state.engine
    settings: Settings = request.state.settings
    codec, reply = request_codec(request.headers), reply_codec(request.headers)
    coding = request_coding(request.headers)
    with engine.place():
        body = await read_body(request, settings.max_body_bytes)
        if coding != "identity":
            body = await engine.in_thread(unpacked, body, coding, settings.max_body_bytes)
        order = await engine.aside(len(body), codec.decode, body, request.headers, wants_grad, settings.max_elements)
        del body  # a large one is not held while its numbers are computed with
        result = await engine.run(order.job, order.runtime)
        return Reply(await engine.aside(result.nbytes, reply.encode, result))
