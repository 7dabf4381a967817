"""Both references of every loss: those of the first seven, and those of each file in tests/models/losses."""

import importlib
import pkgutil
from typing import Any

from models.catalogue import find
from tests.models import autograd, losses
from tests.models import exact as exactly

VARIANTS: dict[str, list[dict[str, Any]]] = {}

for _each in pkgutil.iter_modules(losses.__path__):
    _module = importlib.import_module(f"{losses.__name__}.{_each.name}")
    _table = {"row": exactly.ROW, "element": exactly.ELEMENT, "batch": exactly.BATCH}[find(_each.name).about.unit]
    _table[_each.name], autograd.REFERENCES[_each.name] = _module.exact, _module.reference
    VARIANTS[_each.name] = _module.VARIANTS


def fitted(params: dict[str, Any], classes: int) -> dict[str, Any]:
    """The parameters with each list, of one number a class, as long as there are classes: it begins again where it is too short."""
    return {name: [each[c % len(each)] for c in range(classes)] if isinstance(each, list) else each for name, each in params.items()}
