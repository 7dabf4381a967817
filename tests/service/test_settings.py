"""Every setting by environment and by command line; a bad one is one line on stderr and exit code 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from pydantic_settings import CliApp

from service import start as program
from service.errors import BadSetting
from service.settings import PREFIX, Settings, unknown_variables
from tests.conftest import free_port

GOOD: dict[str, tuple[str, Any]] = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("9000", 9000),
    "grpc": ("false", False),
    "grpc_port": ("9001", 9001),
    "log_level": ("debug", "debug"),
    "runtime": ("onnx", "onnx"),
    "runtimes": ("onnx, pytorch", ("onnx", "pytorch")),
    "device": ("cuda:1", "cuda:1"),
    "threads": ("3", 3),
    "jobs": ("5", 5),
    "queue": ("0", 0),
    "timeout_ms": ("500", 500),
    "memory_bytes": ("1048576", 1 << 20),
    "head_s": ("2.5", 2.5),
    "drain_s": ("0.5", 0.5),
    "workers": ("3", 3),
    "management_port": ("9100", 9100),
    "unix_socket": ("/run/gradwire.sock", Path("/run/gradwire.sock")),
    "api_keys_file": ("/run/keys", Path("/run/keys")),
    "key_rate": ("2.5", 2.5),
    "key_concurrency": ("4", 4),
    "cors_origins": ("https://a.example, https://b.example", ("https://a.example", "https://b.example")),
    "otlp_endpoint": ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
    "log_format": ("JSON", "json"),
    "max_rows": ("5", 5),
    "max_classes": ("6", 6),
    "max_body_bytes": ("1024", 1024),
    "max_elements": ("1000", 1000),
    "shared_memory": ("true", True),
    "shared_memory_prefix": ("my-team", "my-team"),
    "graphs_dir": ("/tmp/graphs", Path("/tmp/graphs")),
}
BAD = [
    ("port", "abc"),
    ("port", "-1"),
    ("port", "65536"),
    ("port", ""),
    ("port", "80.5"),
    ("grpc", "maybe"),
    ("grpc_port", "-1"),
    ("grpc_port", "65536"),
    ("shared_memory", "perhaps"),
    ("shared_memory_prefix", ""),
    ("shared_memory_prefix", "a/b"),
    ("log_level", "loud"),
    ("runtime", "tpu"),
    ("runtimes", "tpu"),
    ("runtimes", "pytorch,tpu"),
    ("runtimes", ""),
    ("device", "gpu"),
    ("device", "cuda:x"),
    ("threads", "0"),
    ("jobs", "0"),
    ("jobs", "NaN"),
    ("queue", "-1"),
    ("max_body_bytes", "0"),
    ("max_body_bytes", "256MiB"),
    ("max_body_bytes", "1e400"),
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def exit_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """The exit code of the program and what it says on stderr."""
    monkeypatch.setattr(sys, "argv", ["gradwire", *arguments])
    try:
        code: Any = program.main()
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


def assert_one_line(code: Any, err: str, names: str) -> None:
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("gradwire: ")
    assert names in err
    assert "Traceback" not in err


def test_this_test_knows_every_setting() -> None:
    assert set(GOOD) == set(Settings.model_fields)


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = GOOD[name]
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)
    assert getattr(CliApp.run(Settings, cli_args=[]), name) == value


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_is_read_from_the_command_line_which_comes_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = GOOD[name]
    monkeypatch.setenv("GRADWIRE_PORT", "7000")
    assert getattr(CliApp.run(Settings, cli_args=[f"--{name.replace('_', '-')}", text]), name) == value


def test_the_defaults_are_those_that_are_promised() -> None:
    settings = CliApp.run(Settings, cli_args=[])
    assert (settings.host, settings.port, settings.default_runtime, settings.runtimes) == (
        "127.0.0.1",
        8000,
        "pytorch",
        ("pytorch", "onnx"),
    )


def test_the_first_runtime_that_is_started_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWIRE_RUNTIMES", "onnx")
    assert CliApp.run(Settings, cli_args=[]).default_runtime == "onnx"
    assert CliApp.run(Settings, cli_args=["--runtimes", "onnx,pytorch", "--runtime", "pytorch"]).default_runtime == "pytorch"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CliApp.run(Settings, cli_args=[]).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_variable_is_one_line_that_names_it(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)
    assert_one_line(*exit_of(monkeypatch, capsys), f"{PREFIX}{name.upper()}")


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_option_is_one_line_that_names_its_variable(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(*exit_of(monkeypatch, capsys, f"--{name.replace('_', '-')}={text}"), f"{PREFIX}{name.upper()}")


def test_a_default_runtime_that_is_not_started_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_line(*exit_of(monkeypatch, capsys, "--runtimes", "onnx", "--runtime", "pytorch"), "'pytorch'")


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GRADWIRE_JOBS", "none")
    code, err = exit_of(monkeypatch, capsys, "--port", "x")
    assert_one_line(code, err, "GRADWIRE_JOBS")
    assert "GRADWIRE_PORT" in err


def test_a_port_is_taken_as_soon_as_it_is_bound() -> None:
    first = program.listen(Settings(port=0))
    with first, pytest.raises(BadSetting, match="in use"):
        program.listen(Settings(port=first.getsockname()[1]))


def test_a_port_in_use_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert_one_line(*exit_of(monkeypatch, capsys, "--port", port), f"port {port}")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "1.2.3.4.5"])
def test_a_host_that_is_not_here_is_one_line(host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_line(*exit_of(monkeypatch, capsys, "--host", host, "--port", "0"), "GRADWIRE_HOST")


def test_an_option_that_is_unknown_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = exit_of(monkeypatch, capsys, "--prot", "80")
    assert code == 2
    assert "--prot" in err.splitlines()[-1]


NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")


@pytest.mark.parametrize(("variable", "text"), [("GRADWIRE_PORT", "abc"), pytest.param("GRADWIRE_DEVICE", "cuda", marks=NO_CUDA)])
def test_the_process_itself_ends_with_2_and_one_line(variable: str, text: str) -> None:
    environment = os.environ | {"GRADWIRE_PORT": "0", variable: text}
    command, root = [sys.executable, "-m", "service"], Path(__file__).parent.parent.parent
    ended = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    assert_one_line(ended.returncode, ended.stderr, variable)
    assert ended.stdout == ""


def test_help_names_every_setting_with_its_variable_and_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gradwire", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')} " in text
        assert f"{PREFIX}{name.upper()}" in text, f"{PREFIX}{name.upper()} is not in --help"
        assert field.default is None or isinstance(field.default, tuple) or str(field.default) in text


def test_a_misspelt_variable_is_guessed() -> None:
    given = {"GRADWIRE_PROT": "1", "GRADWIRE_PORT": "1", "GRADWIRE_SERVICE_HOST": "x", "GRADWIRE_ZZZZ": "", "OTHER_PROT": "1"}
    assert unknown_variables(given)[0] == "GRADWIRE_PROT is no setting; did you mean GRADWIRE_PORT?"
    assert not any("ZZZZ" in line or "OTHER" in line for line in unknown_variables(given))


def test_grpc_takes_the_next_port_unless_another_is_set() -> None:
    port = free_port()
    assert program.grpc_address(Settings(port=port), port) == f"127.0.0.1:{port + 1}"
    assert program.grpc_address(Settings(port=0), port) == "127.0.0.1:0"
    assert program.grpc_address(Settings(port=port, grpc_port=0), port) == "127.0.0.1:0"
    assert program.grpc_address(Settings(grpc=False), 8000) is None
    assert program.grpc_address(Settings(port=65535), 65535) is None


def test_grpc_does_without_the_next_port_where_it_is_taken_but_not_without_one_that_was_asked_for() -> None:
    with program.listen(Settings(port=0)) as other:
        taken = other.getsockname()[1]
        assert program.grpc_address(Settings(port=taken - 1), taken - 1) is None
        with pytest.raises(BadSetting, match=rf"port {taken}: .*GRADWIRE_GRPC_PORT"):
            program.grpc_address(Settings(grpc_port=taken), 8000)
