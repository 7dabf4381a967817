"""Memory for large arrays that is used again: the system gives fresh memory a page at a time, which takes longer than the arithmetic."""

import contextlib
import ctypes
import math
import threading
import weakref
from collections import OrderedDict, deque

import numpy as np
import numpy.typing as npt

from models.checks import Array

LEAST_BYTES = 1 << 18  # what is smaller, the C library keeps at hand by itself
MOST_BYTES = 1 << 28  # kept in all, while nobody uses them
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_FREED_BYTES = 64 << 20  # at most, at the end of a heap
FROM_SYSTEM_BYTES = 8 << 20  # what is larger comes from the system and goes back to it: only `Buffers` keeps such
LINE_BYTES = 64  # of a processor's cache, where arrays begin: a vector that lies across two takes longer
ROOMY = 2  # times as large as what is asked for, at most


def keep_freed() -> None:
    """Have glibc keep what is freed, some megabytes of it: it gives that back to the system at once, and asks again for the next request.

    A gRPC request of a megabyte took 1,700 page faults, and takes 6. Elsewhere than with glibc, nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, FROM_SYSTEM_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_FREED_BYTES)


class Buffers:
    """Arrays whose memory comes back when the last view of it is gone; its numbers are whatever was there."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.kept: OrderedDict[int, Array] = OrderedDict()  # by address; the longest unused first
        self.given: deque[Array] = deque()  # and not looked at yet: an array may come to its end anywhere, also in here
        self.lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array of any numbers, for someone who writes all of them."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        if nbytes < LEAST_BYTES:
            return np.empty(shape, dtype)
        memory = self.taken(nbytes + LINE_BYTES)
        if memory is None:
            memory = np.empty(nbytes + LINE_BYTES, np.uint8)
        start = -memory.ctypes.data % LINE_BYTES
        lent = np.frombuffer(memory.data[start : start + nbytes], dtype)  # every view's base: numpy looks for it no further
        weakref.finalize(lent, self.give, memory).atexit = False
        return lent.reshape(shape)

    def taken(self, nbytes: int) -> Array | None:
        """Kept memory that is large enough, and not much larger."""
        with self.lock:
            self.keep()
            fitting = [(each.nbytes, address) for address, each in self.kept.items() if nbytes <= each.nbytes <= ROOMY * nbytes]
            return self.kept.pop(min(fitting)[1]) if fitting else None

    def give(self, memory: Array) -> None:
        """Memory that nobody looks at any more; waits for no one, for it may be called while this very thread is in here."""
        self.given.append(memory)
        if self.lock.acquire(blocking=False):
            try:
                self.keep()
            finally:
                self.lock.release()

    def keep(self) -> None:
        """Keep what was given back, instead of what was not used for longest."""
        while self.given:
            memory = self.given.popleft()
            self.kept[memory.ctypes.data] = memory
        while sum(each.nbytes for each in self.kept.values()) > self.most_bytes:
            self.kept.popitem(last=False)


BUFFERS = Buffers()
