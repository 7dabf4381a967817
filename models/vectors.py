"""Parameters of one number a class: lists to who checks them, tensors [C] to who computes with them."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

from annotated_types import Ge, Gt

from models.tensor import Number, Tensor

if TYPE_CHECKING:
    Positives: TypeAlias = Tensor
    NumberOrNumbers: TypeAlias = Number
else:
    Positives = list[Annotated[float, Gt(0)]]
    NumberOrNumbers = Annotated[float, Ge(0)] | list[Annotated[float, Ge(0)]]
