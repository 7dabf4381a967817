"""The client: one service, its connections, and what a call to it looks like."""

import math
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import ArrayLike
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import LocationValueError

from gradwire import binary, plain_json
from gradwire.call import Answer, Call
from gradwire.connection import pool_for
from gradwire.errors import BadReply
from gradwire.job import Array, Job, Labels, NoTensor
from gradwire.reply import LossReply, Reply
from gradwire.version import __version__

Form = Literal["binary", "json"]
FORMS = {"binary": binary, "json": plain_json}
MOST_KEPT = 256  # connections, for as many threads


class Client:
    """A gradwire service at a URL, whose path is kept. Threads may share a client; it survives a fork, and pickling.

    `timeout_s` is of a whole call, its `retries` (after 429, 503, or a connection that ended early) and the waits in between included.
    `form` is how numbers are sent: "binary" (safetensors) or "json".
    """

    def __init__(self, url: str, api_key: str | None = None, *, timeout_s: float = 30.0, retries: int = 3, form: Form = "binary") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"url: found {url!r}; expected http:// or https://, a host, and at most a port and a path")
        if not (timeout_s > 0 and math.isfinite(timeout_s)):
            raise ValueError(f"timeout_s: found {timeout_s!r}; expected seconds above 0")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries: found {retries!r}; expected a whole number of at least 0")
        if form not in FORMS:
            raise ValueError(f"form: found {form!r}; expected 'binary' or 'json'")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key.strip()):
            raise ValueError("api_key: it holds what a header cannot; expected printable ASCII, on one line")
        self.url, self.timeout_s, self.retries, self.form = url.rstrip("/"), timeout_s, retries, form
        self._api_key = api_key
        self._host, self._port, self._path = (parts.scheme, parts.hostname), parts.port, parts.path.rstrip("/")
        self._pool: tuple[int, HTTPConnectionPool] | None = None  # and the process that made it
        try:
            self._connections()
        except LocationValueError as error:
            raise ValueError(f"url: found {url!r}; {error}") from error

    def __repr__(self) -> str:
        return f"Client({self.url!r}, timeout_s={self.timeout_s:g}, retries={self.retries}, form={self.form!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept; a later call opens new ones."""
        if self._pool is not None and self._pool[0] == os.getpid():
            self._pool[1].close()
        self._pool = None

    def loss(
        self,
        scores: ArrayLike,
        targets: ArrayLike | None = None,
        *,
        labels: Labels | None = None,
        label_weights: Sequence[Any] | Array | None = None,
        loss: str | None = None,
        params: Mapping[str, Any] | None = None,
        class_weight: ArrayLike | None = None,
        pos_weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        element_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        ignore_index: int | None = None,
        reduction: Literal["none", "sum", "mean"] | None = None,
        mean_over: Literal["rows", "elements", "weights", "valid", "positives"] | None = None,
        dtype: Literal["float32", "float64"] | None = None,
        runtime: Literal["pytorch", "onnx"] | None = None,
    ) -> LossReply:
        """The loss of a batch; the fields are those of `grad`. Raises GradwireError."""
        answer, arrays = self._ask("/loss", Job.of(locals()), ("loss",))
        return LossReply(arrays["loss"], answer.request_id)

    def grad(
        self,
        scores: ArrayLike,
        targets: ArrayLike | None = None,
        *,
        labels: Labels | None = None,
        label_weights: Sequence[Any] | Array | None = None,
        loss: str | None = None,
        params: Mapping[str, Any] | None = None,
        class_weight: ArrayLike | None = None,
        pos_weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        element_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        ignore_index: int | None = None,
        reduction: Literal["none", "sum", "mean"] | None = None,
        mean_over: Literal["rows", "elements", "weights", "valid", "positives"] | None = None,
        grad_output: ArrayLike | None = None,
        dtype: Literal["float32", "float64"] | None = None,
        runtime: Literal["pytorch", "onnx"] | None = None,
    ) -> Reply:
        """The loss of a batch, and its gradient by the scores. Raises GradwireError.

        Scores are raw, `[N, C]`. The labels of each row are `targets` `[N, C]`, real numbers, or `labels`: a list of class indices a row,
        one index a row, or an array `[N, K]` of them padded with -1, with `label_weights` nested alike. Shapes of the others:
        `class_weight` `[C]`; `pos_weight` `[C]` or a number; `sample_weight` `[N]`; `element_weight`, `mask` `[N, C]`; `grad_output` a
        number or, with reduction "none", the shape of the loss. An array of scores of float16, float32 or float64 is computed with in its
        own precision (half in float32), and lists in float32, unless `dtype` says otherwise. What is left out has the service's default:
        the loss softmax_cross_entropy, its mean over the rows.
        """
        answer, arrays = self._ask("/grad", Job.of(locals()), ("loss", "grad"))
        return Reply(arrays["loss"], answer.request_id, arrays["grad"])

    def _ask(self, path: str, job: Job, names: tuple[str, ...]) -> tuple[Answer, dict[str, Any]]:
        """A request, and its reply, checked against it."""
        form, body = self._written(job)
        headers = {"Content-Type": form.MEDIA_TYPE, "Accept": form.MEDIA_TYPE, "Accept-Encoding": "identity"}
        headers["User-Agent"] = f"gradwire-python/{__version__}"
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        answer = Call(self._connections(), self.url + path, self._path + path, headers, self.timeout_s, self.retries).answer(body)
        if answer.media_type != form.MEDIA_TYPE:
            raise BadReply(f"a reply of type {answer.media_type!r} from {self.url}{path}", form.MEDIA_TYPE)
        arrays = form.read(answer.body, reply_dtype(job, form))
        return answer, {name: checked(name, arrays, job) for name in names}

    def _written(self, job: Job) -> tuple[Any, bytes]:
        """The request in the client's form, or as JSON where that cannot hold it, so that the service can say what is wrong with it."""
        try:
            return FORMS[self.form], FORMS[self.form].write(job)
        except NoTensor:
            return plain_json, plain_json.write(job)

    def _connections(self) -> HTTPConnectionPool:
        """Those of this process: a child of a fork must not speak on its parent's."""
        kept = self._pool
        if kept is None or kept[0] != os.getpid():
            kept = self._pool = os.getpid(), pool_for(*self._host, self._port, MOST_KEPT)
        return kept[1]


def reply_dtype(job: Job, form: Any) -> np.dtype[Any]:
    """The precision of a reply: that of the computation, or half where the scores are half and the form can say so."""
    if job.dtype in ("float32", "float64"):
        return np.dtype(job.dtype)
    return np.asarray(job.fields["scores"]).dtype if form is binary and "dtype" not in job.fields else np.dtype(np.float32)


def checked(name: str, arrays: Mapping[str, Array], job: Job) -> Any:
    """An array of a reply, in a shape that it may have; a number where it is one."""
    if name not in arrays:
        raise BadReply(f"a reply with {', '.join(arrays) or 'nothing'} in it", f"{name} in it")
    scores, found = job.shape(), arrays[name].shape
    may_be: list[tuple[int, ...] | None] = [scores] if name == "grad" else [()]
    if name == "loss" and job.fields.get("reduction") == "none" and scores is not None:
        may_be += [scores[:1], scores]
    if found not in may_be:
        raise BadReply(f"{name} of shape {list(found)}", " or ".join(str(list(shape or ())) for shape in may_be))
    return arrays[name][()]
