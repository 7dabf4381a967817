"""The jobs that make a runtime warm: every loss, with either kind of labels, as most requests ask for them."""

import itertools
from collections.abc import Iterator

import numpy as np

from models.catalogue import catalogue
from models.contract import DTYPES, Job
from models.labels import Labels

SCORES = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]])
TARGETS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
ONE_HOT = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
ONE_LABEL = Labels(indices=np.array([0, 1]), offsets=np.array([0, 1, 2]))
LABELS = Labels(indices=np.array([0, 1, 2]), offsets=np.array([0, 1, 3]))


def warm_up_jobs() -> Iterator[Job]:
    """Gradient of the mean, with dense and with sparse labels, in both precisions."""
    for loss, dtype in itertools.product(catalogue().values(), DTYPES):
        single, params = loss.about.targets in ("single", "distribution"), loss.about.example
        yield Job(loss=loss, scores=SCORES, targets=ONE_HOT if single else TARGETS, params=params, dtype=dtype)
        if loss.about.targets != "scores":
            yield Job(loss=loss, scores=SCORES, labels=ONE_LABEL if single else LABELS, params=params, dtype=dtype)
