"""BentoML: lists in JSON, and a file each way."""

from pathlib import Path

import bentoml
import numpy as np
from job import grad, of_bytes


@bentoml.service(workers=1)
class Loss:
    """One batch a request."""

    @bentoml.api
    def lists(self, scores: np.ndarray, labels: np.ndarray) -> dict:
        """JSON both ways."""
        loss, found = grad(scores, labels)
        return {"loss": loss, "grad": found.tolist()}

    @bentoml.api
    def raw(self, batch: Path, context: bentoml.Context) -> Path:
        """A file both ways."""
        reply = Path(context.temp_dir) / "reply.bin"
        reply.write_bytes(of_bytes(batch.read_bytes()))
        return reply
