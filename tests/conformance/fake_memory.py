"""The fake server's regions of shared memory, which it sees as files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance.fake_model import demand

BASE = r"/v2/systemsharedmemory"
NAMES = ("shared_memory_region", "shared_memory_offset", "shared_memory_byte_size")


class Regions:
    """What is registered."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        """Status, register and unregister."""
        region = BASE + r"/region/(?P<name>[^/]+)"
        return [
            ("GET", f"{BASE}/status", lambda ask: list(self.known.values())),
            ("GET", f"{region}/status", lambda ask, name: [self.known[name]]),
            ("POST", f"{region}/register", self.register),
            ("POST", f"{BASE}/unregister", lambda ask: self.known.clear()),
            ("POST", f"{region}/unregister", lambda ask, name: self.known.pop(name, None) and None),
        ]

    def register(self, ask: Any, name: str) -> None:
        """A region that lies within its object."""
        given = json.loads(ask.body)
        file = Path("/dev/shm") / given["key"].strip("/")
        demand(file.exists(), f"no shared memory {given['key']}")
        demand(given["offset"] >= 0 and given["byte_size"] > 0, "a region is somewhere")
        demand(given["offset"] + given["byte_size"] <= file.stat().st_size, "the region is larger than its memory")
        self.known[name] = {"name": name, "key": given["key"], "offset": given["offset"], "byte_size": given["byte_size"]}

    def place(self, parameters: dict[str, Any]) -> tuple[Path, int, int] | None:
        """Where a tensor lies: file, offset, size; nothing where it is not in shared memory."""
        region, offset, size = (parameters.get(name) for name in NAMES)
        if region is None and size is None:
            return None
        demand(region is not None and size is not None, "a region and a size are needed")
        demand(region in self.known, f"no region {region}")
        found, offset = self.known[region], offset or 0
        demand(min(offset, size) >= 0 and offset + size <= found["byte_size"], "the tensor is not within the region")
        return Path("/dev/shm") / found["key"].strip("/"), found["offset"] + offset, size

    def read(self, file: Path, offset: int, size: int) -> bytes:
        """The bytes there."""
        return file.read_bytes()[offset : offset + size]

    def write(self, file: Path, offset: int, size: int, content: bytes) -> None:
        """The bytes of an output, which must fit."""
        demand(len(content) <= size, f"{len(content)} bytes do not fit into {size}")
        with file.open("r+b") as memory:
            memory.seek(offset)
            memory.write(content)
