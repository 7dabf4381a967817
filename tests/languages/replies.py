"""What the misbehaving server says: the service's own replies, whole or spoilt in one way."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden import cases
from tests.languages import judge
from tests.languages.messages import Message, Reply

GOLDEN = Path(__file__).parent.parent / "golden"
MEDIA_TYPES = {"json": "application/json", "safetensors": "application/vnd.safetensors"}
PROBLEM = "application/problem+json"
TIMEOUT_HEADER = "x-request-timeout-ms"
NESTED = 100_000
HUGE = 1 << 62
Fields = dict[str, Any]
DTYPES = {"F32": np.float32, "I64": np.int64}


def golden(name: str, message: Message, form: str, path: str) -> Reply:
    """The golden reply, if the request is the golden one; else a 400 that says what differs."""
    if name not in cases.ALL:
        return problem(404, f"no golden case {name!r}; known: {', '.join(cases.ALL)}")
    wrong = wrong_head(message) or (f"sent to {path}; expected {cases.path_of(name)}" if path != cases.path_of(name) else "")
    wrong = wrong or judge.differences(message.body, form, cases.ALL[name])
    return problem(400, f"not the golden request {name!r}: {wrong}") if wrong else of_case(name, form)


def wrong_head(message: Message) -> str:
    """What is missing of the headers that every client sends."""
    timeout, media_type = message.headers.get(TIMEOUT_HEADER, ""), message.headers.get("content-type", "").partition(";")[0]
    if not (timeout.isascii() and timeout.isdigit() and 0 < int(timeout) < 10**9):
        return f"X-Request-Timeout-Ms is {timeout!r}; expected milliseconds of at least 1"
    return (
        "" if media_type in MEDIA_TYPES.values() else f"Content-Type is {media_type!r}; expected one of {', '.join(MEDIA_TYPES.values())}"
    )


def of_case(name: str, form: str) -> Reply:
    """What the service answered."""
    refusal = GOLDEN / f"{name}.problem.json"
    if refusal.exists():
        body = refusal.read_bytes()
        return Reply(json.loads(body)["status"], PROBLEM, body)
    return Reply(200, MEDIA_TYPES[form], (GOLDEN / f"{name}.reply.{form}").read_bytes())


def of_status(status: str, **headers: str) -> Reply:
    """The service's problem of this status."""
    known = json.loads((GOLDEN / "statuses.json").read_text())
    if status not in known:
        return problem(404, f"no golden problem of status {status}; known: {', '.join(known)}")
    return Reply(int(status), PROBLEM, json.dumps(known[status]["problem"]).encode(), {**known[status]["headers"], **headers})


def problem(status: int, detail: str) -> Reply:
    """A problem of this server's own."""
    body = {"type": "about:blank", "title": "Not what was expected", "status": status, "detail": detail, "error": detail}
    return Reply(status, PROBLEM, json.dumps(body).encode())


def as_json(status: int, value: Any) -> Reply:
    """A value as JSON."""
    return Reply(status, MEDIA_TYPES["json"], json.dumps(value).encode())


def page(status: int) -> Reply:
    """What something else answers."""
    return Reply(status, "text/html; charset=utf-8", b"<!DOCTYPE html><html><title>Welcome</title><p>This is another server.</p></html>")


def redirect(to: str) -> Reply:
    """307, which keeps method and body."""
    return Reply(307, "text/plain", b"moved", {"Location": to})


def garbage(form: str) -> Reply:
    """The right type, and nothing of it."""
    return Reply(200, MEDIA_TYPES[form], b"this is neither JSON nor safetensors")


def nothing(form: str) -> Reply:
    """JSON null, or no tensor."""
    return Reply(200, MEDIA_TYPES[form], b"null" if form == "json" else packed({}))


def huge(form: str) -> Reply:
    """Brackets without end, or a header that no memory holds."""
    body = b"[" * NESTED + b"]" * NESTED if form == "json" else HUGE.to_bytes(8, "little") + b'{"loss":{}}'
    return Reply(200, MEDIA_TYPES[form], body)


def no_grad(fields: Fields, form: str) -> Fields:
    """Without the gradient."""
    return {"loss": fields["loss"]}


def a_row_too_few(fields: Fields, form: str) -> Fields:
    """A gradient without its last row."""
    return {**fields, "grad": fields["grad"][:-1]}


def no_numbers(fields: Fields, form: str) -> Fields:
    """A string, or integers, for a gradient."""
    return {**fields, "grad": "numbers" if form == "json" else np.ones_like(fields["grad"], np.int64)}


def changed(form: str, change: Callable[[Fields, str], Fields]) -> Reply:
    """The reply of `softmax`, spoilt."""
    fields: Fields = json.loads((GOLDEN / "softmax.reply.json").read_text())
    if form == "json":
        return as_json(200, change(fields, form))
    arrays = {name: np.array(value, np.float32) for name, value in fields.items()}
    return Reply(200, MEDIA_TYPES[form], packed(change(arrays, form)))


def packed(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Arrays as safetensors."""
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header, data = {}, b""
    for name, array in arrays.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data
