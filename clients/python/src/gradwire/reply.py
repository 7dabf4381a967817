"""What a call gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(eq=False)
class LossReply:
    """The loss: a number or, with reduction "none", an array of the loss's own unit, `[N]` or `[N, C]`."""

    loss: np.floating[Any] | Floats
    request_id: str | None  # by which the service's log knows the request


@dataclass(eq=False)
class Reply(LossReply):
    """The loss, and its exact gradient by the scores, `[N, C]`."""

    grad: Floats
