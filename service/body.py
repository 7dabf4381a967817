"""The request body: read into one buffer, and refused before it is read whole if it is too large."""

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from models.errors import InvalidParameters, problem
from service.compression import unpacked
from service.errors import BodyTooLarge, MalformedRequest, StalledRequest
from service.negotiation import request_coding
from service.visit import Visit

Model = TypeVar("Model", bound=BaseModel)
MOST_SMALL_BYTES = 1 << 16
PATIENCE_S = 30  # without a byte of a body that is not whole


async def whole_body(request: Request, visit: Visit, limit: int, lead: int = 0) -> bytearray:
    """The body as it was before it was compressed, behind `lead` zeros, which bring what is in it to where numbers may begin.

    Raises UnsupportedMediaType, or as `read_body` and `unpacked` do.
    """
    coding = request_coding(request.headers)
    if coding == "identity":
        return await read_body(request, limit, lead)
    packed = await read_body(request, limit)
    return await visit.spend("decode", limit, unpacked_behind, lead, packed, coding, limit)


def unpacked_behind(lead: int, packed: bytearray, coding: str, limit: int) -> bytearray:
    """A body that was compressed, behind `lead` zeros."""
    body = unpacked(packed, coding, limit)
    body[:0] = bytes(lead)
    return body


async def read_body(request: Request, limit: int, lead: int = 0) -> bytearray:
    """The body, behind `lead` zeros; raises MalformedRequest where there is none, and as `received` does."""
    body = await received(request, limit, lead)
    if len(body) == lead:
        raise MalformedRequest("the body is empty; expected at least scores, and targets or labels")
    return body


async def received(request: Request, limit: int, lead: int = 0) -> bytearray:
    """The body, which may be empty, behind `lead` zeros; raises BodyTooLarge as soon as its length, announced or not, is over the limit."""
    announced = announced_length(request)
    if announced > limit:
        raise BodyTooLarge(limit)
    body = bytearray(lead)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S) as patience:
            async for chunk in request.stream():
                patience.reschedule(loop.time() + PATIENCE_S)
                if len(body) + len(chunk) > limit + lead:
                    raise BodyTooLarge(limit)
                body += chunk
    except TimeoutError:
        raise StalledRequest(PATIENCE_S) from None
    return body


async def small_body(request: Request, model: type[Model]) -> Model:
    """A small JSON object, or nothing, which is an empty one; raises MalformedRequest where it is no JSON, InvalidParameters."""
    text = await received(request, MOST_SMALL_BYTES)
    try:
        return model.model_validate_json(bytes(text) or b"{}")
    except ValidationError as invalid:
        found = invalid.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise MalformedRequest(f"the body is not application/json: {found[0]['msg']}") from None
        raise InvalidParameters(*(problem(each, "", model.model_fields) for each in found)) from None


def announced_length(request: Request) -> int:
    """Content-Length, which the server has checked; 0 where the body comes in chunks."""
    digits = request.headers.get("content-length", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
