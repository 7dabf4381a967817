"""Every setting, read once: from the command line (--port 9000) or the environment (GRADWIRE_PORT=9000). Nothing else reads os.environ."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.export import default_folder

MOST_ELEMENTS = 1 << 25
PREFIX = "GRADWIRE_"
RuntimeName = Literal["pytorch", "onnx"]


def split(value: Any) -> Any:
    """Names with commas between -> a list of them."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def lower(value: Any) -> Any:
    """INFO is info."""
    return value.lower() if isinstance(value, str) else value


RuntimeNames = Annotated[tuple[RuntimeName, ...], NoDecode, BeforeValidator(split)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(lower)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)]


class Settings(BaseSettings):
    """gradwire: losses and their exact gradients over HTTP. The variable that sets an option stands behind it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", cli_prog_name="gradwire", cli_kebab_case=True, cli_avoid_json=True
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one and logs it")
    unix_socket: Path | None = Field(None, description="path of a Unix socket to listen on too, for callers on this machine")
    grpc: bool = Field(True, description="whether to serve the Open Inference Protocol over gRPC too")
    grpc_port: int | None = Field(
        None, ge=0, le=65535, description="its port; 0 takes a free one and logs it; default: the one after the port above, if it is free"
    )
    log_level: LogLevel = Field("info", description="least severe line that is logged")
    runtime: RuntimeName | None = Field(None, description="the runtime of requests that name none; default: the first of those started")
    runtimes: RuntimeNames = Field(("pytorch", "onnx"), description="those to start, with commas between")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="where PyTorch computes: cpu, cuda or cuda:1")
    threads: int = Field(1, ge=1, le=1024, description="threads that one job computes with")
    jobs: int = Field(2, ge=1, le=1024, description="jobs that are run at once; more wait")
    queue: int = Field(64, ge=0, description="jobs that may wait; more are refused with 429")
    timeout_ms: int = Field(60_000, ge=1, description="milliseconds that a request may take; a header may ask for fewer; 504 after that")
    memory_bytes: int = Field(2 << 30, ge=1 << 20, description="memory that requests in flight may take; more wait")
    head_s: float = Field(15, gt=0, description="seconds that a connection has to send the head of a request")
    drain_s: float = Field(2, ge=0, description="seconds after TERM in which the service is not ready, and still answers")
    workers: int = Field(1, ge=1, le=1024, description="processes that share the port, for the CPU")
    management_port: int | None = Field(None, ge=0, le=65535, description="port for health and metrics alone; default: the port above")
    api_keys_file: Path | None = Field(None, description="file of hashed keys, one of which a request must have; default: none is needed")
    key_rate: float = Field(0, ge=0, description="requests a second that one key may make; 0: any number")
    key_concurrency: int = Field(0, ge=0, description="requests at once that one key may make; 0: any number")
    cors_origins: Names = Field((), description="origins of pages that may call from a browser, with commas between")
    otlp_endpoint: str = Field("", description="where to send traces (OTLP over HTTP); needs the extra otlp")
    log_format: LogFormat = Field("text", description="text, or json for a line a request")
    max_rows: int = Field(1 << 24, ge=1, description="most rows (N) of a batch; more are refused with 413")
    max_classes: int = Field(1 << 24, ge=1, description="most classes (C) of a batch; more are refused with 413")
    max_body_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="largest request body; a larger one is refused with 413")
    max_elements: int = Field(MOST_ELEMENTS, ge=1, description="most numbers in one array of a request; more are refused with 413")
    shared_memory: bool = Field(
        False, description="whether callers on this machine may name POSIX shared memory instead of sending tensors"
    )
    shared_memory_prefix: str = Field(
        "gradwire", pattern=r"^[A-Za-z0-9_.-]{1,200}$", description="what the key of such memory begins with; no other is opened"
    )
    graphs_dir: Path = Field(default_folder(), description="folder of ONNX graphs exported ahead, by `python -m models.export`")

    @model_validator(mode="after")
    def default_is_started(self) -> Self:
        """The default runtime is one of those that are started."""
        if not self.runtimes:
            raise ValueError("no runtime to start; name one with GRADWIRE_RUNTIMES")
        if self.runtime is not None and self.runtime not in self.runtimes:
            raise ValueError(f"{self.runtime!r} is not among the runtimes to start, {','.join(self.runtimes)}")
        return self

    @property
    def default_runtime(self) -> RuntimeName:
        """The runtime of requests that name none."""
        return self.runtime or self.runtimes[0]

    @staticmethod
    def variable(location: tuple[int | str, ...]) -> str:
        """The environment variable of a field, by pydantic's name for it."""
        return f"GRADWIRE_{str(location[0]).upper()}" if location else "GRADWIRE_RUNTIME"


for _name, _field in Settings.model_fields.items():
    _field.description = f"{_field.description} [{PREFIX}{_name.upper()}]"


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A warning for each variable that looks like a misspelt setting."""
    known = {name.upper() for name in Settings.model_fields}
    given = {name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX)}
    near = {name: difflib.get_close_matches(name, known, n=1) for name in sorted(given - known)}
    return [f"{PREFIX}{name} is no setting; did you mean {PREFIX}{match[0]}?" for name, match in near.items() if match]
