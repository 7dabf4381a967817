"""Servers that send a body back as it came, which no service can outdo: `python -m benchmarks.echo uvicorn PORT PATH`, or `socket PORT`."""

import contextlib
import re
import socket
import sys
import threading
from typing import Any

LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI as bare as it gets."""
    if scope["type"] != "http":
        return
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(chunks)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def serve_uvicorn(port: int, path: str) -> None:
    """uvicorn with uvloop and httptools, on a port and on a Unix socket."""
    import uvicorn

    listeners = [socket.socket(), socket.socket(socket.AF_UNIX)]
    listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listeners[0].bind(("127.0.0.1", port))
    listeners[1].bind(path)
    for each in listeners:
        each.listen(2048)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(listeners)


def converse(connection: socket.socket) -> None:
    """Requests of one connection, each read into the same buffer and sent from it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 17)
    with connection, contextlib.suppress(ConnectionError):
        while True:
            have, end = 0, -1
            while end < 0:
                with memoryview(buffer) as view:
                    count = connection.recv_into(view[have:])
                if not count:
                    return
                have += count
                end = buffer.find(b"\r\n\r\n", 0, have)
            found = LENGTH.search(buffer, 0, end)
            length = int(found[1]) if found else 0
            if end + 4 + length > len(buffer):
                buffer.extend(bytes(end + 4 + length - len(buffer)))
            with memoryview(buffer) as view:
                while have < end + 4 + length:
                    have += connection.recv_into(view[have : end + 4 + length])
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length)
                connection.sendall(view[end + 4 : end + 4 + length])


def serve_sockets(port: int) -> None:
    """A thread a connection."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            threading.Thread(target=converse, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve_uvicorn(int(sys.argv[2]), sys.argv[3]) if sys.argv[1] == "uvicorn" else serve_sockets(int(sys.argv[2]))
