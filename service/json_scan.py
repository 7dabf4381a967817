"""How often a byte is in a text: CPython's own `count` takes as long as reading the numbers does, numpy's comparison a tenth of that."""

import numpy as np

SHORT_BYTES = 4096  # for so few, calling numpy takes longer
BLOCK_BYTES = 1 << 18  # what is compared stays in the cache, and its memory small


def count(text: bytes | bytearray, byte: bytes, start: int = 0, end: int | None = None) -> int:
    """The same as `text.count(byte, start, end)`, for one byte and places that are not negative."""
    end = len(text) if end is None else min(end, len(text))
    if end - start < SHORT_BYTES:
        return text.count(byte, start, end)
    found = np.frombuffer(text, np.uint8)
    return sum(int(np.count_nonzero(found[at : min(at + BLOCK_BYTES, end)] == ord(byte))) for at in range(start, end, BLOCK_BYTES))
