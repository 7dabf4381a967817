"""What can be wrong with a job: one tree, raised where it is known and caught once at the edge.

JobError
├── UnknownLoss             no loss has this name
├── UnknownRuntime          no runtime of this name is running here
├── OutOfMemory             the device has not the memory for it
└── InvalidJob              readable, but wrong
    ├── InvalidParameters   a parameter or option out of its range, of the wrong type, or unknown
    ├── InvalidScores       scores, weights or masks of the wrong shape or value
    ├── InvalidTargets      targets or labels of the wrong shape, range or meaning
    └── NumericOverflow     a number does not fit the dtype of the job
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """One field that is wrong: an RFC 6901 pointer into the request, and what was found there."""

    pointer: str
    detail: str


class JobError(Exception):
    """Anything that keeps a job from being run; `str()` is a sentence for the person who sent it."""


class UnknownLoss(JobError):
    """No loss has this name."""

    def __init__(self, name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> None:
        super().__init__(f"no loss named {shortened(name)}{did_you_mean(name, known, listed)}")


class InvalidJob(JobError):
    """Readable, but wrong; `problems` points at the fields."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.pointer or 'the request'}: {p.detail}" for p in problems))


class InvalidParameters(InvalidJob):
    """A parameter or option is out of its range, of the wrong type, or unknown."""


class InvalidScores(InvalidJob):
    """Scores, weights or a mask have the wrong shape or an impossible value."""


class InvalidTargets(InvalidJob):
    """Targets or labels have the wrong shape or range, or no meaning for this loss."""


class NumericOverflow(InvalidJob):
    """A number, on the way in or out, is larger than the job's dtype can hold."""


class UnknownRuntime(JobError):
    """The runtime that was asked for is not running here."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no runtime named {shortened(name)} here; running: {', '.join(sorted(known))}")


class OutOfMemory(JobError):
    """The device has not the memory for this job."""


class DeviceUnavailable(Exception):
    """A runtime is to compute on a device that is not there; not a matter of any job."""


class DeviceFault(Exception):
    """A device has failed in a way that only a new process mends; not a matter of any job."""


def did_you_mean(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """'; did you mean "focal"?' for the nearest of the known names, and the whole list (or what is to be listed) where none is near."""
    names = sorted(known)
    lowered = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name[:100].lower(), lowered, n=1)
    return f"; did you mean {lowered[near[0]]!r}?" if near else f"; known: {', '.join(sorted(listed) if listed else names)}"


def shortened(value: object, limit: int = 80) -> str:
    """The value as it was sent, or as a person would quote it; never longer than a line."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else "NaN" if value != value else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


MOST_UNKNOWN = 8
LONGEST_NAME = 200


def few_unknown(given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """What is given, with the first few of the unknown names: a reply should not be larger than the request it refuses."""
    unknown = [name for name in given if name not in known]
    return {name: value for name, value in given.items() if name in known} | dict.fromkeys(unknown[:MOST_UNKNOWN])


def escaped(name: str) -> str:
    """A name as part of an RFC 6901 pointer; a very long one is cut."""
    return name[:LONGEST_NAME].replace("~", "~0").replace("/", "~1") + "…" * (len(name) > LONGEST_NAME)


def problem(error: Mapping[str, Any], pointer: str, known: Iterable[str], depth: int = 2) -> Problem:
    """One entry of pydantic's error list -> the field, and a sentence on what was found there and what would do."""
    where = "/".join([pointer, *(escaped(str(part)) for part in error["loc"][:depth])])
    if error["type"] == "extra_forbidden":
        return Problem(where, f"unknown field{did_you_mean(str(error['loc'][-1]), known)}")
    return Problem(where, f"{error['msg']}; found {shortened(error['input'])}")
