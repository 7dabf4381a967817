"""Memory for large arrays that is used again: the system gives fresh memory a page at a time, which takes longer than the arithmetic."""

import math
import threading
import weakref
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from models.checks import Array

LEAST_BYTES = 1 << 18  # what is smaller, the C library keeps at hand by itself
MOST_BYTES = 1 << 28  # kept in all, while nobody uses them
ROOMY = 2  # times as large as what is asked for, at most


class Buffers:
    """Arrays whose memory comes back when the last view of it is gone; its numbers are whatever was there."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.kept: OrderedDict[int, Array] = OrderedDict()  # by address; the longest unused first
        self.lock = threading.RLock()  # an array may come to its end wherever Python counts

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array of any numbers, for someone who writes all of them."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        if nbytes < LEAST_BYTES:
            return np.empty(shape, dtype)
        memory = self.taken(nbytes)
        if memory is None:
            memory = np.empty(nbytes, np.uint8)
        lent = np.frombuffer(memory.data[:nbytes], dtype)  # every view's base: numpy looks for it no further
        weakref.finalize(lent, self.give, memory).atexit = False
        return lent.reshape(shape)

    def taken(self, nbytes: int) -> Array | None:
        """Kept memory that is large enough, and not much larger."""
        with self.lock:
            fitting = [(each.nbytes, address) for address, each in self.kept.items() if nbytes <= each.nbytes <= ROOMY * nbytes]
            return self.kept.pop(min(fitting)[1]) if fitting else None

    def give(self, memory: Array) -> None:
        """Keep memory that nobody looks at any more, instead of what was not used for longest."""
        with self.lock:
            self.kept[memory.ctypes.data] = memory
            while sum(each.nbytes for each in self.kept.values()) > self.most_bytes:
                self.kept.popitem(last=False)


BUFFERS = Buffers()
