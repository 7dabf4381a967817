"""Bytes as the headers of a request, one line each, of which the first byte says which it is."""

from collections.abc import Callable, Iterator

from starlette.datastructures import Headers

from service import negotiation
from service.codecs import open_inference_binary
from service.open_inference import find_model

NAMES = ("accept", "accept-encoding", "content-type", "content-encoding", open_inference_binary.LENGTH.lower())
KINDS = (*NAMES, "model", "version")


def calls(data: bytes) -> Iterator[Callable[[], object]]:
    """Everything that the service does with the headers and the path of a request."""
    lines = [(KINDS[line[0] % len(KINDS)], line[1:]) for line in data.split(b"\n") if line]
    headers = Headers(raw=[(name.encode(), value) for name, value in lines if name in NAMES])
    path = {name: value.decode(errors="surrogateescape") for name, value in lines if name not in NAMES}
    yield lambda: negotiation.request_codec(headers)
    yield lambda: negotiation.reply_codec(headers)
    yield lambda: coding(headers)
    yield lambda: length(headers)
    yield lambda: find_model(path.get("model", "focal.grad"), path.get("version", ""))


def coding(headers: Headers) -> None:
    """How the bodies are compressed."""
    assert negotiation.reply_coding(headers) in ("identity", *negotiation.REPLY_CODINGS)
    assert negotiation.request_coding(headers) in negotiation.CODINGS


def length(headers: Headers) -> None:
    """How long the JSON before binary tensors is, and where it is put."""
    found = open_inference_binary.header_length(headers.get(open_inference_binary.LENGTH))
    assert found is None or found >= 0
    assert (open_inference_binary.lead(found) + (found or 0)) % open_inference_binary.ALIGNMENT == 0
