"""A correct server of the protocol with every extension that the suite knows, in the standard library; it can be told to be wrong."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance.fake_memory import Regions
from tests.conformance.fake_model import METADATA, Refused, check_head, check_model, compute, demand, flattened, numbers, packed
from tests.conformance.fake_statistics import Counts

MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
HEADER = "Inference-Header-Content-Length"
EXTENSIONS = ["binary_tensor_data", "statistics", "model_repository", "system_shared_memory"]


@dataclass
class Ask:
    """A request, as a fault sees it."""

    method: str
    path: str
    headers: Any = None
    body: bytes = b""
    head: Any = None


@dataclass
class Answer:
    """A reply before it is sent: a fault may change all of it."""

    head: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    tail: bytes = b""
    silent: bool = False  # no answer at all
    hang_up: bool = False  # the connection ends after the answer, which does not say so
    litter: bytes = b""  # bytes that no length counts


Fault = Callable[[Ask, Answer], None]


class FakeRest(ThreadingHTTPServer):
    """Listens on a free port; `fault` changes its answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault: Fault = lambda ask, answer: None
        self.counts, self.regions = Counts(), Regions()
        self.routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", r"/v2/?", lambda ask: {"name": "fake", "version": "1", "extensions": EXTENSIONS}),
            ("GET", r"/v2/health/(?P<what>live|ready)", lambda ask, what: {what: True}),
            ("GET", r"/v2/models/stats", lambda ask: self.counts.stats()),
            ("GET", MODEL, lambda ask, model, version: check_model(model, version) or METADATA),
            ("GET", f"{MODEL}/ready", lambda ask, model, version: check_model(model, version) or {"name": model, "ready": True}),
            ("GET", f"{MODEL}/stats", lambda ask, model, version: check_model(model, version) or self.counts.stats()),
            ("POST", f"{MODEL}/infer", self.infer),
            ("POST", r"/v2/repository/index", self.index),
            ("POST", r"/v2/repository/models/(?P<model>[^/]+)/(?:load|unload)", lambda ask, model: check_model(model, None)),
            *self.regions.routes(),
        ]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is none of our errors."""

    def answer(self, ask: Ask) -> Answer:
        """What a correct server answers."""
        allowed = [(method, found, then) for method, path, then in self.routes if (found := re.fullmatch(path, ask.path))]
        try:
            demand(allowed, "no such path", 404)
            chosen = next((each for each in allowed if each[0] == ask.method), None)
            demand(chosen, "the method is wrong", 405)
            result = chosen[2](ask, **chosen[1].groupdict())  # type: ignore[index]
            return result if isinstance(result, Answer) else Answer(result)
        except Refused as why:
            return Answer({"error": str(why)}, why.status)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as why:
            return Answer({"error": f"malformed: {why!r}"}, 400)

    def infer(self, ask: Ask, model: str, version: str | None) -> Answer:
        """An inference, counted."""
        check_model(model, version)
        return self.counts.counted(lambda: self.reply(*self.read(ask)))

    def read(self, ask: Ask) -> tuple[Any, Any]:
        """The request and its inputs."""
        length = int(ask.headers.get(HEADER, len(ask.body)))
        demand(0 <= length <= len(ask.body), f"{HEADER} {length} of {len(ask.body)} bytes")
        ask.head = request = json.loads(ask.body[:length])
        tail = ask.body[length:]
        inputs = {}
        for each in request["inputs"]:
            check_head(each)
            demand(each["name"] not in inputs, "an input comes twice")
            given = each.get("parameters", {})
            shared, size = self.regions.place(given), given.get("binary_data_size")
            demand("data" not in each or (shared is None and size is None), "data in two places")
            if shared:
                values = numbers(self.regions.read(*shared), each["shape"])
            elif size is not None:
                demand(type(size) is int and 0 <= size <= len(tail), f"binary_data_size {size}")
                values, tail = numbers(tail[:size], each["shape"]), tail[size:]
            else:
                values = flattened(each["data"], each["shape"])
            inputs[each["name"]] = each["shape"], values
        demand(not tail, "bytes are left over")
        return request, inputs

    def reply(self, request: Any, inputs: Any) -> Answer:
        """The outputs, each in JSON, as bytes, or in shared memory."""
        wanted = {each["name"]: each.get("parameters", {}) for each in request.get("outputs", [])}
        answer = Answer({"model_name": "sum", "model_version": "1", "outputs": []})
        if "id" in request:
            answer.head["id"] = request["id"]
        for name, (shape, values) in compute(inputs, list(wanted)).items():
            output = {"name": name, "datatype": "FP32", "shape": shape}
            given = wanted.get(name, {})
            if shared := self.regions.place(given):
                self.regions.write(*shared, packed(values))
                output["parameters"] = given
            elif given.get("binary_data", request.get("parameters", {}).get("binary_data_output", False)):
                output["parameters"] = {"binary_data_size": 4 * len(values)}
                answer.tail += packed(values)
                answer.headers = {"Content-Type": "application/octet-stream"}
            else:
                output["data"] = values
            answer.head["outputs"].append(output)
        return answer

    def index(self, ask: Ask) -> Any:
        """The one model."""
        demand(isinstance(json.loads(ask.body or b"{}").get("ready", False), bool), "ready is a boolean")
        return [{"name": "sum", "version": "1", "state": "READY", "reason": ""}]


class Handler(BaseHTTPRequestHandler):
    """Reads a request, has it answered, lets the fault at it, and writes the answer."""

    protocol_version = "HTTP/1.1"
    server: FakeRest

    def handle_any(self) -> None:
        """Every method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ask = Ask(self.command, self.path, self.headers, body)
        answer = copy.deepcopy(self.server.answer(ask))
        self.server.fault(ask, answer)
        content = b"" if answer.head is None else json.dumps(answer.head).encode()
        if answer.tail:
            answer.headers.setdefault(HEADER, str(len(content)))
        self.close_connection |= answer.silent or answer.hang_up
        if answer.silent:
            return
        self.send_response(answer.status)
        for name, value in (answer.headers | {"Content-Length": str(len(content + answer.tail))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content + answer.tail + answer.litter)

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's own names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
