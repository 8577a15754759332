"""Quadrature: log p(x) of a cascade in one dimension, with the latents integrated out on a grid, level by level.

    p(x_i) = int N(x_i; r(x_{i+1}), rho_i^2) p(x_{i+1}) dx_{i+1},    i = k-1, ..., 0

The trapezoidal rule is far more accurate than sampling for a smooth density that vanishes at both ends of the grid, if
the grid is finer than the narrowest transition. Not here: more dimensions, where a grid would be too large.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.two_sided import BothSides
from cdae.interfaces import Cascade
from cdae.pixel_density import PixelDensity

POINTS_PER_STD = 10  # grid points per standard deviation of the narrowest transition
HALF_WIDTH = 8.0  # standard deviations by which a grid extends beyond the means of its level
LARGEST_GRID = 20_000
BLOCK_ROWS = 500  # rows at a time of the matrix between two grids


class Quadrature:
    """The exact log density, as an estimator whose lower and upper bound are equal (`two_sided.TwoSided`).

    Args:
        model: a cascade in one dimension.

    Raises:
        ValueError: if the model has more than one dimension.
    """

    def __init__(self, model: Cascade):
        if len(model.prior_mean) != 1:
            raise ValueError(
                f"quadrature: got {len(model.prior_mean)} dimensions, expected 1; use an estimator that samples"
            )
        self.model = model

    def log_weights(self, x: Float[Tensor, "n 1"], *, generator: torch.Generator) -> Float[Tensor, "1 n"]:
        """Return log p(x) in nats, as one row; the generator is not used."""
        return log_density(self.model, x)[None]

    def both_sides(self, x: Float[Tensor, "n 1"], latents: Tensor, *, generator: torch.Generator) -> BothSides:
        """Return log p(x) in nats as either side; the latents and the generator are not used."""
        log_p = log_density(self.model, x)
        return BothSides(log_p[None], log_p)


@torch.no_grad()
def log_density(model: Cascade, x: Float[Tensor, "n 1"]) -> Float[Tensor, "n"]:
    """Return log p(x) in nats and float64, by the trapezoidal rule.

    Raises:
        ValueError: if the narrowest transition needs a grid of more than 20,000 points.
    """
    rho, prior_std = model.reconstruction_std.flatten(), model.prior_std.item()  # one pixel
    wide = _grid(model.prior_mean, prior_std, prior_std / POINTS_PER_STD)
    narrowest = min(*rho.tolist(), prior_std, model.last_step(wide.to(x.dtype)).std.min().item())
    step = narrowest / POINTS_PER_STD
    grid = _grid(model.prior_mean, prior_std, step)
    log_p = model.prior.log_prob(grid)
    for level in range(len(rho), 0, -1):
        step_down = PixelDensity(rho[level - 1]) if level > 1 else model.last_step(grid.to(x.dtype)).double()
        x_hat = model.denoise_level(grid.to(x.dtype), level).double()
        grid = _grid(x_hat, rho[level - 1].item(), step) if level > 1 else x.double()
        parts = grid.split(BLOCK_ROWS)
        log_p = torch.cat([_integrate(part, x_hat, step_down, log_p + math.log(step)) for part in parts])
    return log_p


def _integrate(
    x: Float[Tensor, "m 1"], x_hat: Float[Tensor, "l 1"], step_down: PixelDensity, log_mass: Tensor
) -> Tensor:
    """Return the log of the sum, over the grid of the level above, of p(x | its point) times the mass at the point.

    The standard deviation of the density has shape () or (l, 1).
    """
    pairs = x[:, None].expand(-1, len(x_hat), -1)
    return torch.logsumexp(step_down.log_prob(pairs, x_hat) + log_mass, dim=1)


def _grid(means: Tensor, std: float, step: float) -> Float[Tensor, "m 1"]:
    """Return equally spaced points that cover a Gaussian around each of the means, with its tails."""
    low, high = means.min().item() - HALF_WIDTH * std, means.max().item() + HALF_WIDTH * std
    n = int((high - low) / step) + 2
    if n > LARGEST_GRID:
        raise ValueError(
            f"quadrature: got a grid of {n} points, expected at most {LARGEST_GRID}; use an estimator that samples"
        )
    return low + step * torch.arange(n, dtype=torch.float64, device=means.device)[:, None]
