"""What `GET /metrics` tells: requests, seconds in decode, wait, run and encode (the same four words as the code), and what is in flight."""

import functools
import platform
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

from service.engine import Engine
from service.statistics import Stage

# Buckets of OpenTelemetry's HTTP metrics, in seconds, and finer ones below: a small batch takes less than a millisecond.
SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60)
ROWS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
LIVE: Literal["livesum"] = "livesum"

REQUESTS = Counter("gradwire_requests", "Requests, by route, loss and status.", ["route", "loss", "status"])
REQUEST_SECONDS = Histogram(
    "gradwire_request_seconds",
    "Seconds from the head of a request to the end of its reply.",
    ["route"],
    buckets=SECONDS,
)
STAGE_SECONDS = Histogram("gradwire_stage_seconds", "Seconds of a request in each stage.", ["stage"], buckets=SECONDS)
BATCH_ROWS = Histogram("gradwire_batch_rows", "Rows of a batch.", buckets=ROWS)
QUEUE = Gauge("gradwire_queue_length", "Requests that wait for memory or for a thread.", multiprocess_mode=LIVE)
RUNNING = Gauge("gradwire_running_jobs", "Pieces of work in threads.", multiprocess_mode=LIVE)
IN_FLIGHT = Gauge("gradwire_bytes_in_flight", "Memory that requests in flight may take.", multiprocess_mode=LIVE)
READY = Gauge("gradwire_ready", "Whether requests are welcome.", multiprocess_mode=LIVE)
DEVICE_MEMORY = Gauge("gradwire_device_memory_bytes", "Memory of a device, by kind.", ["device", "kind"], multiprocess_mode=LIVE)
BUILD = Gauge("gradwire_build_info", "1, and what was built.", ["version", "torch", "onnxruntime", "python"], multiprocess_mode="max")

PACKAGES = {"version": "gradwire-service", "torch": "torch", "onnxruntime": "onnxruntime"}
OTHER = "other"


def observe(route: str, loss: str, status: int, seconds: float) -> None:
    """A request that has been answered."""
    count, duration = counters(route, loss, status)
    count.inc()
    duration.observe(seconds)


@functools.cache  # as many as there are routes, losses and statuses
def counters(route: str, loss: str, status: int) -> tuple[Counter, Histogram]:
    """Those of one kind of request."""
    return REQUESTS.labels(route, loss, str(status)), REQUEST_SECONDS.labels(route)


@functools.cache
def stage_histogram(stage: Stage) -> Histogram:
    """That of a stage."""
    return STAGE_SECONDS.labels(stage)


def observe_stages(spent_ns: Iterable[tuple[Stage, int]], rows: int) -> None:
    """A job that has been computed."""
    for stage, ns in spent_ns:
        stage_histogram(stage).observe(ns / 1e9)
    BATCH_ROWS.observe(rows)


def look(engine: Engine, device_memory: Callable[[], dict[tuple[str, str], int]] = dict) -> None:
    """Read off the engine what changes all the time."""
    QUEUE.set(engine.queue_length)
    RUNNING.set(engine.running)
    IN_FLIGHT.set(engine.memory.taken)
    READY.set(engine.ready)
    for (device, kind), nbytes in device_memory().items():
        DEVICE_MEMORY.labels(device, kind).set(nbytes)


def built() -> None:
    """Say what this is."""
    versions = {name: version(package) for name, package in PACKAGES.items()}
    BUILD.labels(**versions, python=platform.python_version()).set(1)


def version(package: str) -> str:
    """The version of a package; empty where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def forget(pid: int) -> None:
    """A worker has ended: what it held, it holds no more."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def exposition() -> tuple[bytes, str]:
    """All of it as Prometheus reads it, from every worker where there are several; and its type."""
    registry: CollectorRegistry = REGISTRY
    if getattr(values.ValueClass, "_multiprocess", False):  # as the library found it when it was imported
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
