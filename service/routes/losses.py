"""POST /loss and POST /grad."""

from fastapi import APIRouter, Request, Response

from service.body import visiting, whole_body
from service.documentation import GRAD, LOSS
from service.negotiation import reply_codec, reply_coding, request_codec
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
    headers, state = request.headers, request.state
    codec, reply, coding = request_codec(headers), reply_codec(headers), reply_coding(headers)
    async with visiting(request) as visit:
        body = await whole_body(request, visit, state.settings.max_body_bytes)
        order = await visit.spend("decode", codec.quickly_read(body), codec.decode, body, headers, wants_grad, state.settings.max_elements)
        del body  # a large one is not held while its numbers are computed with
        result = await visit.run(order)
        return Reply(await visit.spend("encode", reply.quickly_written(result, coding), reply.encode, order, result, coding), visit)
