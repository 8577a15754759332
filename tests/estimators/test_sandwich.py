"""Every estimator of log p(x) from both sides, against exact densities."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from baselines.vae import VAE
from cdae.corruption import NoiseSchedule
from cdae.denoiser import DataScale
from cdae.estimators import course, proposals, sandwich
from cdae.estimators.convergence import has_converged, pareto_k
from cdae.estimators.gaussian_base import CascadeFit, DecoderFit
from cdae.estimators.two_sided import TwoSided
from cdae.gaussian import log_mean_exp
from cdae.model import CDAE
from cdae.objective import optimal_reconstruction_std
from tests.annealing_helpers import quiet
from tests.estimators.two_sided import COURSE, two_modes
from tests.helpers import (
    LinearDenoiser,
    assert_mean,
    correlated,
    level_mse,
    pixel_mse,
    seeded,
    simulate,
)
from tests.oracles.linear_gaussian import LinearGaussianCascade

pytestmark = pytest.mark.usefixtures("without_checks_of_shapes")
N_POINTS = 30
NAMES = ["paper", "widened", "renoising", "guided", "all pairs", "sequential", "annealed"]


def fitted_cascade(
    seed: int, dim: int, n_levels: int, reconstruction: str = "isotropic", prior: str = "diagonal"
) -> tuple[CDAE, LinearGaussianCascade, torch.Tensor]:
    """A random linear denoiser near the optimum of its data, with rho by Eq. 9; its oracle; its data."""
    rng = np.random.default_rng(seed)
    std, mean = rng.uniform(0.3, 0.6, dim), rng.standard_normal(dim)
    schedule = NoiseSchedule.geometric(n_levels, first_std=0.6, last_std=2.0)
    typical = np.exp(np.log(schedule.corruption_std[1:]).mean())
    matrix = np.diag(std**2 / (std**2 + typical**2)) + 0.1 * rng.standard_normal((dim, dim)) / np.sqrt(dim)
    bias = mean - matrix @ mean
    moments = {"data_mean": torch.from_numpy(mean), "data_std": torch.from_numpy(std)}
    covariance = correlated(seed, std)
    moments |= {"data_covariance": torch.from_numpy(covariance)} if prior == "full" else {}
    model = CDAE(LinearDenoiser(matrix, bias), schedule, **moments, reconstruction=reconstruction, prior=prior)
    xs = torch.from_numpy(mean + std * rng.standard_normal((200, dim)))
    mse = pixel_mse(model, xs) if reconstruction == "per_pixel" else level_mse(model, xs)
    rho = optimal_reconstruction_std(model.corruption_std, mse)
    model.reconstruction_std.copy_(rho)
    c = np.array(schedule.corruption_std)
    top = covariance + c[-1] ** 2 * np.eye(dim) if prior == "full" else None
    return model, LinearGaussianCascade(matrix, bias, c, rho.numpy(), mean, model.prior_std.numpy(), top), xs


# Of fewer directions than the largest cascade has.
FIT = partial(CascadeFit, rank=15, n_slopes=15, n_moves=5, n_centrings=1, force_precision="highest")


def estimators(model: CDAE, xs: torch.Tensor) -> dict[str, TwoSided]:
    guided = proposals.fit_guided(model, lambda _: xs, n_updates=60, learning_rate=0.08, generator=seeded(1))
    inference_models = {name: make() for name, make in proposals.PROPOSALS.items()} | {"guided": guided}
    return {
        **{name: sandwich.cascade_sampling(model, proposal, 1_000) for name, proposal in inference_models.items()},
        "all pairs": sandwich.repeated_all_pairs(model, proposals.Paper(), n_draws=25, n_repeats=60),
        "sequential": sandwich.repeated_sequential(model, guided, n_particles=20, n_repeats=50),
        "annealed": sandwich.Annealing(FIT(model), COURSE, 24, 20),
    }


@cache
def linear_case(seed: int, dim: int, n_levels: int, *variant: str):
    """All estimators of one cascade, points with their latents, and their exact log density."""
    model, oracle, xs = fitted_cascade(seed, dim, n_levels, *variant)
    x, latents = simulate(oracle, N_POINTS, seed)
    return estimators(model, xs), x, latents, oracle.log_prob(x.numpy())


@cache
def mixture_case():
    model = two_modes().model
    x, latents, exact = two_modes().simulated(N_POINTS)
    return estimators(model, model.simulate(200, generator=seeded(4))[0]), x, latents, exact


@cache
def errors_and_flag(case: Callable, name: str, *which) -> tuple[float, bool]:
    """Deviation of the density estimate from the exact one, over all points, in its standard errors; the flag."""
    made, x, latents, exact = case(*which)
    estimator = made[name]
    n_repeats = 4 if name == "annealed" else 1  # its one row is an average over chains
    log_weights = torch.cat([estimator.log_weights(x, generator=seeded(500 + i)) for i in range(n_repeats)])
    gap = estimator.both_sides(x, latents, generator=seeded(6)).upper - log_mean_exp(log_weights)
    ratio = np.exp(log_weights.numpy() - exact).mean(1)  # one per row of weights; E = 1
    error = max(ratio.std(ddof=1) / np.sqrt(len(ratio)), ROUNDING)
    return (ratio.mean() - 1.0) / error, not has_converged(log_weights, pareto_k(log_weights), gap)


ROUNDING = 1e-9  # annealing is exact for a linear cascade in one dimension
SMALL = [(0, 1, 1), (4, 2, 2), (8, 3, 2, "per_pixel", "full"), (9, 2, 3, "isotropic", "full")]
LARGE = [(20, 5, 4), (22, 20, 1), (24, 20, 5)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_every_estimator_agrees_with_the_exact_density_in_few_dimensions(case, name):
    deviation, flagged = errors_and_flag(linear_case, name, *case)
    assert abs(deviation) <= 5.0 and not flagged


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_every_estimator_agrees_with_the_exact_density_or_is_flagged(case, name):
    deviation, flagged = errors_and_flag(linear_case, name, *case)
    assert flagged or abs(deviation) <= 5.0


def test_in_many_dimensions_the_flag_is_raised_where_it_must_be_and_not_always():
    assert not any(errors_and_flag(linear_case, "annealed", *case)[1] for case in LARGE)
    assert errors_and_flag(linear_case, "paper", 24, 20, 5)[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_estimator_agrees_with_quadrature_of_a_mixture_or_is_flagged(name):
    deviation, flagged = errors_and_flag(mixture_case, name)
    assert flagged or abs(deviation) <= 5.0
    if name in ("guided", "sequential"):
        assert not flagged


def test_blocks_of_importance_sampling_follow_one_another(monkeypatch):
    """Several draws at a time are those of several calls with one generator, and as many as were asked for."""
    model, x = two_modes().model, two_modes().points
    monkeypatch.setattr(sandwich, "BLOCK_ROWS", 2 * len(x))
    seven = sandwich.cascade_sampling(model, proposals.Paper(), 7).log_weights(x, generator=seeded(17))
    generator = seeded(17)
    parts = [
        proposals.draw_log_weights(model, proposals.Paper(), x.repeat(rows, 1), generator=generator)
        for rows in (2, 2, 2, 1)
    ]
    assert torch.equal(seven, torch.cat(parts).reshape(7, -1))


def linear_vae() -> tuple[VAE, np.ndarray, np.ndarray]:
    """A VAE without hidden layers, and the moments of its marginal N(b, W W' + s^2 I)."""
    scale = DataScale(torch.zeros(6), 1.0, unit_interval=False)
    model = VAE(scale, latent_dim=2, hidden_sizes=[], generator=seeded(12))
    with torch.no_grad():
        model.log_std.fill_(-0.7)
    model.requires_grad_(False)
    bias = model.decode(torch.zeros(1, 2))[0]
    loadings = (model.decode(torch.eye(2)) - bias).double().numpy().T
    return model, bias.double().numpy(), loadings @ loadings.T + np.exp(-1.4) * np.eye(6)


@pytest.mark.parametrize("name", ["encoder", "annealed"])
def test_a_vae_from_both_sides(name):
    model, mean, covariance = linear_vae()
    x, latents = model.simulate(N_POINTS, generator=seeded(13))
    exact = multivariate_normal(mean, covariance).logpdf(x.double().numpy())
    if name == "encoder":
        estimator = sandwich.encoder_sampling(model, 3_000)
    else:
        fit, settings = DecoderFit(model), {"n_steps": 3, "force_precision": "highest"}
        base = fit(x, generator=seeded(14))
        flown = course.pilot(base, n_chains=2, **settings, generator=seeded(14), progress=quiet)
        estimator = sandwich.Annealing(fit, flown, 20, 100)
    log_weights = torch.cat([estimator.log_weights(x, generator=seeded(1_500 + i)) for i in range(4)])
    ratio = np.exp(log_weights.numpy() - exact).mean(1)
    assert_mean(ratio, 1.0)
    upper = estimator.both_sides(x, latents, generator=seeded(16)).upper.numpy()
    assert np.abs(upper - exact).mean() < 0.5
