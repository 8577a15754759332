"""The log density log q(x_1 .. x_k | x_0) of every proposal for a linear denoiser r(x) = A x + b, level by level.

All functions take states (n, k + 1, d), which hold x_0, ..., x_k, and return (n,) in nats.
"""

import numpy as np
from scipy.stats import norm

from tests.oracles.linear_gaussian import LinearGaussianCascade


def _log_density(values: np.ndarray, mean: np.ndarray, std: float) -> np.ndarray:
    return norm(mean, std).logpdf(values).sum(-1)


def paper(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    """Return log q with x_i ~ N(x_0, c_i^2)."""
    c = cascade.corruption_std
    return sum(_log_density(states[:, i], states[:, 0], c[i]) for i in range(1, len(c)))


def widened(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    """Return log q with x_i ~ N(x_0, rho_i^2) for i < k, and x_k ~ N(x_0, c_k^2)."""
    k = cascade.n_levels
    std = [*cascade.reconstruction_std[1:], cascade.corruption_std[k]]
    return sum(_log_density(states[:, i], states[:, 0], std[i - 1]) for i in range(1, k + 1))


def renoising(cascade: LinearGaussianCascade, states: np.ndarray) -> np.ndarray:
    """Return log q with x_1 ~ N(x_0, c_1^2) and x_{i+1} ~ N(r(x_i), c_{i+1}^2 + rho_{i-1}^2 - c_{i-1}^2)."""
    c, rho = cascade.corruption_std, cascade.reconstruction_std
    total = _log_density(states[:, 1], states[:, 0], c[1])
    for i in range(1, cascade.n_levels):
        mse = rho[i - 1] ** 2 - c[i - 1] ** 2
        mean = states[:, i] @ cascade.matrix.T + cascade.bias
        total = total + _log_density(states[:, i + 1], mean, np.sqrt(c[i + 1] ** 2 + mse))
    return total


def guided(cascade: LinearGaussianCascade, states: np.ndarray, share: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return log q with x_i ~ N(a_i x_0 + (1 - a_i) m_i, std_i^2), m_i = r(x_{i+1}), m_k the prior mean, a = share."""
    k, total = cascade.n_levels, 0.0
    for i in range(1, k + 1):
        prior = cascade.prior_mean if i == k else states[:, i + 1] @ cascade.matrix.T + cascade.bias
        mean = share[i - 1] * states[:, 0] + (1.0 - share[i - 1]) * prior
        total = total + _log_density(states[:, i], mean, std[i - 1])
    return total
