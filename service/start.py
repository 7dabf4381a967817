"""Read the settings, start the runtimes, serve."""

import contextlib
import functools
import logging
import math
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError

from models.buffers import BUFFERS, keep_freed
from models.contract import Runtime
from models.errors import DeviceUnavailable
from models.export import Graphs
from service import metrics
from service.access import JsonLines
from service.app import create_app
from service.errors import BadSetting
from service.keys import Keys
from service.protocol import HttpProtocol
from service.server import Life, Server
from service.settings import Settings, unknown_variables
from service.telemetry import flush, telemetry
from service.workers import Workers, end_with_parent

LAST_PORT = 65535
BAD_SETTING = 2
BACKLOG = 2048
KEPT_SHARE = 8  # of the memory for requests, what is kept at hand while none needs it
UVICORN: dict[str, Any] = {
    "loop": "uvloop",
    "ws": "none",
    "log_config": None,
    "access_log": False,
    "server_header": False,
}
log = logging.getLogger("gradwire")


def start(settings: Settings) -> Mapping[str, Runtime]:
    """The runtimes of the settings; raises BadSetting where the device is not there."""
    try:
        return runtimes(settings)
    except DeviceUnavailable as error:
        raise BadSetting(f"GRADWIRE_DEVICE: {error}") from None


def runtimes(settings: Settings) -> Mapping[str, Runtime]:
    """The runtimes of the settings; this is the one place that names them."""
    started: dict[str, Runtime] = {}
    if "pytorch" in settings.runtimes:
        from models.runtimes.pytorch import PyTorch

        started["pytorch"] = PyTorch(settings.device, settings.threads)
    if "onnx" in settings.runtimes:
        from models.runtimes.onnx import OnnxRuntime

        started["onnx"] = OnnxRuntime(Graphs(settings.graphs_dir), threads=settings.threads)
    return started


def listen(settings: Settings) -> socket.socket:
    """A socket that listens; raises BadSetting where the address cannot be had."""
    return bound(settings.host, settings.port, "GRADWIRE_PORT")


def bound(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens on this address, which the variable sets."""
    with contextlib.ExitStack() as unless_bound:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = unless_bound.enter_context(socket.socket(family))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # at once: two sockets may be bound to one port as long as neither listens
        except OSError as error:
            reason = error.strerror or str(error)
            raise BadSetting(f"cannot listen on {host} port {port}: {reason} (GRADWIRE_HOST, {variable})") from None
        unless_bound.pop_all()
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A Unix socket that listens, in the place of one that nobody listens on any more; raises BadSetting where it cannot be had."""
    with contextlib.ExitStack() as unless_bound:
        try:
            listener = unless_bound.enter_context(socket.socket(socket.AF_UNIX))
            if path.is_socket() and is_left_behind(path):
                path.unlink()
            listener.bind(str(path))
            listener.listen(BACKLOG)
        except OSError as error:
            raise BadSetting(f"cannot listen on {path}: {error.strerror or error} (GRADWIRE_UNIX_SOCKET)") from None
        unless_bound.pop_all()
    return listener


def is_left_behind(path: Path) -> bool:
    """Whether nobody listens on a socket that is there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def grpc_address(settings: Settings, port: int) -> str | None:
    """Where to serve gRPC, beside HTTP on this port; None: nowhere, for the next port is taken.

    Raises BadSetting where a port that was asked for cannot be had.
    """
    if not settings.grpc:
        return None
    wanted = port + 1 if settings.grpc_port is None and settings.port else settings.grpc_port or 0
    if wanted > LAST_PORT:
        return None
    try:
        bound(settings.host, wanted, "GRADWIRE_GRPC_PORT").close()
    except BadSetting:
        if settings.grpc_port is not None:
            raise
        return None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{wanted}"


def in_a_line(error: Exception) -> str:
    """What is wrong, with the variable that is to be mended."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    found = error.errors()
    return "; ".join(
        f"{Settings.variable(each['loc'])}: {each['msg'].removeprefix('Value error, ')}{shown(each['input'])}" for each in found
    )


def shown(value: object) -> str:
    """What was found, if it is one setting and not all of them."""
    return "" if isinstance(value, dict) else f"; found {value!r}"


class Ports(NamedTuple):
    """Where the service is: sockets that listen, and an address for gRPC, which binds its own."""

    http: socket.socket
    unix: socket.socket | None
    grpc: str | None
    management: socket.socket | None


def begin_logging(settings: Settings) -> None:
    """Lines for people, or JSON for what collects them."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nobody reads them
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)


def device_memory(settings: Settings) -> dict[tuple[str, str], int]:
    """Bytes of memory by device and kind; a CPU's is not the service's to tell."""
    if "pytorch" not in settings.runtimes or settings.device == "cpu":
        return {}
    from models.runtimes.pytorch import memory

    return {(settings.device, kind): nbytes for kind, nbytes in memory(settings.device).items()}


def serve(settings: Settings, ports: Ports, started: Mapping[str, Runtime]) -> int:
    """Serve in this process until stopped; returns its exit code."""
    keep_freed()
    BUFFERS.most_bytes = settings.memory_bytes // KEPT_SHARE
    for name, runtime in started.items():
        default = ", default" * (name == settings.default_runtime)
        log.info("%s on %s by %s, %s thread(s) a job%s", name, runtime.device, runtime.computes_by, settings.threads, default)
    app = create_app(settings, started, ports.grpc, ports.management, functools.partial(device_memory, settings))
    protocol = type("Protocol", (HttpProtocol,), {"head_s": settings.head_s})
    config = uvicorn.Config(app, http=protocol, timeout_graceful_shutdown=math.ceil(settings.timeout_ms / 1000), **UVICORN)
    server = Server(config, Life(app.state.drain, app.state.end, app.state.look), settings.drain_s)
    app.state.on_fault = server.give_up
    with contextlib.suppress(KeyboardInterrupt):
        server.run([ports.http, *([ports.unix] if ports.unix else [])])
    return server.exit_code


def work(settings: Settings, ports: Ports) -> None:
    """One of several processes."""
    end_with_parent()
    begin_logging(settings)
    try:
        sys.exit(serve(settings, ports, start(settings)))
    except BadSetting as error:
        print(f"gradwire: {in_a_line(error)}", file=sys.stderr)
        sys.exit(BAD_SETTING)


def run(settings: Settings) -> int:
    """Take the ports, say where the service is, and serve in this process or in several."""
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    management = None if settings.management_port is None else bound(settings.host, settings.management_port, "GRADWIRE_MANAGEMENT_PORT")
    unix = None if settings.unix_socket is None else listen_unix(settings.unix_socket)
    ports = Ports(listener, unix, grpc_address(settings, port), management)
    Keys(settings.api_keys_file)  # a file that cannot be read ends the start, and not a worker
    flush(telemetry(settings.otlp_endpoint))  # nor does an extra that is missing
    started = start(settings) if settings.workers == 1 else {}
    begin_logging(settings)
    log.info("gradwire on http://%s:%s, process %s, documentation at /docs", host, port, os.getpid())
    if unix is not None:
        log.info("the same on the Unix socket %s", settings.unix_socket)
    if management is not None:
        log.info("health and metrics on http://%s:%s", *management.getsockname()[:2])
    if settings.grpc and ports.grpc is None:
        log.warning("gRPC is not served: port %s is taken; GRADWIRE_GRPC_PORT sets another", port + 1)
    for warning in unknown_variables(os.environ):
        log.warning(warning)
    with contextlib.ExitStack() as at_the_end:
        if settings.unix_socket is not None:
            at_the_end.callback(settings.unix_socket.unlink, missing_ok=True)
        return serve(settings, ports, started) if settings.workers == 1 else serve_by_workers(settings, ports)


def serve_by_workers(settings: Settings, ports: Ports) -> int:
    """Serve in several processes until stopped; returns the exit code."""

    def close() -> None:
        ports.http.close()
        if ports.unix is not None:
            ports.unix.close()

    with tempfile.TemporaryDirectory(prefix="gradwire-metrics-") as folder:
        os.environ[metrics.FOLDER] = folder  # before a worker imports prometheus_client
        return Workers(settings.workers, work, settings, ports, on_death=metrics.forget, on_stop=close).run()


def main() -> int:
    """Serve until stopped; a setting that cannot work is one line on stderr and exit code 2."""
    try:
        return run(CliApp.run(Settings))
    except (ValidationError, SettingsError, BadSetting) as error:
        print(f"gradwire: {in_a_line(error)}", file=sys.stderr)
        return BAD_SETTING
