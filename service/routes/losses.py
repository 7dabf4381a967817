"""POST /loss and POST /grad."""

from fastapi import APIRouter, Request, Response

from service.body import read_body
from service.compression import unpacked
from service.documentation import GRAD, LOSS
from service.engine import Engine
from service.negotiation import reply_codec, request_codec, request_coding
from service.reply import Reply

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
    codec, reply = request_codec(request.headers), reply_codec(request.headers)
    coding, limit = request_coding(request.headers), request.state.settings.max_body_bytes
    engine.admit()
    packed = await read_body(request, limit)
    body = packed if coding == "identity" else await engine.in_thread(unpacked, packed, coding, limit)
    order = await engine.aside(len(body), codec.decode, body, request.headers, wants_grad)
    result = await engine.run(order.job, order.runtime)
    return Reply(await engine.aside(result.nbytes, reply.encode, result))
