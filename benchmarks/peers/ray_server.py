"""Ray Serve: raw bytes."""

import signal
import sys

import ray
from job import of_bytes
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=1)
class Loss:
    """One batch a request."""

    async def __call__(self, request: Request) -> Response:
        """Bytes both ways; an empty body asks whether it is there."""
        body = await request.body()
        return Response(of_bytes(body) if body else b"", media_type="application/octet-stream")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Loss.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
