"""Which codec reads a request and which writes the reply, and how each is compressed: from the headers."""

import functools
import importlib.util
from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers

from models.errors import shortened
from service.codec import Codec
from service.codecs import plain_json, safetensors
from service.compression import CODINGS, REPLY_CODINGS
from service.errors import NotAcceptable, UnsupportedMediaType

REMEMBERED = 64  # of the headers that clients of a service send, which are few
DEFAULT = plain_json.CODEC
OPTIONAL = {"application/vnd.apache.arrow.stream": "arrow"}  # media type -> the extra that brings it


def installed() -> Iterable[Codec]:
    """The codecs that this installation has."""
    yield from (plain_json.CODEC, safetensors.CODEC)
    if importlib.util.find_spec("pyarrow") is not None:
        from service.codecs import arrow

        yield arrow.CODEC


CODECS = {codec.media_type: codec for codec in installed()}
BY_NAME = CODECS | {alias: codec for codec in CODECS.values() for alias in codec.aliases}


def request_codec(headers: Mapping[str, str]) -> Codec:
    """The codec of Content-Type, JSON where there is none. Raises UnsupportedMediaType."""
    media_type = essence(headers.get("content-type", ""))
    if media_type in BY_NAME or not media_type:
        return BY_NAME.get(media_type, DEFAULT)
    extra = f" (which needs gradwire-service[{OPTIONAL[media_type]}])" if media_type in OPTIONAL else ""
    raise UnsupportedMediaType(f"{media_type!r}{extra}", list(CODECS))


def request_coding(headers: Mapping[str, str]) -> str:
    """How the body is compressed. Raises UnsupportedMediaType."""
    coding = (headers.get("content-encoding") or "identity").strip().lower()
    if coding not in CODINGS:
        raise UnsupportedMediaType(f"a body with Content-Encoding {shortened(coding)}", list(CODINGS), "Accept-Encoding")
    return coding


def reply_codec(headers: Mapping[str, str]) -> Codec:
    """The best codec that Accept admits; the request's own where it admits any. Raises NotAcceptable."""
    return best_codec(request_codec(headers), all_of(headers, "accept"))


@functools.lru_cache(REMEMBERED)
def best_codec(own: Codec, accept: str) -> Codec:
    """The same from the header alone."""
    accepted = ranges(accept or "*/*")
    best = max(CODECS.values(), key=lambda codec: (welcome(codec, accepted), codec is own))
    if welcome(best, accepted) == 0:
        raise NotAcceptable(shortened(accept), list(CODECS))
    return best


def reply_coding(headers: Mapping[str, str]) -> str:
    """How the reply is compressed: not at all, unless Accept-Encoding names a way that it likes no less."""
    return best_coding(all_of(headers, "accept-encoding"))


@functools.lru_cache(REMEMBERED)
def best_coding(accept: str) -> str:
    """The same from the header alone."""
    accepted = ranges(accept)
    best = max(REPLY_CODINGS, key=lambda coding: accepted.get(coding, 0.0))
    return best if 0.0 < accepted.get(best, 0.0) >= accepted.get("identity", 0.0) else "identity"


def all_of(headers: Mapping[str, str], name: str) -> str:
    """A header that may be there several times, as one."""
    return ", ".join(headers.getlist(name) if isinstance(headers, Headers) else [headers.get(name, "")])


def essence(media_type: str) -> str:
    """The type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def ranges(accept: str) -> dict[str, float]:
    """An Accept header as media ranges and their qualities."""
    qualities = {}
    for each in accept.split(","):
        parameters = [part.strip().lower() for part in each.split(";")[1:]]
        value = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        qualities[essence(each)] = float(value) if value.replace(".", "", 1).isdecimal() and value.isascii() else 1.0
    return qualities


def welcome(codec: Codec, accepted: Mapping[str, float]) -> float:
    """How welcome a codec is, under any of its names."""
    return max(quality(each, accepted) for each in (codec.media_type, *codec.aliases))


def quality(media_type: str, accepted: Mapping[str, float]) -> float:
    """How welcome a type is: the most specific range counts."""
    kind = media_type.partition("/")[0]
    return next((accepted[each] for each in (media_type, f"{kind}/*", "*/*") if each in accepted), 0.0)
