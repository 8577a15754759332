"""Probabilistic principal component analysis: z ~ N(0, I), x = W z + b + s eps, so x ~ N(b, W W^T + s^2 I)."""

import numpy as np
from scipy.stats import multivariate_normal


def log_prob(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float) -> np.ndarray:
    return multivariate_normal(bias, weights @ weights.T + std**2 * np.eye(len(bias))).logpdf(x)


def posterior(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, std: float) -> tuple[np.ndarray, np.ndarray]:
    """Means (n, latent) and the common covariance (latent, latent) of p(z | x)."""
    precision = weights.T @ weights + std**2 * np.eye(weights.shape[1])
    return np.linalg.solve(precision, weights.T @ (x - bias).T).T, std**2 * np.linalg.inv(precision)
