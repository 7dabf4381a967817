"""What graphs are fed: every edge, large scores close together, masked classes, one class; and everything at once."""

import numpy as np

from models.catalogue import find
from tests.models.cases import Array, Batch, at_every_edge, by_element, close_together, of_kind, random_targets
from tests.onnx.graphs import Case


def hard(loss: str, batch: Batch) -> Batch:
    """The same with labels of weight 1, as sparse labels are; a teacher's scores stay what they are."""
    if find(loss).about.targets == "scores":
        return batch
    there = (batch.targets != 0).astype(np.float64)
    if find(loss).about.targets in ("single", "distribution"):
        there *= there.cumsum(1) == 1
    return Batch(batch.scores, there, batch.besides)


def edges(loss: str) -> Batch:
    return at_every_edge(loss)


def close(loss: str) -> Batch:
    return close_together(loss)


def masked(loss: str) -> Batch:
    """Scores of -inf: one in most rows, a whole row of them; a row without labels."""
    random = np.random.default_rng(5)
    scores, targets = random.normal(0, 4, (6, 5)), random_targets(loss, (6, 5), random)
    gone = random.random((6, 5)) < 0.3
    gone[1], gone[2] = True, False
    scores[gone], targets[gone], targets[3] = -np.inf, 0, 0
    return Batch(scores, of_kind(loss, targets))


def one_class(loss: str) -> Batch:
    return Batch(np.array([[0.3], [-30.0], [30.0], [-1e4]]), np.array([[0.0], [1.0], [1.0], [1.0]]))


def everything(loss: str) -> Batch:
    """Every tensor that a loss takes, a mask beside scores of -inf, large scores among them and a row without labels."""
    random = np.random.default_rng(6)
    shape = (7, 5)
    scores, mask = random.normal(0, 3, shape), random.random(shape) < 0.8
    targets = random_targets(loss, shape, random)
    scores[0, :3], scores[1, 1], targets[2] = [30, -100, 1e4], -np.inf, 0
    targets[1, 1] = 0
    besides: dict[str, Array] = {
        "mask": mask,
        "class_weight": random.uniform(0, 2, 5),
        "sample_weight": random.normal(0, 1, 7),
        "pos_weight": random.uniform(0, 2, 5),
        "element_weight": random.normal(0, 1, shape),
        "grad_output": np.asarray(2.5),
    }
    return Batch(scores, of_kind(loss, targets, mask & np.isfinite(scores)), besides)


def batches(case: Case) -> dict[str, Batch]:
    """Those of a graph, by name, before they are rounded."""
    if case.mode == "inputs":
        found = {"everything": everything(case.loss)}
    elif case.of_one_length:
        found = {"edges": edges(case.loss)}
    else:
        found = {"edges": edges(case.loss), "masked": masked(case.loss), "one class": one_class(case.loss)}
        if not by_element(case.loss):
            found["close"] = close(case.loss)
    sums_to_one = find(case.loss).about.targets == "distribution" and case.dtype == "float16"  # thirds do not, in float16
    if (case.labels == "sparse" and case.mode != "inputs") or sums_to_one:
        found = {name: hard(case.loss, each) for name, each in found.items()}
    return found
