"""Plain FastAPI: lists through pydantic, and raw bytes."""

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from job import grad, of_bytes
from pydantic import BaseModel

app = FastAPI()


class Batch(BaseModel):
    """A request."""

    scores: list[list[float]]
    labels: list[list[int]]


class Reply(BaseModel):
    """A reply."""

    loss: float
    grad: list[list[float]]


@app.get("/ready")
def ready() -> bool:
    """It answers."""
    return True


@app.post("/lists")
def lists(batch: Batch) -> Reply:
    """JSON both ways."""
    loss, found = grad(np.array(batch.scores, np.float32), np.array(batch.labels))
    return Reply(loss=loss, grad=found.tolist())


@app.post("/untyped")
def untyped(batch: Batch):  # noqa: ANN201 - as one writes it who leaves the reply to FastAPI
    """The same, whose reply has no type."""
    loss, found = grad(np.array(batch.scores, np.float32), np.array(batch.labels))
    return {"loss": loss, "grad": found.tolist()}


@app.post("/raw")
async def raw(request: Request) -> Response:
    """Bytes both ways."""
    return Response(of_bytes(await request.body()), media_type="application/octet-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
