"""The density of a cascade in one dimension with any denoiser, by quadrature on a grid."""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm


def log_prob(
    x: np.ndarray,
    denoiser: Callable[[np.ndarray], np.ndarray],
    reconstruction_std: np.ndarray,
    prior_mean: float,
    prior_std: float,
    grid: np.ndarray,
    broad_share: float = 0.0,
) -> np.ndarray:
    """Return log p(x_0) in nats at x (n,), by integrating out the levels from the top down on an evenly spaced grid.

    Args:
        denoiser: r, which maps an array of points to an array of the same shape.
        reconstruction_std: rho_0 .. rho_{k-1}, (k,).
        grid: (m,), evenly spaced; it covers all levels and is finer than the smallest standard deviation.
        broad_share: of a component N(1/2, 1/4) of the last step.
    """
    density, step = norm.pdf(grid, prior_mean, prior_std), grid[1] - grid[0]
    mean = denoiser(grid)
    for rho in reconstruction_std[:0:-1]:
        density = norm.pdf(grid[:, None], mean, rho) @ density * step
    narrow = norm.pdf(x[:, None], mean, reconstruction_std[0])
    last_step = (1.0 - broad_share) * narrow + broad_share * norm.pdf(x, 0.5, 0.5)[:, None]
    return np.log(last_step @ density * step)


def two_mode_mean(x: np.ndarray, mode: float, mode_std: float, corruption_std: float) -> np.ndarray:
    """Return E[x_0 | x], for x_0 from an equal mixture of N(mode, mode_std^2) and N(-mode, mode_std^2).

    The observation is x ~ N(x_0, corruption_std^2).
    """
    variance = mode_std**2 + corruption_std**2
    return (mode_std**2 * x + corruption_std**2 * mode * np.tanh(mode * x / variance)) / variance
