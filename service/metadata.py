"""Options that a binary form has as strings beside its tensors."""

from typing import Any

from models.errors import InvalidParameters, Problem, shortened
from service.json_object import literal

NUMBERS = {"pos_weight", "grad_output"}
AS_JSON = {"params", "ignore_index", *NUMBERS}


def parsed(name: str, text: str) -> Any:
    """What a string spells; what may be a tensor too is one number here."""
    value = literal(text)
    if name in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidParameters(Problem(f"/{name}", f"found {shortened(text)}; expected a number, or a tensor of this name"))
    return value
