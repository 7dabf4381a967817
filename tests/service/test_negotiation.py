"""Which codec reads and which writes: 415 and 406 where there is none."""

import pytest
from starlette.testclient import TestClient

from service.codecs import plain_json
from service.errors import NotAcceptable, UnsupportedMediaType
from service.negotiation import CODECS, ranges, reply_codec, request_codec
from tests.service.problems import GOOD, assert_problem

JSON = ["", "application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x=y"]
NOT_JSON = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/jsonx",
    "application",
    "*/*",
    "multipart/form-data; boundary=x",
]
ACCEPTABLE = [
    "",
    "*/*",
    "application/json",
    "application/*",
    "text/html, */*;q=0.1",
    "text/html,application/json;q=0.001",
    "APPLICATION/JSON",
]
ACCEPTABLE += [
    "application/json;q=1.0",
    "application/json;q=x",
    "application/json;q=",
    "a/b,,application/json",
    "application/json;v=1;q=0.5",
    "*/*;q=1e9",
]
NOT_ACCEPTABLE = [
    "text/html",
    "application/json;q=0",
    "image/*",
    "application/*;q=0, */*",
    "json",
    "*/*;q=0",
]


@pytest.mark.parametrize("content_type", JSON)
def test_json_is_json_in_any_spelling_and_when_nothing_is_said(content_type: str) -> None:
    assert request_codec({"content-type": content_type}) is plain_json.CODEC
    assert request_codec({}) is plain_json.CODEC


@pytest.mark.parametrize("content_type", NOT_JSON)
def test_other_types_are_refused_with_a_hint_of_what_is_known(content_type: str, client: TestClient) -> None:
    with pytest.raises(UnsupportedMediaType):
        request_codec({"content-type": content_type})
    reply = client.post("/grad", content=b"{}", headers={"content-type": content_type})
    problem = assert_problem(reply, 415, "application/json")
    assert reply.headers["accept-post"] == ", ".join(CODECS)
    assert ("curl" in problem["detail"]) == ("form-url" in content_type)


@pytest.mark.parametrize("encoding", ["br", "zstd", "x"])
def test_a_body_that_cannot_be_unpacked_is_refused(encoding: str, client: TestClient) -> None:
    assert_problem(client.post("/loss", content=b"x", headers={"content-encoding": encoding}), 415, encoding)


@pytest.mark.parametrize("encoding", ["identity", "IDENTITY", " identity "])
def test_a_body_that_is_as_it_is_may_say_so(encoding: str, client: TestClient) -> None:
    assert client.post("/loss", json=GOOD, headers={"content-encoding": encoding}).status_code == 200


@pytest.mark.parametrize("accept", ACCEPTABLE)
def test_whoever_accepts_json_gets_it(accept: str, client: TestClient) -> None:
    assert reply_codec({"accept": accept}) is plain_json.CODEC
    reply = client.post("/loss", json=GOOD, headers={"accept": accept})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("accept", NOT_ACCEPTABLE)
def test_whoever_does_not_is_told_what_there_is(accept: str, client: TestClient) -> None:
    with pytest.raises(NotAcceptable):
        reply_codec({"accept": accept})
    assert_problem(client.post("/loss", json=GOOD, headers={"accept": accept}), 406, "application/json")


def test_qualities_that_are_no_numbers_count_as_one() -> None:
    assert ranges("a/b;q=0.5, c/d;q=٣, e/f;q=-1, g/h") == {"a/b": 0.5, "c/d": 1.0, "e/f": 1.0, "g/h": 1.0}


TYPES = ["application/json", "application/vnd.safetensors", "application/vnd.apache.arrow.stream"]


def test_these_are_the_types_that_the_wire_contract_names() -> None:
    assert list(CODECS) == TYPES


@pytest.mark.parametrize("media_type", ["application/x-safetensors", "application/vnd.safetensors", "Application/X-Safetensors; x=y"])
def test_safetensors_has_two_names_and_one_codec(media_type: str) -> None:
    for headers in ({"content-type": media_type}, {"accept": media_type}):
        assert reply_codec(headers).media_type == "application/vnd.safetensors"
    assert request_codec({"content-type": media_type}).media_type == "application/vnd.safetensors"


@pytest.mark.parametrize("own", TYPES)
def test_a_reply_is_of_the_requests_own_type_unless_another_is_liked_better(own: str) -> None:
    for accept in ("", "*/*", "application/*", f"application/json, {own}"):
        assert reply_codec({"content-type": own, "accept": accept}).media_type == own
    for other in TYPES:
        assert reply_codec({"content-type": own, "accept": f"{other}, */*;q=0.5"}).media_type == other


def test_a_type_that_an_extra_brings_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.negotiation.BY_NAME", {})
    with pytest.raises(UnsupportedMediaType, match=r"needs gradwire-service\[arrow\]"):
        request_codec({"content-type": "application/vnd.apache.arrow.stream"})
