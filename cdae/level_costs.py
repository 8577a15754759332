"""What a choice of corruption levels costs: minus the bound of Eq. 4 at the variances of Eq. 9, averaged over data.

The bound depends on a denoiser only through its mean squared error at every level, MSE(c). Minus its average is a sum
over the levels c_1 < ... < c_k,

    first(c_1) + sum_{i=1}^{k-1} pair(c_i, c_{i+1}) + last(c_k)
    first(c)    = E[-log p(x_0 | x_1)]           = sum_j 1/2 log(2 pi e MSE_j(c))
    pair(b, c)  = E KL(q(x_i | x_0), p(x_i | x_{i+1})) = sum_j 1/2 log(1 + MSE_j(c) / b^2)
    last(c)     = E KL(q(x_k | x_0), p(x_k))     = sum_j 1/2 log(1 + v_j / c^2)

over the pixels j, where the prior is fitted in closed form and v_j is the data's variance along its axes (`prior`).
The equations hold on the examples that the variances were fitted on. On other examples the same variances stand with
other errors, and the terms are those of `gaussian`. Not here: the search for the best levels (`schedules`), and how
errors are measured (`error_curve`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import kl_normal, log_normal


@dataclass(frozen=True)
class LevelCosts:
    """The costs of levels on a grid of m increasing standard deviations, in nats and float64.

    Attributes:
        first: (m,), the reconstruction term of c_1.
        pair: (m, m), pair[a, b] is the term of neighbours c_i at a and c_{i+1} at b; it is used for a < b alone.
        last: (m,), the prior term of c_k.
    """

    first: Float[Tensor, "m"]
    pair: Float[Tensor, "m m"]
    last: Float[Tensor, "m"]

    def total(self, levels: Sequence[int]) -> float:
        """Return the cost of the levels at these indices of the grid, which increase: minus the bound, in nats."""
        between = sum(self.pair[a, b].item() for a, b in pairwise(levels))
        return self.first[levels[0]].item() + between + self.last[levels[-1]].item()


def first_costs(
    fitted_mse: Float[Tensor, "m columns"], mse: Float[Tensor, "m columns"], *, n_copies: float, variance_floor: float
) -> Float[Tensor, "m"]:
    """Return E[-log p(x_0 | x_1)] for c_1 at every level of the grid, in nats.

    Args:
        fitted_mse: the errors that rho_0^2 is fitted to (Eq. 9), one per pixel, or one column for all pixels.
        mse: the errors on the examples that the bound is averaged over, of the same shape.
        n_copies: the number of pixels that a column stands for.
        variance_floor: the least value of rho_0^2.
    """
    std = fitted_mse.clamp(min=variance_floor).sqrt()
    return -n_copies * log_normal(mse.sqrt(), torch.zeros_like(mse), std)


def pair_costs(
    corruption_std: Float[Tensor, "m"],
    fitted_mse: Float[Tensor, "m columns"],
    mse: Float[Tensor, "m columns"],
    *,
    n_copies: float,
    variance_floor: float,
) -> Float[Tensor, "m m"]:
    """Return E KL(q(x_i | x_0), p(x_i | x_{i+1})) for all pairs of levels of the grid, in nats.

    Args:
        corruption_std: the grid. The rows of the result are those of c_i, and its columns those of c_{i+1}.
        fitted_mse, mse, n_copies, variance_floor: as in `first_costs`, of rho_i^2 = c_i^2 + MSE(c_{i+1}).
    """
    rows = []
    for c in corruption_std:
        std = (c.square() + fitted_mse).clamp(min=variance_floor).sqrt()
        rows.append(n_copies * kl_normal(mse.sqrt(), c, torch.zeros_like(mse), std))
    return torch.stack(rows)


def last_costs(corruption_std: Float[Tensor, "m"], data_variance: Float[Tensor, "dim"]) -> Float[Tensor, "m"]:
    """Return E KL(q(x_k | x_0), p(x_k)) for c_k at every level, on the examples that the prior is fitted on.

    Args:
        data_variance: along the axes of the prior. They are the variances of the pixels, their mean for every pixel, or
            the eigenvalues of the covariance, for a prior that is diagonal, isotropic or full.
    """
    return 0.5 * torch.log1p(data_variance / corruption_std.square()[:, None]).sum(1)
