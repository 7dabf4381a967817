"""Which codec reads a request and which writes the reply, from Content-Type and Accept."""

from collections.abc import Mapping

from starlette.datastructures import Headers

from models.errors import shortened
from service.codec import Codec
from service.codecs import plain_json
from service.compression import CODINGS
from service.errors import NotAcceptable, UnsupportedMediaType

CODECS = {codec.media_type: codec for codec in (plain_json.CODEC,)}
DEFAULT = plain_json.CODEC


def request_codec(headers: Mapping[str, str]) -> Codec:
    """The codec of Content-Type, JSON where there is none. Raises UnsupportedMediaType."""
    media_type = essence(headers.get("content-type", ""))
    if media_type and media_type not in CODECS:
        raise UnsupportedMediaType(repr(media_type), list(CODECS))
    return CODECS.get(media_type, DEFAULT)


def request_coding(headers: Mapping[str, str]) -> str:
    """How the body is compressed. Raises UnsupportedMediaType."""
    coding = (headers.get("content-encoding") or "identity").strip().lower()
    if coding not in CODINGS:
        raise UnsupportedMediaType(f"a body with Content-Encoding {shortened(coding)}", list(CODINGS), "Accept-Encoding")
    return coding


def reply_codec(headers: Mapping[str, str]) -> Codec:
    """The best codec that Accept admits; the request's own where it admits any. Raises NotAcceptable."""
    own = request_codec(headers)
    accept = ", ".join(headers.getlist("accept") if isinstance(headers, Headers) else [headers.get("accept", "")])
    accepted = ranges(accept or "*/*")
    best = max(CODECS.values(), key=lambda codec: (quality(codec.media_type, accepted), codec is own))
    if quality(best.media_type, accepted) == 0:
        raise NotAcceptable(shortened(accept), list(CODECS))
    return best


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


def quality(media_type: str, accepted: Mapping[str, float]) -> float:
    """How welcome a type is: the most specific range counts."""
    kind = media_type.partition("/")[0]
    return next((accepted[each] for each in (media_type, f"{kind}/*", "*/*") if each in accepted), 0.0)
