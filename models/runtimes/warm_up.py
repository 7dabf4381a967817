"""The jobs that make a runtime warm: every loss, as most requests ask for it."""

from collections.abc import Iterator

import numpy as np

from models.catalogue import catalogue
from models.contract import Job
from models.labels import Labels

USUAL = ("softmax_cross_entropy", "binary_cross_entropy", "focal", "asymmetric", "zlpr")
SCORES = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]])
TARGETS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
ONE_LABEL = Labels(indices=np.array([0, 1]), offsets=np.array([0, 1, 2]))
LABELS = Labels(indices=np.array([0, 1, 2]), offsets=np.array([0, 1, 3]))


def warm_up_jobs() -> Iterator[Job]:
    """Gradient of the mean: of every loss in float32, and of those that most requests are for in every precision and form of labels."""
    for name, loss in catalogue().items():
        params = loss.about.example
        single = loss.about.targets in ("single", "distribution")
        sparse = ONE_LABEL if single else LABELS
        labels = {"targets": TARGETS} if loss.about.targets == "scores" else {"labels": sparse}
        yield Job(loss=loss, scores=SCORES, params=params, **labels)
        if name in USUAL:
            yield Job(loss=loss, scores=SCORES, targets=TARGETS)
            yield Job(loss=loss, scores=SCORES, labels=LABELS, dtype="float64")
            yield Job(loss=loss, scores=SCORES, targets=TARGETS, dtype="float64")
