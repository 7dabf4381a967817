"""A way to a service that notes in which form, precision and runtime each request asks."""

import collections
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Ways = collections.Counter[tuple[str, str, str]]


@contextlib.contextmanager
def recorder(url: str) -> Iterator[tuple[str, Ways]]:
    """The address that leads to the service at `url`, and what came by, counted."""
    ways: Ways = collections.Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.service = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

        def finish(self) -> None:
            self.service.close()
            super().finish()

        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ways[way(self.headers["Content-Type"], body)] += 1
            self.pass_on(body)

        def pass_on(self, body: bytes | None) -> None:
            kept = {name: value for name, value in self.headers.items() if name.lower() in ("content-type", "accept", "accept-encoding")}
            self.service.request(self.command, self.path, body, kept)
            reply = self.service.getresponse()
            answer = reply.read()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", ways
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


def way(media_type: str, body: bytes) -> tuple[str, str, str]:
    """(form, dtype, runtime) of a request; what it leaves out has the service's default."""
    if media_type == "application/json":
        fields: dict[str, Any] = json.loads(body)
        return "json", fields.get("dtype", "float32"), fields.get("runtime", "pytorch")
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    options = header.get("__metadata__", {})
    precision = {"F32": "float32", "F64": "float64"}[header["scores"]["dtype"]]
    return "binary", options.get("dtype", precision), options.get("runtime", "pytorch")
