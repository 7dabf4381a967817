"""What losses exist, read off the files in models/losses/: names, aliases, parameters with their ranges, equations, papers."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from models import losses
from models.contract import Loss
from models.errors import UnknownLoss

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
TENSORS = frozenset({"scores", "targets", "labels", "label_weights"})


@functools.cache
def catalogue() -> dict[str, Loss]:
    """Every loss by its name, in alphabetical order."""
    return {name: loss(name) for name in sorted(module.name for module in pkgutil.iter_modules(losses.__path__))}


@functools.cache
def names() -> dict[str, Loss]:
    """Every loss by its name and by each alias."""
    known = dict(catalogue())
    for each in catalogue().values():
        for alias in each.about.aliases:
            if known.setdefault(alias, each) is not each:
                raise ValueError(f"the alias {alias!r} names both {known[alias].name} and {each.name}")
    return known


def find(name: str) -> Loss:
    """The loss of this name or alias, in any case of letters; raises UnknownLoss with the nearest name."""
    found = lowered().get(name.lower())
    if found is None:
        raise UnknownLoss(name, names(), catalogue())
    return found


@functools.cache
def lowered() -> dict[str, Loss]:
    """Every loss by its names in small letters."""
    return {name.lower(): each for name, each in names().items()}


def loss(name: str) -> Loss:
    """The loss that models/losses/<name>.py defines."""
    module = importlib.import_module(f"{losses.__name__}.{name}")
    equation: Callable[..., Any] = getattr(module, name)
    positional = [p.name for p in inspect.signature(equation).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return Loss(
        name=name,
        summary=summary(module),
        about=module.ABOUT,
        dense=equation,
        sparse=getattr(module, "sparse", None),
        takes=frozenset(positional) - TENSORS,
        params=parameters(name, equation),
        undefined_rows=getattr(module, "undefined_rows", None),
    )


def summary(module: ModuleType) -> str:
    """The first line of the file's docstring."""
    return (module.__doc__ or "").strip().splitlines()[0]


def parameters(name: str, equation: Callable[..., Any]) -> type[BaseModel]:
    """The keyword-only parameters of an equation as a strict model: an unknown name or a value out of range is refused."""
    fields: dict[str, Any] = {
        each.name: (each.annotation, ... if each.default is each.empty else each.default)
        for each in inspect.signature(equation).parameters.values()
        if each.kind is each.KEYWORD_ONLY
    }
    return create_model(f"{name}_params", __config__=STRICT, **fields)


def described(each: Loss) -> dict[str, Any]:
    """The loss as `GET /losses` shows it."""
    about = each.about
    return {
        "name": each.name,
        "aliases": list(about.aliases),
        "unit": about.unit,
        "targets": about.targets,
        "params": each.params.model_json_schema(),
        "mean_over": about.mean_over,
        "class_weighted_mean": about.class_weighted_mean,
        "formula": about.formula,
        "gradient": about.gradient,
        "paper": about.paper,
        "summary": each.summary,
    }
