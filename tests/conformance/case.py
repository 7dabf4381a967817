"""What a case is: one demand on a server, the clause that makes it, and how strongly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any], None]


class Unmet(Exception):
    """The server did not do what the case demands; the message says what it did."""


class NotApplicable(Exception):
    """The case asks for something that this server or sample has not; the message says what."""


@dataclass(frozen=True)
class Case:
    """One demand. Advice is reported and never fails a run; a case of an extension is run only where the server lists it."""

    name: str
    clause: str
    check: Check
    advice: bool = False
    extension: str | None = None
    grpc: bool = False

    @property
    def level(self) -> str:
        """MUST, EXTENSION(name) or ADVICE."""
        if self.advice:
            return "ADVICE"
        return f"EXTENSION({self.extension})" if self.extension else "MUST"


CASES: dict[str, Case] = {}


def add(case: Case) -> None:
    """Put a case into the list; names are unique."""
    assert case.name not in CASES, f"two cases are named {case.name}"
    CASES[case.name] = case


def case(clause: str, *, advice: bool = False, extension: str | None = None, grpc: bool = False) -> Callable[[Check], Check]:
    """Make the function that follows a case; its name is the case's."""

    def keep(check: Check) -> Check:
        add(Case(check.__name__, clause, check, advice, extension, grpc))
        return check

    return keep


def expect(condition: object, found: str) -> None:
    """Go on only where the condition holds; otherwise say what was found."""
    if not condition:
        raise Unmet(found)


def member(whole: Any, name: str, kind: type | tuple[type, ...], optional: bool = False) -> Any:
    """A member of a JSON object, of this type; a boolean is no number."""
    expect(isinstance(whole, dict), f"a JSON object was expected, found {str(whole)[:100]}")
    if optional and name not in whole:
        return None
    expect(name in whole, f'no member "{name}" in {str(whole)[:200]}')
    value = whole[name]
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    expect(right, f'"{name}" is {str(value)[:100]!r}, a {type(value).__name__}')
    return value
