"""Precision, recall, density, coverage and copies from their definitions, one pair of points at a time."""

import numpy as np


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).sum()))


def radius(points: np.ndarray, i: int, k: int) -> float:
    """The distance of point i from its k-th nearest other point."""
    return sorted(distance(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]


def measures(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The four measures before they are averaged."""
    n, m = len(real), len(fake)
    in_real = [[distance(real[i], fake[j]) < radius(real, i, k) for j in range(m)] for i in range(n)]
    in_fake = [[distance(real[i], fake[j]) < radius(fake, j, k) for j in range(m)] for i in range(n)]
    return {
        "precision": np.array([any(in_real[i][j] for i in range(n)) for j in range(m)]),
        "recall": np.array([any(in_fake[i]) for i in range(n)]),
        "density": np.array([sum(in_real[i][j] for i in range(n)) / k for j in range(m)]),
        "coverage": np.array([any(in_real[i]) for i in range(n)]),
    }


def copies(samples: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the nearest training point per dimension, and whether that point has its own neighbour farther."""
    distances, are_copies = [], []
    for sample in samples:
        apart = [distance(sample, point) for point in training]
        i = int(np.argmin(apart))
        distances.append(apart[i] / np.sqrt(samples.shape[1]))
        are_copies.append(apart[i] < radius(training, i, 1))
    return np.array(distances), np.array(are_copies)
