"""The request body: read into one buffer, and refused before it is read whole if it is too large."""

import asyncio

from starlette.requests import Request

from service.errors import BodyTooLarge, MalformedRequest, StalledRequest

PATIENCE_S = 30  # without a byte of a body that is not whole


async def read_body(request: Request, limit: int) -> bytearray:
    """The body; raises BodyTooLarge as soon as its announced or actual length is over the limit."""
    announced = announced_length(request)
    if announced > limit:
        raise BodyTooLarge(limit)
    body = bytearray()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S) as patience:
            async for chunk in request.stream():
                patience.reschedule(loop.time() + PATIENCE_S)
                if len(body) + len(chunk) > limit:
                    raise BodyTooLarge(limit)
                body += chunk
    except TimeoutError:
        raise StalledRequest(PATIENCE_S) from None
    if not body:
        raise MalformedRequest("the body is empty; expected a JSON object with at least scores, and targets or labels")
    return body


def announced_length(request: Request) -> int:
    """Content-Length, which the server has checked; 0 where the body comes in chunks."""
    digits = request.headers.get("content-length", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
