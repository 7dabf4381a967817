"""The import directions of the house: `models` never hears of HTTP, `service` never writes a formula, and nothing goes in a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("models", "service")
WEB = {"fastapi", "starlette", "uvicorn", "pydantic_settings", "simdjson", "orjson", "service"}
ENGINES = {"torch", "onnxruntime"}
NAMES_THE_RUNTIMES = "service.start"


def modules() -> dict[str, Path]:
    """Every module of the house by its dotted name."""
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(file: Path) -> Iterator[str]:
    """Every name that a file imports, wherever in it; `from a import b` gives a and a.b."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{each.name}" for each in node.names)


MODULES = modules()
IMPORTS = {name: set(imported(file)) for name, file in MODULES.items()}


def packages(name: str) -> set[str]:
    return {each.partition(".")[0] for each in IMPORTS[name]}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("models")])
def test_the_mathematics_has_never_heard_of_http(name: str) -> None:
    assert not packages(name) & WEB


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("service")])
def test_the_conversation_computes_nothing(name: str) -> None:
    assert not packages(name) & ENGINES
    if name != NAMES_THE_RUNTIMES:
        assert not [each for each in IMPORTS[name] if each.startswith("models.runtimes")]


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("models")])
def test_only_the_pytorch_runtime_imports_torch_and_only_the_onnx_runtime_imports_onnxruntime(name: str) -> None:
    assert ("torch" in packages(name)) == (name in {"models.runtimes.pytorch", "models.runtimes.native"})
    assert ("onnxruntime" in packages(name)) == (name == "models.runtimes.onnx")


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("models.losses.")])
def test_a_loss_is_an_equation_over_the_contract_and_the_stable_pieces_alone(name: str) -> None:
    own = {each for each in IMPORTS[name] if each in MODULES and each != "models"}
    assert own <= {"models.contract", "models.stable", "models.tensor", "models.vectors"}


def test_only_the_settings_and_the_start_read_the_environment() -> None:
    assert {name for name in MODULES if "os.environ" in MODULES[name].read_text() or "getenv" in MODULES[name].read_text()} <= {
        "service.settings",
        NAMES_THE_RUNTIMES,
    }


def test_no_imports_go_in_a_circle() -> None:
    within = {name: {each for each in IMPORTS[name] if each in MODULES and each != name} for name in MODULES}
    left = dict(within)
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"in a circle, or behind one: {sorted(left)}"
        for name in free:
            del left[name]
