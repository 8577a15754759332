"""Tools for the tests of annealed importance sampling: quiet runs, a factor model, two checks."""

import math

import numpy as np
import torch

from baselines.vae import VAE
from cdae.denoiser import DataScale
from tests.helpers import assert_mean, seeded


def quiet(line: str) -> None:
    """Ignore a line of progress."""


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
