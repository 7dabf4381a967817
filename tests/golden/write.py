"""Write the golden files: `python -m tests.golden.write`.

Requests are built with the `safetensors` package and `json`, not with any client of ours; replies are those of the service, in process.
"""

import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from starlette.testclient import TestClient

from models.contract import Job, Runtime
from models.export import Graphs, default_folder
from models.runtimes.onnx import OnnxRuntime
from models.runtimes.pytorch import PyTorch
from service.app import create_app
from service.engine import DRAINING
from service.settings import Settings
from tests.conftest import wait_until_ready
from tests.golden import cases

FOLDER = Path(__file__).parent
MEDIA_TYPES = {"json": "application/json", "safetensors": "application/vnd.safetensors"}
KEPT_HEADERS = ("Retry-After", "WWW-Authenticate", "Accept-Post")
AS_TEXT = ("loss", "reduction", "mean_over", "runtime")
TIMEOUT_MS = 50
MOST_BYTES = 100_000
LARGE = {"scores": [[0.0] * 100] * 200, "labels": [[]] * 200}  # large enough to be computed beside the event loop


def json_request(job: cases.Job) -> bytes:
    """The job as it stands."""
    return json.dumps(job).encode()


def binary_request(job: cases.Job) -> bytes:
    """The arrays as tensors, in the precision of the job; options as strings."""
    precision = job.get("dtype", "float32")
    arrays = {name: np.array(value, precision) for name, value in job.items() if is_array(name, value)}
    if "mask" in arrays:
        arrays["mask"] = arrays["mask"] != 0
    metadata = {name: value if name in AS_TEXT else json.dumps(value) for name, value in job.items() if is_option(name, value)}
    return in_order(save(arrays | label_tensors(job, precision), metadata or None))


def in_order(body: bytes) -> bytes:
    """The same with its metadata in the order of their names: the package writes them in another one each time."""
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    return body[:8] + json.dumps(header, separators=(",", ":")).encode().ljust(length) + body[8 + length :]


def is_array(name: str, value: Any) -> bool:
    """A tensor that is no label."""
    return isinstance(value, list) and name not in ("labels", "label_weights")


def is_option(name: str, value: Any) -> bool:
    """A string beside the tensors; the precision is that of the tensors, and not said twice."""
    return not isinstance(value, list) and name != "dtype"


def label_tensors(job: cases.Job, precision: str) -> dict[str, np.ndarray[Any, Any]]:
    """Indices a row -> one after another, with offsets; one plain index a row as they are."""
    if "labels" not in job:
        return {}
    rows = job["labels"]
    if not isinstance(rows[0], list):
        return {"labels": np.array(rows, np.int64)}
    tensors = {
        "labels": np.array(list(itertools.chain(*rows)), np.int64),
        "label_offsets": np.cumsum([0, *map(len, rows)], dtype=np.int64),
    }
    if "label_weights" in job:
        tensors["label_weights"] = np.array(list(itertools.chain(*job["label_weights"])), precision)
    return tensors


def request(name: str, form: str) -> bytes:
    """The golden request."""
    return (json_request if form == "json" else binary_request)(cases.ALL[name])


@contextlib.contextmanager
def app(**settings: Any) -> Iterator[TestClient]:
    """The app with both runtimes, warm; its settings are not those of the environment."""
    runtimes: dict[str, Runtime] = {"pytorch": PyTorch(), "onnx": OnnxRuntime(Graphs(default_folder()))}
    made = create_app(Settings(_env_file=None, **settings), runtimes)  # type: ignore[call-arg]
    with TestClient(made, raise_server_exceptions=False) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code == 200)
        yield client


def send(client: TestClient, name: str, form: str, **headers: str) -> Any:
    """The service's reply to a case."""
    return client.post(cases.path_of(name), content=request(name, form), headers={"Content-Type": MEDIA_TYPES[form], **headers})


def written(client: TestClient) -> dict[str, bytes]:
    """Every golden file of the cases by its name; a case that is refused gets the same problem in every form."""
    files: dict[str, bytes] = {}
    for name in cases.ALL:
        for form in cases.forms_of(name):
            reply = send(client, name, form)
            kept = f"{name}.reply.{form}" if reply.status_code == 200 else f"{name}.problem.json"
            files[f"{name}.request.{form}"] = request(name, form)
            if files.setdefault(kept, reply.content) != reply.content:
                raise ValueError(f"{name} is refused in two ways: {files[kept]!r} and {reply.content!r}")
    files["cases.json"] = listed(files)
    return files


def listed(files: Mapping[str, bytes]) -> bytes:
    """cases.json: a line a case."""
    entries = []
    for name in cases.GRAD | cases.LOSS:
        problem = files.get(f"{name}.problem.json")
        status = json.loads(problem)["status"] if problem else 200
        entries.append({"name": name, "path": cases.path_of(name), "job": cases.ALL[name], "status": status})
    return ("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n").encode()


@dataclasses.dataclass
class Behaving:
    """A runtime that is slow, or breaks."""

    seconds: float = 0
    name: str = "pytorch"
    device: str = "cpu"

    def warm_up(self) -> None:
        """Nothing to do."""

    def quick(self, job: Job) -> bool:
        """Not where it takes long."""
        return not self.seconds

    def run(self, job: Job) -> Any:
        """Take that long, then break."""
        time.sleep(self.seconds)
        raise RuntimeError("broken")


def statuses(keys_file: Path) -> dict[str, Any]:
    """The service's problem of each status, with the headers that go with it: {status: {headers, problem}}."""
    keys_file.write_text(f"{'0' * 64} nobody\n")
    replies = {}
    with app(max_body_bytes=MOST_BYTES) as client:
        engine = client.app.state.engine  # type: ignore[attr-defined]
        replies[404] = send(client, "unknown_loss", "json")
        replies[422] = client.post("/grad", json={"scores": [[1, 2]], "labels": [[0]], "reduction": "avg", "mean_over": "columns"})
        replies[413] = client.post("/grad", content=b" " * (MOST_BYTES + 1))
        replies[415] = client.post("/grad", content=b"scores=1", headers={"Content-Type": "text/csv"})
        engine.unfinished = engine.limit
        replies[429] = send(client, "softmax", "json")
        engine.unfinished, engine.unavailable = 0, DRAINING
        replies[503] = send(client, "softmax", "json")
        engine.unavailable, engine.runtimes["pytorch"] = "", Behaving()
        replies[500] = send(client, "softmax", "json")
        engine.runtimes["pytorch"] = Behaving(seconds=TIMEOUT_MS / 1000 * 4)
        replies[504] = client.post("/grad", json=LARGE, headers={"X-Request-Timeout-Ms": str(TIMEOUT_MS)})
    with app(api_keys_file=keys_file) as client:
        replies[401] = send(client, "softmax", "json")
    wrong = {status: reply.status_code for status, reply in replies.items() if reply.status_code != status}
    if wrong:
        raise ValueError(f"expected and found statuses: {wrong}")
    return {str(status): kept(reply) for status, reply in sorted(replies.items())}


def kept(reply: Any) -> dict[str, Any]:
    """What the fault server says again."""
    return {"headers": {name: reply.headers[name] for name in KEPT_HEADERS if name in reply.headers}, "problem": reply.json()}


def main() -> None:
    """Write everything anew."""
    keys_file = FOLDER.parent.parent / "build" / "golden_keys"
    keys_file.parent.mkdir(exist_ok=True)
    with app() as client:
        files = written(client)
    files["statuses.json"] = (json.dumps(statuses(keys_file), indent=1) + "\n").encode()
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    print(f"{len(files)} files in {FOLDER}")


if __name__ == "__main__":
    main()
