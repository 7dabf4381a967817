"""What became of the requests for each model: how many, and how long each stage took."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["decode", "wait", "run", "encode"]


@dataclass
class Total:
    """How often, and how long in all."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """One more."""
        self.count += 1
        self.ns += ns


@dataclass
class ModelStatistics:
    """Totals of one model since the start."""

    success: Total = field(default_factory=Total)
    fail: Total = field(default_factory=Total)
    stages: dict[Stage, Total] = field(default_factory=dict)  # of the requests that succeeded
    last_ms: int = 0  # when a request last ended well, since 1970


class Statistics:
    """The statistics of every model; only the event loop writes them."""

    def __init__(self, models: Iterable[str]) -> None:
        self.of = {name: ModelStatistics() for name in models}

    def add(self, model: str, success: bool, ns: int, spent_ns: Mapping[Stage, int]) -> None:
        """A request that has ended; one whose model nobody could make out is not counted."""
        found = self.of.get(model)
        if found is None:
            return
        (found.success if success else found.fail).add(ns)
        if success:
            found.last_ms = time.time_ns() // 1_000_000
            for stage, spent in spent_ns.items():
                found.stages.setdefault(stage, Total()).add(spent)
