"""Stationary moments of the Markov chain x' = A (x + c eps) + b + rho eps', eps and eps' standard normal."""

import numpy as np
from scipy.linalg import solve_discrete_lyapunov


def stationary_mean(matrix: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the stationary mean m (d,), the solution of m = A m + b."""
    return np.linalg.solve(np.eye(len(bias)) - matrix, bias)


def stationary_covariance(matrix: np.ndarray, corruption_std: float, reconstruction_std: float) -> np.ndarray:
    """Return the stationary covariance S (d, d), the solution of S = A (S + c^2 I) A^T + rho^2 I.

    The mean-only chain has rho = 0.
    """
    noise = corruption_std**2 * matrix @ matrix.T + reconstruction_std**2 * np.eye(len(matrix))
    return solve_discrete_lyapunov(matrix, noise)
