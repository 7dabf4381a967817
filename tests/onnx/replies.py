"""What the service itself replies to a batch, over safetensors: the only form besides the other binary ones that holds -inf and float16."""

import json

import numpy as np
from safetensors.numpy import load, save
from starlette.testclient import TestClient

from models.catalogue import find
from tests.models.cases import Array, Batch
from tests.onnx.graphs import Case

SAFETENSORS = "application/vnd.safetensors"
REACH = (1e4, 200.0, 20.0)  # where float16 cannot hold the result at the full reach of the scores, a shorter one is tried


class TooLarge(Exception):
    """The result does not fit the precision."""


def within(batch: Batch, reach: float) -> Batch:
    """The batch with no score, and no teacher's score, beyond the reach."""
    scores = np.where(np.isneginf(batch.scores), batch.scores, batch.scores.clip(-reach, reach))
    return Batch(scores, batch.targets.clip(-reach, reach), batch.besides)


def feeds(case: Case, batch: Batch) -> dict[str, Array]:
    """The graph's inputs, in its precision."""
    given = batch.rounded(case.dtype)
    tensors = {"scores": given.scores, **{name: given.besides[name] for name in case.tensors if name in given.besides}}
    if case.labels == "dense":
        tensors["targets"] = given.targets
    else:
        tensors["labels"], weights = padded(given.targets)
        if "label_weights" in case.tensors:
            tensors["label_weights"] = weights
    if "grad_output" in case.tensors and case.reduction == "none":
        tensors["grad_output"] = upstream(case, given)
    return tensors | free(case, given.scores.shape[1])


def free(case: Case, classes: int) -> dict[str, Array]:
    """The parameters that are inputs: a number, or one a class where the loss takes that."""
    params, vectors = case.params(classes), find(case.loss).vectors
    return {name: np.full((classes,) if name in vectors else (), params[name], case.dtype) for name in case.free}


def upstream(case: Case, batch: Batch) -> Array:
    """A gradient that arrives from above, of the loss's own shape."""
    unit = find(case.loss).about.unit
    shape = {"row": batch.scores.shape[:1], "element": batch.scores.shape, "batch": ()}[unit]
    return np.random.default_rng(7).normal(0, 1, shape).astype(case.dtype)


def padded(targets: Array) -> tuple[Array, Array]:
    """Class indices [N, K] with -1 where a row has fewer, one column of padding more than needed; and their weights, 9 at the padding."""
    width = int((targets != 0).sum(1).max(initial=0)) + 1
    indices = np.full((len(targets), width), -1, np.int64)
    weights = np.full(indices.shape, 9, targets.dtype)
    for n, row in enumerate(targets):
        (there,) = np.nonzero(row)
        indices[n, : len(there)], weights[n, : len(there)] = there, row[there]
    return indices, weights


def reply(client: TestClient, case: Case, batch: Batch, reach: float) -> tuple[dict[str, Array], dict[str, Array]]:
    """What the graph is fed, and the service's loss and gradient for it; raises TooLarge."""
    fed = feeds(case, within(batch, reach))
    about = {"loss": case.loss, "reduction": case.reduction, "params": json.dumps(case.params(batch.scores.shape[1]))}
    tensors = {name: np.asarray(array, order="C") for name, array in fed.items() if name not in case.free}
    if "label_weights" in tensors:
        tensors["label_weights"] = np.where(tensors["labels"] < 0, 0, tensors["label_weights"])
    if tensors.get("grad_output", np.ones(1)).ndim == 0:
        about["grad_output"] = repr(float(tensors.pop("grad_output")))
    answer = client.post(f"/{case.kind}", content=save(tensors, about), headers={"Content-Type": SAFETENSORS})
    if answer.status_code == 422 and "does not fit float16" in answer.text:
        raise TooLarge
    if answer.status_code != 200:
        raise RuntimeError(f"{case.name}: the service refuses: {answer.text}")
    return fed, shaped(load(answer.content), case)


def shaped(tensors: dict[str, Array], case: Case) -> dict[str, Array]:
    """A reduced loss has no axes, in whichever way it was sent."""
    whole = case.reduction != "none" or find(case.loss).about.unit == "batch"
    return {name: array.reshape(()) if name == "loss" and whole else array for name, array in tensors.items()}
