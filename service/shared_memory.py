"""Regions of POSIX shared memory that callers on the same machine name instead of sending tensors (Triton's system shared memory).

A region is read by copying it once, and not mapped: whoever owns it may shorten it, which would end this process, or change labels after
they were checked. Keys begin with a prefix of our own, so that no other program's memory can be asked for; no message repeats a key.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.buffers import BUFFERS
from service.errors import InvalidRegion, UnknownRegion

FOLDER = Path("/dev/shm")
MOST_REGIONS = 1024
LONGEST_NAME = 255
OFF = "system shared memory is off here; GRADWIRE_SHARED_MEMORY=true turns it on"
NO_SUCH = "no region of this name is registered"
SHORTENED = "the region's memory is smaller than it was when it was registered"


class Place(NamedTuple):
    """A part of a region."""

    region: str
    offset: int
    byte_size: int


@dataclass(eq=False)
class Region:
    """Memory that a caller has registered; it is closed when nobody uses it any more."""

    descriptor: int
    offset: int
    byte_size: int

    def __del__(self) -> None:
        os.close(self.descriptor)


class Regions:
    """All regions by name; `prefix` None: there are to be none."""

    def __init__(self, prefix: str | None) -> None:
        self.prefix = prefix
        self.named: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open the memory with this key; raises InvalidRegion where it is not there, not ours, or smaller than offset + byte_size."""
        self.is_on()
        if name in self.named:
            raise InvalidRegion("a region of this name is registered already; unregister it first")
        if not 0 < len(name) <= LONGEST_NAME or "/" in name:
            raise InvalidRegion(f"the region's name has {len(name)} letters; expected 1 to {LONGEST_NAME}, and no slash")
        if len(self.named) >= MOST_REGIONS:
            raise InvalidRegion(f"{MOST_REGIONS} regions are registered, as many as may be; unregister one")
        region = Region(self.opened(key), offset, byte_size)
        if offset < 0 or byte_size < 1 or offset + byte_size > size_of(region):
            raise InvalidRegion(f"offset {offset} and byte_size {byte_size} do not lie in the memory's {size_of(region)} bytes")
        self.named[name] = region

    def opened(self, key: str) -> int:
        """A descriptor of the memory."""
        found = re.fullmatch(r"/?([A-Za-z0-9_.-]{1,255})", key)
        if found is None or not found[1].startswith(str(self.prefix)):
            form = f"letters, digits and _ . - that begin with {self.prefix!r}, as GRADWIRE_SHARED_MEMORY_PREFIX says"
            raise InvalidRegion(f"the key is not of the form that this service opens: {form}")
        try:
            descriptor = os.open(FOLDER / found[1], os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise InvalidRegion(f"there is no memory with this key that this service may use: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InvalidRegion("there is no memory with this key")
        return descriptor

    def unregister(self, name: str = "") -> None:
        """Forget the region, or all of them; one that is not there is none to forget."""
        self.is_on()
        if name:
            self.named.pop(name, None)
        else:
            self.named.clear()

    def status(self, name: str = "") -> Mapping[str, Region]:
        """The region of this name, or all of them."""
        self.is_on()
        return {name: self.find(name)} if name else dict(self.named)

    def find(self, name: str) -> Region:
        """The region of this name; raises UnknownRegion."""
        self.is_on()
        if name not in self.named:
            raise UnknownRegion(NO_SUCH)
        return self.named[name]

    @property
    def largest(self) -> int:
        """The size of the largest region."""
        return max((each.byte_size for each in self.named.values()), default=0)

    def is_on(self) -> None:
        """Raise UnknownRegion where shared memory is off."""
        if self.prefix is None:
            raise UnknownRegion(OFF)

    def read(self, place: Place) -> memoryview:
        """A copy of the bytes there."""
        region, position = self.within(place)
        data = BUFFERS.empty((place.byte_size,), np.uint8).data
        done = 0
        while done < len(data):
            count = os.preadv(region.descriptor, [data[done:]], position + done)
            if not count:
                raise InvalidRegion(SHORTENED)
            done += count
        return data

    def write(self, place: Place, data: memoryview) -> None:
        """Put the bytes there; raises InvalidRegion where they do not fit."""
        region, position = self.within(place)
        if len(data) > place.byte_size:
            raise InvalidRegion(f"an output of {len(data)} bytes does not fit into the {place.byte_size} bytes of its shared memory")
        if position + len(data) > size_of(region):
            raise InvalidRegion(SHORTENED)
        done = 0
        try:
            while done < len(data):
                done += os.pwritev(region.descriptor, [data[done:]], position + done)
        except OSError as error:  # a region may be larger than the memory that is left for it
            raise InvalidRegion(f"the output cannot be written into shared memory: {error.strerror}") from None

    def within(self, place: Place) -> tuple[Region, int]:
        """The region, and where in its memory the place begins."""
        try:
            region = self.find(place.region)
        except UnknownRegion as error:
            raise InvalidRegion(str(error)) from None
        if place.offset < 0 or place.byte_size < 0 or place.offset + place.byte_size > region.byte_size:
            found = f"offset {place.offset} and size {place.byte_size}"
            raise InvalidRegion(f"{found} do not lie in the region's {region.byte_size} bytes")
        return region, region.offset + place.offset


def size_of(region: Region) -> int:
    """The size of the memory as it is now."""
    return os.fstat(region.descriptor).st_size
