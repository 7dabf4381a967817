"""Bytes are counted as `bytes.count` counts them, few or many, near each other or not."""

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import json_scan
from service.json_scan import count


@given(st.binary(max_size=200) | st.text("[],1", max_size=200).map(str.encode), st.integers(0, 200), st.integers(0, 200))
def test_a_count_is_the_count_of_bytes(text: bytes, start: int, end: int) -> None:
    end = min(end, len(text))
    for sizes in ((1, 7, 13), (1, 1000, 1), (1, 16, 1000)):
        with mock.patch.multiple(json_scan, SHORT_BYTES=sizes[0], BLOCK_BYTES=sizes[1], FAR_APART_BYTES=sizes[2]):
            assert count(bytearray(text), b"[", start, end) == text.count(b"[", start, end)


DENSE, SPARSE, BOTH = b"[" * 600_000, (b"[" + b"1" * 20_000) * 40, b"1" * 500_000 + b"[[]" * 50_000


@pytest.mark.parametrize("text", [b"", DENSE, SPARSE, BOTH, b"1" * 600_000])
def test_a_long_text_is_counted_to_its_end(text: bytes) -> None:
    for start, end in ((0, len(text)), (len(text) // 3, len(text)), (1, len(text) // 2), (len(text), 0)):
        assert count(text, b"[", start, end) == text.count(b"[", start, end)
