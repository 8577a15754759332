"""log p(x_0) of a one-dimensional cascade with any denoiser r, by quadrature over its latents, one level at a time.

p(x_k) = N(prior_mean, prior_std^2),  p(x_i | x_{i+1}) = N(r(x_{i+1}), rho_i^2)
"""

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
) -> np.ndarray:
    """At x (n,); the grid is equally spaced, wide enough to hold all latents and finer than the smallest rho."""
    spacing = grid[1] - grid[0]
    density = norm.pdf(grid, prior_mean, prior_std)
    for rho in reconstruction_std[:0:-1]:
        density = norm.pdf(grid[:, None], denoiser(grid), rho) @ density * spacing
    return np.log(norm.pdf(x[:, None], denoiser(grid), reconstruction_std[0]) @ density * spacing)
