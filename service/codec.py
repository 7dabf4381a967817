"""What a wire format is, how reading one can fail, and how a request in any of them becomes a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from models.catalogue import find
from models.contract import Job, Result
from models.errors import InvalidParameters, InvalidScores, JobError, Problem, few_unknown, problem
from service.errors import MalformedRequest, RequestError
from service.schema import GradRequest, LossRequest, Options

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Order:
    """A job, and who is to run it (None: the runtime of the settings)."""

    job: Job
    runtime: str | None


@dataclass(frozen=True)
class Body:
    """A reply in pieces, so that a large one never has to be put together; and its type."""

    parts: list[bytes]
    media_type: str


@dataclass(frozen=True)
class Codec:
    """One wire format: `read` gives the fields of a request, arrays as numpy arrays; `write` gives the reply."""

    media_type: str
    read: Callable[[bytearray, Headers, int], dict[str, Any]]
    write: Callable[[Result], list[bytes]]

    def decode(self, body: bytearray, headers: Headers, wants_grad: bool, most_elements: int) -> Order:
        """Bytes -> order.

        Raises MalformedRequest where they cannot be read, TensorTooLarge where an array has more numbers than `most_elements`, JobError
        where they say something impossible.
        """
        try:
            fields = self.read(body, headers, most_elements)
        except (JobError, RequestError):
            raise
        except Exception as error:
            raise MalformedRequest(f"the body is not {self.media_type}: {error}") from error
        return order(fields, wants_grad)

    def encode(self, result: Result) -> Body:
        """Result -> the pieces of the reply."""
        return Body(self.write(result), self.media_type)


def order(fields: Mapping[str, Any], wants_grad: bool) -> Order:
    """The fields of a request -> an order; raises InvalidJob with a pointer for each field that is wrong."""
    known = (GradRequest if wants_grad else LossRequest).model_fields
    takes_arrays = known.keys() - Options.model_fields.keys()
    small = {name: value for name, value in fields.items() if name not in takes_arrays}
    try:
        options = dict(Options.model_validate(few_unknown(small, Options.model_fields)))
    except ValidationError as invalid:
        raise InvalidParameters(*(problem(each, "", known) for each in invalid.errors(include_url=False))) from None
    arrays = {name: value for name, value in fields.items() if name in takes_arrays and value is not None}
    if "scores" not in arrays:
        raise InvalidScores(Problem("/scores", "is missing; expected [N, C] numbers"))
    runtime = options.pop("runtime")
    loss = find(options.pop("loss"))
    return Order(Job(loss=loss, wants_grad=wants_grad, **options, **arrays), runtime)
