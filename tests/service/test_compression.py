"""Compressed request bodies."""

import contextlib
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.body import unpacked_behind
from service.compression import packed, unpacked
from service.errors import BodyTooLarge, MalformedRequest
from tests.service.problems import GOOD, assert_problem

LIMIT = 1 << 20
TEXT = json.dumps(GOOD).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


FORMS = {
    "gzip": ("gzip", gzip.compress),
    "the old name of gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_compressed_request_is_answered_like_a_plain_one(form: str, client: TestClient) -> None:
    coding, pack = FORMS[form]
    reply = client.post("/grad", content=pack(TEXT), headers={"content-encoding": coding.upper()})
    assert reply.status_code == 200
    assert reply.content == client.post("/grad", content=TEXT).content


@pytest.mark.parametrize("form", FORMS)
@given(body=st.binary(max_size=300), repeats=st.sampled_from([1, 700, 3000]))
def test_what_was_packed_comes_out(form: str, body: bytes, repeats: int) -> None:
    coding, pack = FORMS[form]
    assert unpacked(bytearray(pack(body * repeats)), coding, LIMIT) == body * repeats


def test_a_gzip_body_may_have_several_members() -> None:
    packed = bytearray(gzip.compress(b"a" * 70_000) + gzip.compress(b"") + gzip.compress(b"b"))
    assert unpacked(packed, "gzip", LIMIT) == b"a" * 70_000 + b"b"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 50 * LIMIT])
def test_the_limit_counts_what_comes_out(form: str, size: int) -> None:
    coding, pack = FORMS[form]
    packed = bytearray(pack(bytes(size)))
    if size <= LIMIT:
        assert len(unpacked(packed, coding, LIMIT)) == size
    else:
        with pytest.raises(BodyTooLarge, match=str(LIMIT)):
            unpacked(packed, coding, LIMIT)


@pytest.mark.parametrize("form", FORMS)
def test_a_body_cut_off_anywhere_is_malformed(form: str) -> None:
    coding, pack = FORMS[form]
    packed = pack(TEXT)
    for length in range(1, len(packed)):
        with pytest.raises(MalformedRequest):
            unpacked(bytearray(packed[:length]), coding, LIMIT)


@pytest.mark.parametrize("packed", [zlib.compress(TEXT) + b"x", raw_deflate(TEXT) + b"x"])
def test_what_lies_behind_the_end_is_malformed(packed: bytes) -> None:
    with pytest.raises(MalformedRequest, match="behind its end"):
        unpacked(bytearray(packed), "deflate", LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@given(body=st.binary(min_size=1, max_size=100))
def test_no_bytes_are_unpacked_to_anything_but_bytes_or_an_error(coding: str, body: bytes) -> None:
    with contextlib.suppress(MalformedRequest, BodyTooLarge):
        unpacked(bytearray(body), coding, LIMIT)


def test_a_bomb_is_413_and_plain_text_that_says_it_is_gzip_400(client: TestClient) -> None:
    headers = {"content-encoding": "gzip"}
    assert_problem(client.post("/loss", content=gzip.compress(bytes(100 << 20)), headers=headers), 413, str(8 << 20))
    assert_problem(client.post("/loss", content=TEXT, headers=headers), 400, "gzip")
    assert client.post("/loss", json=GOOD).status_code == 200


def test_an_unknown_coding_is_415_and_says_which_are_known(client: TestClient) -> None:
    reply = client.post("/loss", content=TEXT, headers={"content-encoding": "br"})
    assert_problem(reply, 415, "'br'")
    assert "gzip" in reply.headers["accept-encoding"]


@pytest.mark.parametrize(("asked", "coding"), [("gzip", "gzip"), ("GZIP", "gzip"), ("deflate", "deflate"), ("br, gzip;q=0.5", "gzip")])
def test_a_reply_is_compressed_when_that_is_asked_for(asked: str, coding: str, client: TestClient) -> None:
    plain = client.post("/grad", content=TEXT, headers={"accept-encoding": "identity"})
    with client.stream("POST", "/grad", content=TEXT, headers={"accept-encoding": asked}) as reply:
        sent = b"".join(reply.iter_raw())
    assert reply.headers["content-encoding"] == coding
    assert int(reply.headers["content-length"]) == len(sent)
    assert (gzip.decompress if coding == "gzip" else zlib.decompress)(sent) == plain.content


@pytest.mark.parametrize("asked", ["", "identity", "*", "br", "zstd", "gzip;q=0", "gzip;q=0.5, identity", "x-gzip"])
def test_a_reply_is_as_it_is_when_nothing_else_is_asked_for(asked: str, client: TestClient) -> None:
    reply = client.post("/grad", content=TEXT, headers={"accept-encoding": asked})
    assert "content-encoding" not in reply.headers
    assert reply.status_code == 200


def test_equal_requests_give_equal_compressed_bytes() -> None:
    assert packed([b"a" * 1000, memoryview(b"b")], "gzip") == packed([b"a" * 1000, memoryview(b"b")], "gzip")
    assert gzip.decompress(b"".join(packed([b"a" * 1000, memoryview(b"b")], "gzip"))) == b"a" * 1000 + b"b"


def test_what_is_compressed_is_put_behind_a_lead_where_it_is_to_be_aligned() -> None:
    assert unpacked_behind(3, bytearray(gzip.compress(b"xyz")), "gzip", 3) == b"\0\0\0xyz"
    with pytest.raises(BodyTooLarge, match="larger than 2 bytes"):
        unpacked_behind(3, bytearray(gzip.compress(b"xyz")), "gzip", 2)
