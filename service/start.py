"""Read the settings, start the runtimes, serve."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Mapping

import uvicorn
from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError

from models.contract import Runtime
from models.errors import DeviceUnavailable
from models.export import Graphs
from service.app import create_app
from service.errors import BadSetting
from service.protocol import HttpProtocol
from service.settings import Settings, unknown_variables

LAST_PORT = 65535
BACKLOG = 2048
DRAIN_S = 20  # after TERM, until connections that have not finished are cut
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


def main() -> int:
    """Serve until stopped; a setting that cannot work is one line on stderr and exit code 2."""
    try:
        settings = CliApp.run(Settings)
        listener = listen(settings)
        address = grpc_address(settings, listener.getsockname()[1])
        started = start(settings)
    except (ValidationError, SettingsError, BadSetting) as error:
        print(f"gradwire: {in_a_line(error)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    host, port = listener.getsockname()[:2]
    log.info("gradwire on http://%s:%s, process %s, documentation at /docs", host, port, os.getpid())
    for name, runtime in started.items():
        log.info("%s on %s, %s thread(s) a job%s", name, runtime.device, settings.threads, ", default" * (name == settings.default_runtime))
    if settings.grpc and address is None:
        log.warning("gRPC is not served: port %s is taken; GRADWIRE_GRPC_PORT sets another", port + 1)
    for warning in unknown_variables(os.environ):
        log.warning(warning)
    app = create_app(settings, started, address)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
    return 0
