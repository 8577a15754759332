"""What several test files share: generators, linear denoisers and cascades, exact expectations, statistical checks."""

import numpy as np
import torch
from torch import Tensor, nn

from cdae.corruption import NoiseSchedule
from cdae.model import CDAE
from tests.oracles.linear_gaussian import LinearGaussianCascade


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LinearDenoiser(nn.Module):
    """r(x) = A x + b in float64, blind, without parameters."""

    def __init__(self, matrix: np.ndarray, bias: np.ndarray):
        super().__init__()
        self.register_buffer("matrix", torch.from_numpy(matrix))
        self.register_buffer("bias", torch.from_numpy(bias))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return x @ self.matrix.T + self.bias


def linear_cascade(seed: int, dim: int, n_levels: int) -> tuple[CDAE, LinearGaussianCascade]:
    """A random linear-Gaussian cascade, far from any optimum, and its oracle."""
    rng = np.random.default_rng(seed)
    matrix = 0.7 * rng.standard_normal((dim, dim)) / np.sqrt(dim) + 0.3 * np.eye(dim)
    bias = rng.standard_normal(dim)
    schedule = NoiseSchedule((0.0, *np.cumsum(rng.uniform(0.2, 0.7, n_levels)).tolist()))
    data_mean, data_std = rng.standard_normal(dim), rng.uniform(0.3, 2.0, dim)
    model = CDAE(
        LinearDenoiser(matrix, bias),
        schedule,
        data_mean=torch.from_numpy(data_mean),
        data_std=torch.from_numpy(data_std),
    )
    rho = rng.uniform(0.4, 2.0, n_levels)
    model.reconstruction_std.copy_(torch.from_numpy(rho))
    c = np.array(schedule.corruption_std)
    return model, LinearGaussianCascade(matrix, bias, c, rho, data_mean, np.sqrt(data_std**2 + c[-1] ** 2))


def finite_variance_cascade() -> tuple[CDAE, LinearGaussianCascade]:
    """Two dimensions, two levels, not symmetric, and rho_i^2 < 2 c_i^2: weights of finite variance."""
    matrix, bias = np.array([[0.6, 0.2], [-0.1, 0.5]]), np.array([0.3, -0.2])
    data_mean, data_std, rho = np.array([0.5, -0.5]), np.array([1.0, 0.7]), np.array([0.6, 0.75])
    model = CDAE(
        LinearDenoiser(matrix, bias),
        NoiseSchedule((0.0, 0.6, 1.2)),
        data_mean=torch.from_numpy(data_mean),
        data_std=torch.from_numpy(data_std),
    )
    model.reconstruction_std.copy_(torch.from_numpy(rho))
    c = np.array([0.0, 0.6, 1.2])
    return model, LinearGaussianCascade(matrix, bias, c, rho, data_mean, np.sqrt(data_std**2 + 1.44))


def quadrature(dim: int) -> Tensor:
    """2 dim points, +-sqrt(dim) e_j: their mean of a quadratic function is its exact mean under N(0, I)."""
    points = dim**0.5 * torch.eye(dim, dtype=torch.float64)
    return torch.cat([points, -points])


def shared_noise(model: CDAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """One point x (dim,), repeated, with corrupted copies at the quadrature points, the same at every level.

    Exact for a function whose terms see one level each, such as the terms of the bound.
    """
    z = quadrature(len(x))
    return x.expand(len(z), -1), x + model.corruption_std[1:, None, None] * z


def level_mse(model: CDAE, xs: Tensor) -> Tensor:
    """Exact MSE_1 .. MSE_k of a linear denoiser over the rows of xs and their corruption, (k,)."""
    copies = [shared_noise(model, x) for x in xs]
    return torch.stack([(x - model.denoise(noisy)).square().mean((1, 2)) for x, noisy in copies]).mean(0)


def assert_mean(values: np.ndarray, expected: np.ndarray | float, n_errors: float = 5.0) -> None:
    """The mean of independent rows is within `n_errors` standard errors of what is expected."""
    values = np.asarray(values, dtype=np.float64)
    error = values.std(0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(0) - expected) <= n_errors * error + 1e-12).all(), (values.mean(0), expected, error)


def assert_moments(samples: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Independent samples have this mean and covariance, to 5 standard errors in each entry."""
    assert_mean(samples, mean)
    centered = np.asarray(samples, dtype=np.float64) - mean
    assert_mean(centered[:, :, None] * centered[:, None, :], covariance)
