"""The Open Inference Protocol (KServe V2) apart from its forms: what a model is, what is asked of it, and what it replies.

Every loss is two models: `<loss>` has the output `loss`, `<loss>.grad` has the outputs `loss` and `grad`.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from models.catalogue import catalogue, find, names
from models.checks import Array
from models.contract import Loss, Result
from models.errors import InvalidParameters, Problem, UnknownLoss, did_you_mean, escaped, few_unknown, shortened
from service.codec import Order, order
from service.errors import MalformedRequest, UnknownModel
from service.json_object import literal
from service.open_inference_tensors import Wanted
from service.schema import Options
from service.tensors import fields

GRAD = ".grad"
VERSION = "1"
NUMBERS = {"pos_weight", "grad_output"}  # tensors that may be a parameter where they are one number
HINTS = ("timeout", "priority", "triton_enable_empty_final_response")  # what Triton's clients send beside a model's own
OPTIONS = set(Options.model_fields) - {"loss", "params"} | NUMBERS


@dataclass(frozen=True)
class Model:
    """A loss, alone or with its gradient."""

    loss: Loss
    wants_grad: bool

    @property
    def name(self) -> str:
        """The name in URLs and replies."""
        return self.loss.name + GRAD * self.wants_grad

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return ("loss", "grad") if self.wants_grad else ("loss",)


@functools.cache
def models() -> dict[str, Model]:
    """Every model by its name."""
    found = (Model(loss, wants_grad) for loss in catalogue().values() for wants_grad in (False, True))
    return {each.name: each for each in found}


def find_model(name: str, version: str = "") -> Model:
    """The model of this name, or of an alias of its loss; raises UnknownModel."""
    wants_grad = name.lower().endswith(GRAD)
    try:
        model = models()[find(name[: -len(GRAD)] if wants_grad else name).name + GRAD * wants_grad]
    except UnknownLoss:
        raise UnknownModel(f"no model named {shortened(name)}{did_you_mean(name, [*models(), *names()], catalogue())}") from None
    if version not in ("", VERSION):
        raise UnknownModel(f"{model.name} has no version {shortened(version)}; the only one is {VERSION!r}")
    return model


@dataclass(frozen=True)
class Inference:
    """One request for a model: the order, and how the reply is to look."""

    model: Model
    id: str
    order: Order
    outputs: tuple[Wanted, ...]
    timeout_s: float | None = None  # as the request's own parameter says

    def reply(self, result: Result) -> list[tuple[Wanted, Array]]:
        """The outputs that are asked for, in that order; a loss that is one number has the shape [1]."""
        result = self.order.reply(result)
        arrays = {"loss": np.atleast_1d(result.loss), "grad": result.grad}
        return [(each, np.ascontiguousarray(arrays[each.name])) for each in self.outputs]


class Asked(NamedTuple):
    """A request as it was read, in whatever form it came."""

    id: str
    tensors: Sequence[tuple[str, Array]]
    parameters: Mapping[str, Any]
    outputs: Sequence[Wanted]


def inference(model: Model, asked: Asked) -> Inference:
    """What a request means; raises InvalidJob, or MalformedRequest for a tensor that is there twice."""
    twice = next((name for name, count in Counter(name for name, _ in asked.tensors).items() if count > 1), None)
    if twice is not None:
        raise MalformedRequest(f"/inputs: the tensor {shortened(twice)} is there twice")
    parameters = {name: value for name, value in asked.parameters.items() if name not in HINTS}
    options, params = divided(model, parameters)
    named = {"loss": model.loss.name, "params": params}
    wanted = chosen(model, asked.outputs)
    ordered = order(named | fields(dict(asked.tensors), options), model.wants_grad)
    return Inference(model, asked.id, ordered, wanted, timeout_s(asked.parameters.get("timeout")))


def timeout_s(timeout: Any) -> float | None:
    """Triton's parameter, in microseconds; raises InvalidParameters."""
    if timeout is not None and (type(timeout) is not int or timeout < 1):
        raise InvalidParameters(Problem("/parameters/timeout", f"found {shortened(timeout)}; expected microseconds, at least 1"))
    return None if timeout is None else timeout / 1e6


def divided(model: Model, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request parameters -> options, and parameters of the loss; in a string, a number, true, false or null is what it spells."""
    own = model.loss.params.model_fields
    unknown = [name for name in few_unknown(parameters, {*own, *OPTIONS}) if name not in own and name not in OPTIONS]
    if unknown:
        where = [(f"/parameters/{escaped(name)}", did_you_mean(name, {*own, *OPTIONS})) for name in unknown]
        raise InvalidParameters(*(Problem(pointer, f"unknown parameter{hint}") for pointer, hint in where))
    read = {name: literal(value) if isinstance(value, str) else value for name, value in parameters.items()}
    for name in NUMBERS & read.keys():
        if isinstance(read[name], bool) or not isinstance(read[name], int | float):
            raise InvalidParameters(
                Problem(f"/parameters/{name}", f"found {shortened(read[name])}; expected a number, or an input of this name")
            )
    return {name: value for name, value in read.items() if name in OPTIONS}, {name: value for name, value in read.items() if name in own}


def chosen(model: Model, outputs: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """The outputs that are asked for, all where none is named; raises InvalidParameters."""
    for i, each in enumerate(outputs):
        if each.name not in model.outputs:
            raise InvalidParameters(Problem(f"/outputs/{i}", f"no output {shortened(each.name)}{did_you_mean(each.name, model.outputs)}"))
        if each.name in [before.name for before in outputs[:i]]:
            raise InvalidParameters(Problem(f"/outputs/{i}", f"the output {each.name!r} is asked for twice"))
    return tuple(outputs)
