"""Serve the page, the graphs and the npm package's own WebAssembly on 127.0.0.1, and let a headless Chromium open it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "onnxruntime-web" / "dist"
PAGES = {"/": HERE / "page.html", "/run.mjs": HERE / "run.mjs", "/in_browser.mjs": HERE / "in_browser.mjs"}
TYPES = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-default-apps",
    "--disable-extensions",
)


class Outcome:
    """What the page has sent; `ended` is set when it says that it is done, or why it is not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ended, self.error = folder, threading.Event(), ""


class Handler(BaseHTTPRequestHandler):
    """Files out, outcomes in."""

    def __init__(self, outcome: Outcome, *args: Any) -> None:
        self.outcome = outcome
        super().__init__(*args)

    def do_GET(self) -> None:
        file = self.named()
        if file is None or not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(file.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def named(self) -> Path | None:
        """The file of the request's path; nothing above the two folders."""
        for prefix, folder in (("/ort/", PACKAGE), ("/graphs/", self.outcome.folder)):
            if self.path.startswith(prefix) and ".." not in self.path:
                return folder / self.path.removeprefix(prefix)
        return PAGES.get(self.path)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        if self.path == "/end":
            self.outcome.error = text
            self.outcome.ended.set()
        else:
            loss = Path(self.path).name
            (self.outcome.folder / loss / "browser.jsonl").write_text(text)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def chromium() -> str | None:
    """Where a Chromium is."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def version() -> str:
    """What it calls itself."""
    done = subprocess.run([str(chromium()), "--version"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split(" built on")[0].strip()


@contextlib.contextmanager
def opened(url: str) -> Iterator[None]:
    """A fresh Chromium at this address, ended with all its processes."""
    profile = tempfile.mkdtemp(prefix="gradwire-chromium-")
    command = [str(chromium()), *FLAGS, f"--user-data-dir={profile}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def run(folder: Path, within_s: float) -> None:
    """Every graph of the folder; its outputs are written beside it. Raises where the page says that it could not."""
    outcome = Outcome(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, outcome))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with opened(f"http://127.0.0.1:{server.server_port}/"):
            if not outcome.ended.wait(within_s):
                raise TimeoutError(f"the page was not done within {within_s:g} s")
    finally:
        server.shutdown()
        server.server_close()
    if outcome.error:
        raise RuntimeError(outcome.error)
