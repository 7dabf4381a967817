"""What a wire format is, how reading one can fail, and how a request in any of them becomes a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np
from pydantic import ValidationError

from models.catalogue import find
from models.contract import HALF, Job, Result
from models.errors import InvalidParameters, InvalidScores, JobError, Problem, few_unknown, problem, shortened
from service.compression import packed
from service.errors import MalformedRequest, RequestError
from service.schema import GradRequest, LossRequest, Options

Headers = Mapping[str, str]
FIELDS = {False: LossRequest.model_fields, True: GradRequest.model_fields}
ARRAYS = {wants_grad: known.keys() - Options.model_fields.keys() for wants_grad, known in FIELDS.items()}
DEFAULTS = dict(Options.model_validate({}))
P = ParamSpec("P")
T = TypeVar("T")
Bytes = bytearray | memoryview
Part = bytes | memoryview
# So many bytes are read, or written, in half a millisecond: as numbers in text, and as views.
TEXT_BYTES, BINARY_BYTES = 1 << 16, 5 << 18


@dataclass(frozen=True)
class Order:
    """A job, who is to run it (None: the runtime of the settings), and the precision of the reply (None: the job's own)."""

    job: Job
    runtime: str | None
    reply_dtype: np.dtype[Any] | None = None

    @property
    def model(self) -> str:
        """What the Open Inference Protocol calls the job: the loss, or the loss with its gradient."""
        return self.job.loss.name + (".grad" if self.job.wants_grad else "")

    def reply(self, result: Result) -> Result:
        """The result as it is sent; raises NumericOverflow where half precision cannot hold it."""
        return result if self.reply_dtype is None else result.rounded(self.reply_dtype)


@dataclass(frozen=True)
class Body:
    """A reply in pieces, so that a large one never has to be put together; its type, and headers of its own."""

    parts: list[Part]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def compressed(self, coding: str) -> "Body":
        """The same in fewer bytes, or as it is."""
        if coding == "identity":
            return self
        return Body(packed(self.parts, coding), self.media_type, {**self.headers, "Content-Encoding": coding})


@dataclass(frozen=True)
class Codec:
    """One wire format: `read` gives the fields of a request, arrays as numpy arrays; `write` gives the reply.

    `is_text`: numbers are written as text. `quickly_read`: whether to decode a body takes less than to hand it to another thread, whatever
    is in it.
    """

    media_type: str
    read: Callable[[Bytes, Headers, int], dict[str, Any]]
    write: Callable[[Result], list[Part]]
    aliases: tuple[str, ...] = ()
    is_text: bool = False
    quickly_read: Callable[[Any], bool] = lambda body: len(body) <= TEXT_BYTES

    def quickly_written(self, result: Result, coding: str) -> bool:
        """Whether `encode` takes less than handing the result to another thread."""
        return result.nbytes <= (TEXT_BYTES if self.is_text else BINARY_BYTES) and coding == "identity"

    def decode(self, body: Bytes, headers: Headers, wants_grad: bool, most_elements: int) -> Order:
        """Bytes -> order.

        Raises MalformedRequest where they cannot be read, TensorTooLarge where an array has more numbers than `most_elements`, JobError
        where they say something impossible.
        """
        return order(guarded(self.media_type, self.read, body, headers, most_elements), wants_grad)

    def encode(self, order: Order, result: Result, coding: str = "identity") -> Body:
        """Result -> the pieces of the reply."""
        return Body(self.write(order.reply(result)), self.media_type).compressed(coding)


def text_of(body: Bytes) -> bytes | bytearray:
    """A body to search in, which a memoryview does not let one do."""
    return bytes(body) if isinstance(body, memoryview) else body


def guarded(form: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` reads; whatever it stumbles over is the fault of bytes that are not of this form."""
    try:
        return read(*args, **kwargs)
    except (JobError, RequestError, MemoryError):
        raise
    except Exception as error:
        raise MalformedRequest(f"the body is not {form}: {shortened(str(error), 200)}") from error


def order(fields: Mapping[str, Any], wants_grad: bool) -> Order:
    """The fields of a request -> an order; raises InvalidJob with a pointer for each field that is wrong."""
    arrays_of = ARRAYS[wants_grad]
    small = {name: value for name, value in fields.items() if name not in arrays_of}
    options = checked(small, wants_grad) if small else dict(DEFAULTS)
    arrays = {name: value for name, value in fields.items() if name in arrays_of and value is not None}
    if "scores" not in arrays:
        raise InvalidScores(Problem("/scores", "is missing; expected [N, C] numbers"))
    runtime = options.pop("runtime")
    loss = find(options.pop("loss"))
    given = arrays["scores"].dtype
    job = Job(loss=loss, wants_grad=wants_grad, **options, **arrays)
    return Order(job, runtime, given if given in HALF and "dtype" not in small else None)


def checked(small: Mapping[str, Any], wants_grad: bool) -> dict[str, Any]:
    """The fields that are no arrays, all of them; raises InvalidParameters."""
    try:
        return dict(Options.model_validate(few_unknown(small, Options.model_fields)))
    except ValidationError as invalid:
        raise InvalidParameters(*(problem(each, "", FIELDS[wants_grad]) for each in invalid.errors(include_url=False))) from None
