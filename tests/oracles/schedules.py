"""The best levels by trying all of them, and the costs of levels for Gaussian data under the best linear denoiser."""

from itertools import combinations, pairwise

import numpy as np


def best(first: np.ndarray, pair: np.ndarray, last: np.ndarray, n_levels: int, fixed: int | None = None):
    """The cost and the indices of the best increasing levels; `fixed` is where the last one must be."""
    found = []
    for levels in combinations(range(len(first)), n_levels):
        if fixed is None or levels[-1] == fixed:
            cost = first[levels[0]] + last[levels[-1]]
            cost += sum(pair[a, b] for a, b in pairwise(levels))
            found.append((cost, levels))
    return min(found)


def wiener_error(variance: np.ndarray, corruption_std: np.ndarray) -> np.ndarray:
    """Mean squared error (m, dim) of E[x_0 | x_0 + c z] for independent Gaussians with these variances (dim,)."""
    noise = corruption_std[:, None] ** 2
    return variance * noise / (variance + noise)


def bound_of_gaussian(variance: np.ndarray, levels: np.ndarray, *, pooled: bool) -> float:
    """The bound of Eq. 4, averaged over data N(0, diag variance), of a cascade at c_1 .. c_k.

    The denoiser of each level is the best one, the prior is the best diagonal one, and variances are those of Eq. 9,
    per pixel, or pooled over pixels. The bound is E log p(x_0 .. x_k) - E log q(x_1 .. x_k | x_0), term by term from
    the second moments of Gaussians.
    """
    dim, noise, error = len(variance), np.asarray(levels) ** 2, wiener_error(variance, np.asarray(levels))
    if pooled:
        error = np.repeat(error.mean(1, keepdims=True), dim, axis=1)
    log_q = sum(-0.5 * dim * (np.log(2 * np.pi * c) + 1) for c in noise)
    log_p = -0.5 * (np.log(2 * np.pi * (variance + noise[-1])) + 1).sum()
    below = [0.0, *noise[:-1]]
    # x_i - r(x_{i+1}) has the variance c_i^2 + MSE_{i+1}, since x_i's noise is not x_{i+1}'s; so has p(x_i | x_{i+1}).
    log_p += sum(-0.5 * (np.log(2 * np.pi * (b + e)) + 1).sum() for b, e in zip(below, error, strict=True))
    return float(log_p - log_q)
