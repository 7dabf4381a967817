"""What the labels of a data set are like: how many there are, how evenly they fall on the classes, and how far classes go together."""

from dataclasses import dataclass

import numpy as np

from examples.train.reference import Array


@dataclass(frozen=True)
class Statistics:
    """Of targets [N, C] that are 0 or 1; the ratios leave out classes without labels."""

    rows: int
    classes: int
    labels_a_row: float
    density: float  # labels a row, of all the classes: the share of ones
    rows_without: float  # the share of rows that have no label
    largest_ratio: float  # labels of the most frequent class / labels of the rarest
    mean_ratio: float  # the mean over classes of: labels of the most frequent class / labels of this one
    rarest: int  # labels of the rarest class
    together: float  # mean over pairs of classes of |φ|, the correlation of their labels: 0 where they are independent

    def cells(self) -> dict[str, str]:
        """As a row of a table."""
        return {
            "rows": str(self.rows),
            "classes": str(self.classes),
            "labels a row": f"{self.labels_a_row:.2f}",
            "density": f"{self.density:.2f}",
            "rows without labels": f"{100 * self.rows_without:.0f} %",
            "rarest class": str(self.rarest),
            "imbalance, largest": f"{self.largest_ratio:.1f}",
            "imbalance, mean": f"{self.mean_ratio:.1f}",
            "co-occurrence": f"{self.together:.2f}",
        }


def statistics(targets: Array) -> Statistics:
    """targets [N, C] of 0 and 1."""
    counts = targets.sum(0)
    ratios = counts.max() / counts[counts > 0] if counts.any() else np.ones(1)
    return Statistics(
        rows=len(targets),
        classes=targets.shape[1],
        labels_a_row=float(targets.sum(1).mean()),
        density=float(targets.mean()),
        rows_without=float((~targets.any(1)).mean()),
        largest_ratio=float(ratios.max()),
        mean_ratio=float(ratios.mean()),
        rarest=int(counts.min()),
        together=mean_correlation(targets),
    )


def mean_correlation(targets: Array) -> float:
    """Mean |φ| over the pairs of classes that both have rows with and rows without them; 0 where there is no pair."""
    varied = targets[:, targets.min(0) < targets.max(0)]
    if varied.shape[1] < 2:
        return 0.0
    correlations = np.corrcoef(varied, rowvar=False)
    return float(np.abs(correlations[np.triu_indices_from(correlations, 1)]).mean())
