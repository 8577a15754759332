"""Factor analysis: z ~ N(0, I), x = W z + b + s eps, so x ~ N(b, W W^T + diag s^2); a scalar s makes it PPCA."""

import numpy as np
from scipy.stats import multivariate_normal


def covariance(weights: np.ndarray, std: float | np.ndarray) -> np.ndarray:
    """Of x."""
    return weights @ weights.T + std**2 * np.eye(len(weights))


def log_prob(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray) -> np.ndarray:
    return multivariate_normal(bias, covariance(weights, std)).logpdf(x)


def posterior(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n, latent) and the common covariance (latent, latent) of p(z | x), by conditioning the joint Gaussian."""
    gain = np.linalg.solve(covariance(weights, std), weights).T
    return (x - bias) @ gain.T, np.eye(weights.shape[1]) - gain @ weights
