"""Estimates that another estimate of the same model surpasses, so that they cannot be near the log-likelihood.

Every one of them is at most the log-likelihood in expectation. So where one is higher than another at the same test
points, by more than chance allows, the other is too low by at least as much. Imports nothing of ours.
"""

from dataclasses import dataclass

import numpy as np

ERRORS = 3.0  # standard errors of a mean paired difference that chance hardly exceeds


@dataclass(frozen=True)
class AtPoints:
    """An estimate at some of the test points: their indices (n,), and its values there (n,) in nats."""

    indices: np.ndarray
    values: np.ndarray


def surpassed(estimates: dict[str, AtPoints], threshold_nats: float) -> set[str]:
    """Keys of the estimates above which another one lies by more than 3 standard errors and the threshold.

    Args:
        threshold_nats: the smallest mean difference that matters.
    """
    return {
        key
        for key, low in estimates.items()
        if any(_exceeds(high, low, threshold_nats) for other, high in estimates.items() if other != key)
    }


def _exceeds(high: AtPoints, low: AtPoints, threshold_nats: float) -> bool:
    """Whether the mean paired difference of two estimates at their common points is large, and no chance."""
    _, of_high, of_low = np.intersect1d(high.indices, low.indices, return_indices=True)
    if len(of_high) < 2:  # no spread is known
        return False
    difference = high.values[of_high] - low.values[of_low]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() > max(threshold_nats, ERRORS * error))
