"""How often a byte is in a text. CPython's own `count` looks at each by itself: that takes as long as reading numbers."""

import numpy as np

SHORT_BYTES = 4096  # for so few, calling numpy takes longer
BLOCK_BYTES = 1 << 18  # what is compared stays in the cache, and its memory small
FAR_APART_BYTES = 8192  # comparing so many takes longer than finding the next


def count(text: bytes | bytearray, byte: bytes, start: int, end: int) -> int:
    """The same as `text.count(byte, start, end)`, for one byte and places within the text."""
    if end - start < SHORT_BYTES:
        return text.count(byte, start, end)
    few = (end - start) // FAR_APART_BYTES
    for found in range(few):
        at = text.find(byte, start, end)
        if at < 0:
            return found
        start = at + 1
    return few + compared(text, byte, start, end)


def compared(text: bytes | bytearray, byte: bytes, start: int, end: int) -> int:
    """The same where there are many: block by block, by numpy."""
    array, wanted = np.frombuffer(text, np.uint8)[start:end], ord(byte)
    return sum(int(np.count_nonzero(array[at : at + BLOCK_BYTES] == wanted)) for at in range(0, len(array), BLOCK_BYTES))
