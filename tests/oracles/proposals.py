"""log q(x_1 .. x_k | x_0) of every proposal for a linear denoiser r(x) = A x + b, written level by level with scipy.

States are (n, k + 1, d): x_0, ..., x_k.
"""

import numpy as np
from scipy.stats import norm

from tests.oracles.linear_gaussian import LinearGaussianCascade


def _log_density(values: np.ndarray, mean: np.ndarray, std: float) -> np.ndarray:
    return norm(mean, std).logpdf(values).sum(-1)


def paper(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    c = cascade.corruption_std
    return sum(_log_density(states[:, i], states[:, 0], c[i]) for i in range(1, len(c)))


def widened(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    k = cascade.n_levels
    std = [*cascade.reconstruction_std[1:], cascade.corruption_std[k]]
    return sum(_log_density(states[:, i], states[:, 0], std[i - 1]) for i in range(1, k + 1))


def renoising(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    c, rho = cascade.corruption_std, cascade.reconstruction_std
    total = _log_density(states[:, 1], states[:, 0], c[1])
    for i in range(1, cascade.n_levels):
        mse = rho[i - 1] ** 2 - c[i - 1] ** 2
        mean = states[:, i] @ cascade.matrix.T + cascade.bias
        total = total + _log_density(states[:, i + 1], mean, np.sqrt(c[i + 1] ** 2 + mse))
    return total


def guided(cascade: LinearGaussianCascade, states: np.ndarray, share: np.ndarray, std: np.ndarray) -> np.ndarray:
    k, total = cascade.n_levels, 0.0
    for i in range(1, k + 1):
        prior = cascade.prior_mean if i == k else states[:, i + 1] @ cascade.matrix.T + cascade.bias
        mean = share[i - 1] * states[:, 0] + (1.0 - share[i - 1]) * prior
        total = total + _log_density(states[:, i], mean, std[i - 1])
    return total
