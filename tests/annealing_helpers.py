"""Tools for the tests of annealed importance sampling: quiet runs, fixed step sizes, a factor model, two checks."""

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from baselines.vae import VAE
from cdae.denoiser import DataScale
from cdae.estimators import annealing, proposals
from cdae.estimators.annealing import Annealed, StepSizes
from cdae.estimators.paths import AnnealingPath, linear_schedule
from tests.helpers import assert_mean, seeded


def quiet(line: str) -> None:
    """Ignore a line of progress."""


forward = partial(annealing.log_weights, progress=quiet)
reverse = partial(annealing.reverse_log_weights, progress=quiet)
pilot = partial(annealing.pilot, progress=quiet)

PAPER = proposals.Paper()
GUIDED = proposals.Guided(torch.tensor([0.7, 0.5]).double(), torch.tensor([0.55, 1.0]).double())


def constant_steps(size: float, n_leapfrog: int) -> StepSizes:
    """Return the same step size for every beta."""
    sizes = torch.full((2,), size, dtype=torch.float64)
    return StepSizes(linear_schedule(1), sizes, torch.full_like(sizes, torch.nan), n_leapfrog)


def both_ways(
    path: AnnealingPath, x: Tensor, latents: Tensor, betas: Tensor, steps: StepSizes, n_chains: int = 1
) -> tuple[Annealed, Annealed]:
    """Run annealing forward, and in reverse from the exact latents, with the same step sizes and different seeds."""
    there = forward(path, x, betas, steps, n_chains=n_chains, generator=seeded(1))
    back = reverse(path, x, latents, betas, steps, n_chains=n_chains, generator=seeded(2))
    return there, back


def assert_unbiased(*weights: np.ndarray) -> None:
    """Assert that the mean of each array of weights is 1, within 5 standard errors."""
    for w in weights:
        assert_mean(w, 1.0)


def assert_mean_above(values: np.ndarray, bound: float, n_errors: float) -> None:
    """Assert that the mean of the values exceeds the bound by more than `n_errors` standard errors."""
    assert values.mean() > bound + n_errors * values.std(ddof=1) / math.sqrt(len(values)), values.mean()


def linear_decoder(dim: int, latent_dim: int, std: float) -> tuple[VAE, np.ndarray, np.ndarray]:
    """Build a VAE in float64 whose decoder is x = W z + b + std eps, and return it with W and b."""
    rng = np.random.default_rng(0)
    weights, bias = rng.standard_normal((dim, latent_dim)), rng.standard_normal(dim)
    scale = DataScale(torch.zeros(dim), 1.0, unit_interval=False)
    model = VAE(scale, latent_dim=latent_dim, hidden_sizes=[], generator=seeded(0)).double()
    with torch.no_grad():
        model.decoder[0].weight.copy_(torch.from_numpy(weights))
        model.decoder[0].bias.copy_(torch.from_numpy(bias))
        model.log_std.fill_(math.log(std))
    return model, weights, bias
