"""The forward process of a diffusion model: q(x_{i+1} | x_i) = N(x_i, (c_{i+1}^2 - c_i^2) I), a Markov chain from x_0.

Its marginals are those of a cascade's corruption, N(x_0, c_i^2 I) (`corruption`), but its levels are dependent given
x_0: each adds noise to the one below. The variance grows from level to level, and the mean stays.
Source: J. Sohl-Dickstein et al., 2015; J. Ho et al., "Denoising Diffusion Probabilistic Models", 2020.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import log_normal, standard_normal


def step_std(corruption_std: Float[Tensor, "levels"]) -> Float[Tensor, "k"]:
    """Return sqrt(c_{i+1}^2 - c_i^2) for i = 0 .. k-1, the noise of each step, in data units and float64."""
    return corruption_std.double().square().diff().sqrt()


def walk(
    x: Float[Tensor, "n dim"], corruption_std: Float[Tensor, "levels"], *, generator: torch.Generator
) -> Float[Tensor, "k n dim"]:
    """Draw a path x_1 .. x_k from each x_0 = x.

    Args:
        corruption_std: c_0 .. c_k, (k + 1,), in data units.
    """
    std = step_std(corruption_std).to(x.dtype)
    return x + (std[:, None, None] * standard_normal(x, len(std), *x.shape, generator=generator)).cumsum(0)


def log_prob(
    x: Float[Tensor, "n dim"], path: Float[Tensor, "k n dim"], corruption_std: Float[Tensor, "levels"]
) -> Float[Tensor, "n"]:
    """Return log q(x_1 .. x_k | x_0 = x) in nats, where path[i-1] is x_i."""
    below = torch.cat([x[None], path[:-1]])
    return torch.stack([log_normal(*step) for step in zip(path, below, step_std(corruption_std), strict=True)]).sum(0)
