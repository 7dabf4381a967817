"""The jobs that make a runtime warm: every loss, with either kind of labels, as most requests ask for them."""

import itertools
from collections.abc import Iterator

import numpy as np

from models.catalogue import catalogue
from models.contract import DTYPES, Job
from models.labels import Labels

SCORES = np.array([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]])
TARGETS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
LABELS = Labels(indices=np.array([0, 1, 2]), offsets=np.array([0, 1, 3]))


def warm_up_jobs() -> Iterator[Job]:
    """Gradient of the mean, with dense and with sparse labels, in both precisions."""
    for loss, dtype in itertools.product(catalogue().values(), DTYPES):
        yield Job(loss=loss, scores=SCORES, targets=TARGETS, dtype=dtype)
        yield Job(loss=loss, scores=SCORES, labels=LABELS, dtype=dtype)
