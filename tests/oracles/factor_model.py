"""Factor analysis: z ~ N(0, I), x = W z + b + s eps, so x ~ N(b, W W^T + diag s^2).

The weights W have shape (d, latent), the bias b has shape (d,), and the standard deviation s is a number (probabilistic
principal component analysis) or has shape (d,). All log densities are in nats.
"""

import numpy as np
from scipy.stats import multivariate_normal


def covariance(weights: np.ndarray, std: float | np.ndarray) -> np.ndarray:
    """Return the covariance (d, d) of x."""
    return weights @ weights.T + std**2 * np.eye(len(weights))


def log_prob(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray) -> np.ndarray:
    """Return log p(x) at each row of x (n, d)."""
    return multivariate_normal(bias, covariance(weights, std)).logpdf(x)


def posterior(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means (n, latent) and the common covariance (latent, latent) of p(z | x), for each row of x (n, d).

    They follow from conditioning the joint Gaussian of x and z.
    """
    gain = np.linalg.solve(covariance(weights, std), weights).T
    return (x - bias) @ gain.T, np.eye(weights.shape[1]) - gain @ weights
