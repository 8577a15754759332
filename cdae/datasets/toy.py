"""Toy data with a known density, so that every test point has an exact log density.

gaussian_8d    an isotropic Gaussian with a nonzero mean in 8 dimensions
mixture_2d     a ring of six Gaussians with unequal weights in 2 dimensions
mixture_1d     two modes in 1 dimension, where a model's own density is computed by quadrature
"""

import numpy as np
from scipy.special import logsumexp

from cdae.computing.seeds import seed_from
from cdae.data import RawData

N_TRAIN, N_VALIDATION, N_TEST = 10_000, 2_000, 10_000

GAUSSIAN_MEAN = np.linspace(-1.0, 2.5, 8)
GAUSSIAN_STD = 1.5

MIXTURE_STD = 0.5
_angles = 2.0 * np.pi * np.arange(6) / 6
MIXTURE_MEANS = 4.0 * np.stack([np.cos(_angles), np.sin(_angles)], axis=1)
MIXTURE_WEIGHTS = np.arange(1.0, 7.0) / 21.0

MODES_MEANS, MODES_STD = np.array([[-1.0], [1.0]]), 0.2
MODES_WEIGHTS = np.array([0.4, 0.6])


def log_normal(x: np.ndarray, mean: np.ndarray, std: float) -> np.ndarray:
    """Return log N(x; mean, std^2 I) over the last axis, in nats."""
    squared = ((x - mean) / std) ** 2
    return -0.5 * squared.sum(-1) - x.shape[-1] * np.log(std * np.sqrt(2.0 * np.pi))


def gaussian_log_density(x: np.ndarray) -> np.ndarray:
    """Return the exact log density of `gaussian_8d` at x (n, 8), in nats, (n,)."""
    return log_normal(x, GAUSSIAN_MEAN, GAUSSIAN_STD)


def mixture_log_density(x: np.ndarray) -> np.ndarray:
    """Return the exact log density of `mixture_2d` at x (n, 2), in nats, (n,)."""
    return _mixture_log_density(x, MIXTURE_MEANS, MIXTURE_STD, MIXTURE_WEIGHTS)


def modes_log_density(x: np.ndarray) -> np.ndarray:
    """Return the exact log density of `mixture_1d` at x (n, 1), in nats, (n,)."""
    return _mixture_log_density(x, MODES_MEANS, MODES_STD, MODES_WEIGHTS)


def _mixture_log_density(x: np.ndarray, means: np.ndarray, std: float, weights: np.ndarray) -> np.ndarray:
    return logsumexp(log_normal(x[:, None, :], means, std) + np.log(weights), axis=1)


def load_gaussian_8d() -> RawData:
    """Draw `gaussian_8d` with a fixed seed: float32 splits of 10,000 / 2,000 / 10,000 points."""
    rng = np.random.default_rng(seed_from("gaussian_8d", "draws"))
    x = GAUSSIAN_MEAN + GAUSSIAN_STD * rng.standard_normal((N_TRAIN + N_VALIDATION + N_TEST, 8))
    return _split(x, gaussian_log_density)


def load_mixture_2d() -> RawData:
    """Draw `mixture_2d` with a fixed seed: float32 splits of 10,000 / 2,000 / 10,000 points."""
    x = _draw_mixture("mixture_2d", MIXTURE_MEANS, MIXTURE_STD, MIXTURE_WEIGHTS)
    return _split(x, mixture_log_density)


def load_mixture_1d() -> RawData:
    """Draw `mixture_1d` with a fixed seed: float32 splits of 10,000 / 2,000 / 10,000 points."""
    return _split(_draw_mixture("mixture_1d", MODES_MEANS, MODES_STD, MODES_WEIGHTS), modes_log_density)


def _draw_mixture(name: str, means: np.ndarray, std: float, weights: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed_from(name, "draws"))
    n = N_TRAIN + N_VALIDATION + N_TEST
    component = rng.choice(len(weights), size=n, p=weights)
    return means[component] + std * rng.standard_normal((n, means.shape[1]))


def _split(x, log_density) -> RawData:
    train, validation, test = np.split(x.astype(np.float32), [N_TRAIN, N_TRAIN + N_VALIDATION])
    return RawData(train, validation, test, n_intensity_levels=None, unit_interval=False, log_density=log_density)
