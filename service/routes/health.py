"""GET /health/live and GET /health/ready."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from service import metrics
from service.documentation import problems

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """How the service is."""

    status: str
    runtimes: dict[str, str] = {}


@router.get("/live")
async def live() -> Health:
    """Whether the process answers at all."""
    return Health(status="live")


@router.get("/ready", responses=problems(503))
async def ready(request: Request) -> Health:
    """Whether every runtime has computed something, and requests are welcome; names each runtime and its device."""
    engine = request.state.engine
    engine.is_ready()
    return Health(status="ready", runtimes={name: runtime.device for name, runtime in engine.runtimes.items()})


metrics_router = APIRouter(tags=["health"])


@metrics_router.get("/metrics", response_class=PlainTextResponse)
async def prometheus(request: Request) -> Response:
    """Requests, stages, queue and memory, as Prometheus reads them."""
    metrics.look(request.state.engine, request.state.device_memory)
    text, media_type = metrics.exposition()
    return Response(text, headers={"Content-Type": media_type})


router.head("/live", include_in_schema=False)(live)
router.head("/ready", include_in_schema=False)(ready)
