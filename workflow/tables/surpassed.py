"""Estimates that another estimate of the same model surpasses, so that they cannot be near the log-likelihood.

Every one of them is at most the log-likelihood in expectation. So where one is higher than another at the same test
points, by more than chance allows, the other is too low by at least as much.
"""

import numpy as np

from workflow.grid.record import OK
from workflow.tables.cells import Certified

ERRORS = 3.0  # standard errors of a mean paired difference that chance hardly exceeds


def surpassed(cell: Certified, threshold_nats: float) -> set[str]:
    """Keys of the rows above which another row lies by more than 3 standard errors, and by more than the threshold.

    Args:
        threshold_nats: the smallest mean difference that matters.
    """
    rows = [row.key for row in cell.record.rows if row.status == OK and f"{row.key}/values" in cell.values]
    return {key for key in rows if any(_exceeds(cell, other, key, threshold_nats) for other in rows if other != key)}


def _exceeds(cell: Certified, higher: str, lower: str, threshold_nats: float) -> bool:
    """Whether the mean paired difference of two rows at their common test points is large, and no chance."""
    a, b = cell.values[f"{higher}/indices"], cell.values[f"{lower}/indices"]
    _, of_a, of_b = np.intersect1d(a, b, return_indices=True)
    if len(of_a) < 2:  # no spread is known
        return False
    difference = cell.values[f"{higher}/values"][of_a] - cell.values[f"{lower}/values"][of_b]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() > max(threshold_nats, ERRORS * error))
