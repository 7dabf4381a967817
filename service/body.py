"""The request body: read into one buffer, and refused before it is read whole if it is too large."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from models.buffers import BUFFERS
from models.errors import InvalidParameters, problem, shortened
from service.codec import Bytes
from service.compression import unpacked
from service.errors import TIMEOUT_HEADER, BodyTooLarge, DeadlinePassed, MalformedRequest, StalledRequest, TooManyChunks
from service.incoming import EXTENSION, Incoming, length_of
from service.negotiation import request_coding
from service.visit import Visit

Model = TypeVar("Model", bound=BaseModel)
Grow = Callable[[int], None]
MOST_SMALL_BYTES = 1 << 16
FIRST_BYTES = 1 << 16  # of a body that does not say how long it is
MOST_SMALL_CHUNKS, SMALL_CHUNK_BYTES = 10_000, 64
PATIENCE_S = 30  # without a byte of a body that is not whole


def freely(nbytes: int) -> None:
    """Memory for which nobody keeps accounts: of small bodies."""


async def whole_body(request: Request, visit: Visit, limit: int, lead: int = 0) -> Bytes:
    """The body as it was before it was compressed, behind `lead` bytes, which bring what is in it to where numbers may begin.

    Raises UnsupportedMediaType, or as `read_body` and `unpacked` do.
    """
    coding = request_coding(request.headers)
    announced = announced_length(request)
    if announced > limit:
        raise BodyTooLarge(limit)
    await visit.take(min(announced or FIRST_BYTES, FIRST_BYTES))  # what is announced may never come
    if coding == "identity":
        return await read_body(request, limit, lead, visit.grow)
    packed = await read_body(request, limit, 0, visit.grow)
    return await visit.spend("decode", False, unpacked_behind, lead, packed, coding, limit, visit.grow)


def unpacked_behind(lead: int, packed: Bytes, coding: str, limit: int, grow: Grow = freely) -> bytearray:
    """A body that was compressed, behind `lead` bytes."""
    body = unpacked(packed, coding, limit, grow)
    body[:0] = bytes(lead)
    return body


async def read_body(request: Request, limit: int, lead: int = 0, grow: Grow = freely) -> Bytes:
    """The body, behind `lead` bytes; raises MalformedRequest where there is none, and as `received` does."""
    body = await received(request, limit, lead, grow)
    if len(body) == lead:
        raise MalformedRequest("the body is empty; expected at least scores, and targets or labels")
    return body


async def received(request: Request, limit: int, lead: int = 0, grow: Grow = freely) -> Bytes:
    """The body, which may be empty, behind `lead` bytes; raises BodyTooLarge as soon as its length, announced or not, is over the limit."""
    announced = announced_length(request)
    if announced > limit:
        raise BodyTooLarge(limit)
    incoming: Incoming | None = request.scope.get("extensions", {}).get(EXTENSION)
    if incoming is not None:
        return await received_in_place(incoming, lead, grow)
    body = bytearray(lead)
    known, chunks = FIRST_BYTES, 0
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S) as patience:
            async for chunk in request.stream():
                patience.reschedule(loop.time() + PATIENCE_S)
                if len(body) + len(chunk) > limit + lead:
                    raise BodyTooLarge(limit)
                chunks += 1
                if chunks > MOST_SMALL_CHUNKS and len(body) < chunks * SMALL_CHUNK_BYTES:
                    raise TooManyChunks(chunks)
                while len(body) + len(chunk) > known + lead:
                    more = min(known, announced - known) if announced > known else known
                    grow(more)
                    known += more
                body += chunk
    except TimeoutError:
        raise StalledRequest(PATIENCE_S) from None
    return body


async def received_in_place(incoming: Incoming, lead: int, grow: Grow) -> memoryview:
    """The same, read to where it stays: twice as much each time, so that memory is taken for what came and not for a promise.

    There is room for all of it at once, which costs nothing until something is written there: a bytearray would be written when it is made.
    """
    body = BUFFERS.empty((lead + incoming.length,), np.uint8).data
    reached = 0
    try:
        while reached < incoming.length:
            size = min(reached or FIRST_BYTES, incoming.length - reached)
            if reached:
                grow(size)
            incoming.aim(body[lead + reached : lead + reached + size])
            while not incoming.is_full:
                await moved(incoming)
            reached += size
    finally:
        incoming.stop()
    return body


async def moved(incoming: Incoming) -> None:
    """Wait for more of a body; raises StalledRequest where none comes, and TooManyChunks where it comes in crumbs."""
    reads = incoming.reads
    try:
        async with asyncio.timeout(PATIENCE_S):
            await incoming.moves()
    except TimeoutError:
        if incoming.reads == reads:
            raise StalledRequest(PATIENCE_S) from None
    if incoming.reads > MOST_SMALL_CHUNKS and incoming.taken < incoming.reads * SMALL_CHUNK_BYTES:
        raise TooManyChunks(incoming.reads)


async def small_body(request: Request, model: type[Model]) -> Model:
    """A small JSON object, or nothing, which is an empty one; raises MalformedRequest, InvalidParameters, DeadlinePassed."""
    most_s = timeout_s(request)
    try:
        async with asyncio.timeout(most_s):
            text = await received(request, MOST_SMALL_BYTES)
    except TimeoutError:
        raise DeadlinePassed(most_s) from None
    try:
        return model.model_validate_json(bytes(text) or b"{}")
    except ValidationError as invalid:
        found = invalid.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise MalformedRequest(f"the body is not application/json: {found[0]['msg']}") from None
        raise InvalidParameters(*(problem(each, "", model.model_fields) for each in found)) from None


def announced_length(request: Request) -> int:
    """Content-Length, which the server has checked; 0 where the body comes in chunks."""
    return length_of(request.headers.get("content-length", ""))


def visiting(request: Request, model: str = "") -> Visit:
    """The request's way through the engine, known to whatever is around it too."""
    state = request.state
    visit = state.visit = Visit(state.engine, state.statistics, timeout_s(request), leaving(request), model)
    return visit


def timeout_s(request: Request) -> float:
    """How long the request may take: as the header says, but no longer than the setting; raises MalformedRequest."""
    most_ms: int = request.state.settings.timeout_ms
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return most_ms / 1000
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise MalformedRequest(f"{TIMEOUT_HEADER}: found {shortened(text)}; expected a number of milliseconds of at least 1")
    return min(int(text), most_ms) / 1000


def leaving(request: Request) -> Callable[[], Awaitable[None]]:
    """Something to wait for that ends when the client leaves, once its body has been read."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return gone
