"""The system shared memory extension of the Open Inference Protocol: callers on the same machine name memory instead of sending it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service.body import small_body
from service.documentation import problems
from service.open_inference_models import regions
from service.open_inference_schema import RegionRequest, RegionStatus

router = APIRouter(prefix="/v2/systemsharedmemory", tags=["open inference: shared memory"])
Name = Annotated[str, Path(description="The name that requests use.")]


@router.get("/status", responses=problems(404))
async def regions_status(request: Request) -> list[RegionStatus]:
    """Every region that is registered."""
    return [RegionStatus(**each) for each in regions(request.state.regions.status())]


@router.get("/region/{name}/status", responses=problems(404))
async def region_status(request: Request, name: Name) -> list[RegionStatus]:
    """One region."""
    return [RegionStatus(**each) for each in regions(request.state.regions.status(name))]


@router.post("/region/{name}/register", response_class=Response, responses=problems(400, 404, 413, 422))
async def register_region(request: Request, name: Name) -> Response:
    """Make memory known under a name."""
    about = await small_body(request, RegionRequest)
    request.state.regions.register(name, about.key, about.offset, about.byte_size)
    return Response()


@router.post("/region/{name}/unregister", response_class=Response, responses=problems(404))
async def unregister_region(request: Request, name: Name) -> Response:
    """Forget one region."""
    request.state.regions.unregister(name)
    return Response()


@router.post("/unregister", response_class=Response, responses=problems(404))
async def unregister_regions(request: Request) -> Response:
    """Forget every region."""
    request.state.regions.unregister()
    return Response()
