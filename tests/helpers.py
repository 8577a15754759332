"""Tools for several test files: generators, linear denoisers and cascades, exact expectations, statistical checks."""

import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cdae import objective
from cdae.corruption import NoiseSchedule
from cdae.model import CDAE
from tests.oracles import scalar_cascade
from tests.oracles.linear_gaussian import LinearGaussianCascade
from tests.oracles.scalar_cascade import two_mode_mean

CDAE_OPTIONS = {
    "schedule": "geometric",
    "first_std": 0.2,
    "last_std": 2.0,
    "n_levels": 3,
    "hidden_sizes": [8],
    "denoiser": "blind",
    "loss": "shrunk",
}


def seeded(seed: int) -> torch.Generator:
    """Return a CPU generator with this seed."""
    return torch.Generator().manual_seed(seed)


class LinearDenoiser(nn.Module):
    """The linear denoiser r(x) = A x + b in float64, which ignores the level and has no trainable parameters."""

    def __init__(self, matrix: np.ndarray, bias: np.ndarray):
        super().__init__()
        self.register_buffer("matrix", torch.from_numpy(matrix))
        self.register_buffer("bias", torch.from_numpy(bias))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return x @ self.matrix.T + self.bias


def linear_cascade(
    seed: int, dim: int, n_levels: int, *, reconstruction: str = "isotropic", prior: str = "diagonal"
) -> tuple[CDAE, LinearGaussianCascade]:
    """Build a random linear-Gaussian cascade, whose rho are not those of Eq. 9, and its oracle."""
    rng = np.random.default_rng(seed)
    matrix = 0.7 * rng.standard_normal((dim, dim)) / np.sqrt(dim) + 0.3 * np.eye(dim)
    bias = rng.standard_normal(dim)
    schedule = NoiseSchedule((0.0, *np.cumsum(rng.uniform(0.2, 0.7, n_levels)).tolist()))
    data_mean, data_std = rng.standard_normal(dim), rng.uniform(0.3, 2.0, dim)
    covariance = correlated(seed, data_std)
    model = CDAE(
        LinearDenoiser(matrix, bias),
        schedule,
        data_mean=torch.from_numpy(data_mean),
        data_std=torch.from_numpy(data_std),
        reconstruction=reconstruction,
        prior=prior,
        data_covariance=torch.from_numpy(covariance) if prior == "full" else None,
    )
    rho = rng.uniform(0.4, 2.0, model.reconstruction_std.shape)
    model.reconstruction_std.copy_(torch.from_numpy(rho))
    c = np.array(schedule.corruption_std)
    variance = {"diagonal": data_std**2, "isotropic": np.full(dim, (data_std**2).mean()), "full": data_std**2}[prior]
    top = covariance + c[-1] ** 2 * np.eye(dim) if prior == "full" else None
    return model, LinearGaussianCascade(matrix, bias, c, rho, data_mean, np.sqrt(variance + c[-1] ** 2), top)


def correlated(seed: int, std: np.ndarray) -> np.ndarray:
    """Return a random covariance (d, d) with these standard deviations."""
    root = np.random.default_rng(10_000 + seed).standard_normal((len(std), len(std)))
    covariance = root @ root.T
    ratio = std / np.sqrt(np.diag(covariance))
    return ratio[:, None] * covariance * ratio


class TwoModeDenoiser(nn.Module):
    """The posterior mean for two modes at one corruption level; it ignores the level and has no parameters."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return torch.from_numpy(two_mode_mean(x.numpy(), mode=1.0, mode_std=0.2, corruption_std=0.5))


def two_mode_cascade() -> tuple[CDAE, Callable[[np.ndarray], np.ndarray]]:
    """Build a cascade in one dimension with three levels and a nonlinear denoiser, and its exact log density."""
    zeros, std = torch.zeros(1, dtype=torch.float64), torch.tensor([1.02], dtype=torch.float64)
    model = CDAE(TwoModeDenoiser(), NoiseSchedule((0.0, 0.3, 0.7, 1.5)), data_mean=zeros, data_std=std)
    model.reconstruction_std.copy_(torch.tensor([0.3, 0.4, 0.9]))
    denoiser = partial(two_mode_mean, mode=1.0, mode_std=0.2, corruption_std=0.5)
    rho, prior_std = model.reconstruction_std.numpy(), model.prior_std.item()
    grid = np.linspace(-12.0, 12.0, 1_201)
    return model, lambda x: scalar_cascade.log_prob(x, denoiser, rho, 0.0, prior_std, grid)


def finite_variance_cascade() -> tuple[CDAE, LinearGaussianCascade]:
    """Build a cascade whose importance weights have finite variance (rho_i^2 < 2 c_i^2), and its oracle.

    It has two dimensions, two levels and a matrix that is not symmetric.
    """
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
    """Return the 2 dim points +-sqrt(dim) e_j, over which a quadratic function has its exact mean under N(0, I)."""
    points = dim**0.5 * torch.eye(dim, dtype=torch.float64)
    return torch.cat([points, -points])


def shared_noise(model: CDAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat one point x (dim,), and corrupt it by the quadrature points, which are the same at every level.

    Means over these copies are exact for quadratic functions whose terms each depend on one level, such as the terms of
    the bound.
    """
    z = quadrature(len(x))
    return x.expand(len(z), -1), x + model.corruption_std[1:, None, None] * z


def pixel_mse(model: CDAE, xs: Tensor) -> Tensor:
    """Return the exact MSE_1 .. MSE_k of a linear denoiser per pixel, (k, dim), over the rows of xs and the noise."""
    copies = [shared_noise(model, x) for x in xs]
    return torch.stack([(x - model.denoise(noisy)).square().mean(1) for x, noisy in copies]).mean(0)


def level_mse(model: CDAE, xs: Tensor) -> Tensor:
    """Return the exact MSE_1 .. MSE_k of a linear denoiser, (k,), averaged over the pixels of `pixel_mse`."""
    return pixel_mse(model, xs).mean(1)


def simulate(oracle: LinearGaussianCascade, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw examples x_0 (n, dim) from the model, and return them with their latents x_1 .. x_k (k, n, dim)."""
    states = np.random.default_rng(seed).multivariate_normal(*oracle.joint_moments(), n)
    states = torch.from_numpy(states).reshape(n, oracle.n_levels + 1, oracle.dim).permute(1, 0, 2).contiguous()
    return states[0], states[1:]


def gradient(loss: Tensor, model: CDAE) -> Tensor:
    """Return the gradient of a scalar loss with respect to all parameters of the model, as one vector."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def full_loss(model: CDAE, x: Tensor, noisy: Tensor) -> Tensor:
    """Return the loss over all levels at given corrupted copies."""
    last_step = None if model.density_predictor is None else model.density_predictor(noisy[0])
    return objective.full_loss(x, model.denoise(noisy), model.reconstruction_std, last_step)


def expected_gradient_of_one_level(model: CDAE, x: Tensor, noise: Tensor, monkeypatch) -> Tensor:
    """Return the expected gradient of a model's loss that draws one level per example, over the levels.

    It is the sum of the gradients at each level, with the same noise, weighted by the probability of the level.
    """
    drawn = {}

    def draw_one_level(probability, n, generator):
        drawn["probability"] = probability
        return torch.full((n,), drawn["level"])

    monkeypatch.setattr(objective, "corrupt_at", lambda x, level, c, generator: x + c[level, None] * noise)
    monkeypatch.setattr(objective, "draw_levels", draw_one_level)
    total = torch.zeros(())
    for drawn["level"] in range(1, model.n_levels + 1):
        one = gradient(model.loss(x, generator=seeded(0)), model)
        total = total + drawn["probability"][drawn["level"] - 1] * one
    return total


class Recorder:
    """A recorder of the inputs and outputs of a cascade's `denoise_level`, by level, in the order of the calls."""

    def __init__(self, model: CDAE, monkeypatch):
        self.states: dict[int, list[Tensor]] = {}
        self.reconstructions: dict[int, list[Tensor]] = {}
        real = model.denoise_level

        def recording(x: Tensor, level: int) -> Tensor:
            x_hat = real(x, level)
            self.states.setdefault(level, []).append(x)
            self.reconstructions.setdefault(level, []).append(x_hat)
            return x_hat

        monkeypatch.setattr(model, "denoise_level", recording)

    def latents(self, *shape: int) -> Tensor:
        """Return the states of all levels as one tensor (k, *shape)."""
        return torch.stack([torch.cat(self.states[i]).reshape(shape) for i in sorted(self.states)])

    def answers(self, *shape: int) -> Tensor:
        """Return the reconstructions of all levels as one tensor (k, *shape)."""
        return torch.stack([torch.cat(self.reconstructions[i]).reshape(shape) for i in sorted(self.reconstructions)])


class LargestTensor(TorchDispatchMode):
    """A dispatch mode that records in n_elements the size of the largest tensor that an operation returns."""

    n_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.n_elements = max(self.n_elements, result.numel())
        return result


def mutated(module: ModuleType, old: str, new: str) -> ModuleType:
    """Return a copy of a module in which one piece of the source is replaced; the piece must occur exactly once."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
    mutant = ModuleType(module.__name__)
    exec(compile(source.replace(old, new), "mutant", "exec"), mutant.__dict__)
    return mutant


def assert_mean(values: np.ndarray, expected: np.ndarray | float, n_errors: float = 5.0) -> None:
    """Assert that the mean of independent rows is within `n_errors` standard errors of the expected mean."""
    values = np.asarray(values, dtype=np.float64)
    error = values.std(0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(0) - expected) <= n_errors * error + 1e-12).all(), (values.mean(0), expected, error)


def assert_moments(samples: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Assert that independent samples have this mean and covariance, within 5 standard errors in each entry."""
    assert_mean(samples, mean)
    centered = np.asarray(samples, dtype=np.float64) - mean
    assert_mean(centered[:, :, None] * centered[:, None, :], covariance)
