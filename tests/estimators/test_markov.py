"""The Markov bound of a cascade's denoiser against linear-Gaussian chains: log p(x_0) = E[bound] + gap."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdae import bound, objective
from cdae.corruption import NoiseSchedule
from cdae.estimators import markov
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from cdae.prior import DiagonalPrior
from tests.helpers import assert_mean, level_mse, linear_cascade, seeded, shared_noise
from tests.oracles.linear_markov import LinearMarkovChain

TOLERANCE = 1e-10  # relative to the larger of 1 and the gap
FIXED_CASES = [(0, 1, 1), (1, 3, 1), (2, 1, 4), (3, 5, 3), (4, 8, 6), (5, 20, 2), (6, 2, 10)]


def point(seed: int, dim: int) -> np.ndarray:
    return 1.5 * np.random.default_rng(seed).standard_normal(dim)


def markov_chain(seed: int, dim: int, n_levels: int) -> tuple[CDAE, LinearMarkovChain]:
    """A random linear cascade, far from any optimum, and the oracle of its Markov model, with v_i as first defined."""
    model, cascade = linear_cascade(seed, dim, n_levels)
    c, rho = cascade.corruption_std, cascade.reconstruction_std
    g = c[:-1] ** 2 / c[1:] ** 2
    variance = c[:-1] ** 2 * (1 - g) + (1 - g) ** 2 * (rho**2 - c[:-1] ** 2)
    return model, LinearMarkovChain(cascade.matrix, cascade.bias, c, variance, cascade.prior_mean, cascade.prior_std)


def expected_bound(model: CDAE, x: np.ndarray) -> float:
    """E[bound] at one point, exactly: its integrand is quadratic in the noise, one level at a time."""
    return markov.markov_bound_terms(model, *shared_noise(model, torch.from_numpy(x))).total.mean().item()


def identity_error(model: CDAE, oracle: LinearMarkovChain, x: np.ndarray) -> float:
    gap = oracle.gap(x)
    return abs(oracle.log_prob(x) - expected_bound(model, x) - gap) / max(1.0, gap)


@pytest.mark.parametrize(("seed", "dim", "n_levels"), FIXED_CASES)
def test_log_density_is_expected_bound_plus_gap(seed, dim, n_levels):
    model, oracle = markov_chain(seed, dim, n_levels)
    x = point(seed, dim)
    assert identity_error(model, oracle, x) < TOLERANCE
    assert oracle.gap(x) > 0


def share_of(change):
    def mutate(monkeypatch, model):
        real = markov.kept_share
        monkeypatch.setattr(markov, "kept_share", lambda c: change(real(c)))

    return mutate


def variances_of(formula):
    """v_i as a formula of g_i, c_i^2 and rho_i^2."""

    def mutate(monkeypatch, model):
        def std(c, rho):
            return formula(markov.kept_share(c), c[:-1].square(), rho.square()).sqrt()

        monkeypatch.setattr(markov, "transition_std", std)

    return mutate


def divergence_of(change):
    """`change` sees the divergence and its arguments: mean and std of q, mean and std of p."""

    def mutate(monkeypatch, model):
        real = markov.kl_normal
        monkeypatch.setattr(markov, "kl_normal", lambda *arguments: change(real, *arguments))

    return mutate


def reconstruction_from_the_wrong_level(monkeypatch, model):
    real = model.denoise
    monkeypatch.setattr(model, "denoise", lambda noisy: real(noisy).roll(1, 0))


def last_step_of_the_level_above(monkeypatch, model):
    monkeypatch.setattr(model, "last_step", lambda x_1: PixelDensity(model.reconstruction_std[1]))


def one_level_too_few(monkeypatch, model):
    monkeypatch.setattr(markov, "range", lambda start, stop: range(start, stop - 1), raising=False)


def prior_at_the_level_below(monkeypatch, model):
    real, c = DiagonalPrior.kl_from, model.corruption_std
    monkeypatch.setattr(DiagonalPrior, "kl_from", lambda self, mean, std: real(self, mean, c[-2]))


MUTANTS = {
    "c_i / c_{i+1} for its square": share_of(torch.sqrt),
    "share of the next level": share_of(lambda g: g.roll(1)),
    "share that is lost for the one that is kept": share_of(lambda g: 1.0 - g),
    "own variance whole": variances_of(lambda g, own, rho: (1 - g) * (own + (1 - g) * rho)),
    "lost share left out": variances_of(lambda g, own, rho: g * own + (1 - g) * rho),
    "error whole": variances_of(lambda g, own, rho: (1 - g) * (g * own + rho)),
    "rho for its square": variances_of(lambda g, own, rho: (1 - g) * (g * own + (1 - g) * rho.sqrt())),
    "variance for std in q": divergence_of(lambda kl, m_q, s_q, m_p, s_p: kl(m_q, s_q.square(), m_p, s_p)),
    "means not scaled": divergence_of(lambda kl, m_q, s_q, m_p, s_p: kl(2.0 * m_q, s_q, m_p, s_p)),
    "divergences swapped": divergence_of(lambda kl, m_q, s_q, m_p, s_p: kl(m_p, s_p, m_q, s_q)),
    "reconstruction from the wrong level": reconstruction_from_the_wrong_level,
    "last step of the level above": last_step_of_the_level_above,
    "one level too few": one_level_too_few,
    "prior at the level below": prior_at_the_level_below,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_bound_break_the_identity(name, monkeypatch):
    """Every mistake is seen, by at least ten million times the tolerance."""
    model, oracle = markov_chain(0, dim=4, n_levels=3)
    MUTANTS[name](monkeypatch, model)
    assert identity_error(model, oracle, point(0, 4)) > 1e7 * TOLERANCE


def test_one_level_is_the_cascades_own_bound():
    model, _ = linear_cascade(1, dim=3, n_levels=1)
    x, noisy = shared_noise(model, torch.from_numpy(point(1, 3)))
    own, other = bound.bound_terms(model, x, noisy), markov.markov_bound_terms(model, x, noisy)
    torch.testing.assert_close(other.total, own.total, rtol=1e-14, atol=0)
    assert other.level_kl.shape == own.level_kl.shape == (0, 6)


def optimal_cascade(seed: int, n_levels: int) -> tuple[CDAE, Tensor]:
    """A linear cascade with rho by Eq. 9 over a few points, and the points."""
    model, _ = linear_cascade(seed, 3, n_levels)
    xs = torch.from_numpy(np.stack([point(s, 3) for s in range(5)]))
    model.reconstruction_std.copy_(objective.optimal_reconstruction_std(model.corruption_std, level_mse(model, xs)))
    return model, xs


def test_transition_variances_are_a_stationary_maximum_of_the_bound(monkeypatch):
    """On the data that rho was fitted on: no gradient, and less on either side, at every level."""
    model, xs = optimal_cascade(0, n_levels=4)
    best = markov.transition_std(model.corruption_std, model.reconstruction_std)

    def mean_bound(std: Tensor) -> Tensor:
        monkeypatch.setattr(markov, "transition_std", lambda c, rho: std)
        monkeypatch.setattr(model, "last_step", lambda x_1: PixelDensity(std[0]))
        return torch.stack([markov.markov_bound_terms(model, *shared_noise(model, x)).total.mean() for x in xs]).mean()

    std = best.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(mean_bound(std), std)
    assert gradient.abs().max() < 1e-10
    for level in range(4):
        for factor in (0.99, 1.01):
            changed = best.clone()
            changed[level] *= factor
            assert mean_bound(changed) < mean_bound(best) - 1e-5


def test_first_transition_variance_is_the_mean_squared_error():
    model, xs = optimal_cascade(1, n_levels=3)
    std = markov.transition_std(model.corruption_std, model.reconstruction_std)
    torch.testing.assert_close(std[0].square(), level_mse(model, xs)[0])


def test_an_error_weighs_as_in_eq_6_with_more_noise_at_its_level():
    """sqrt(v_i) / (1 - g_i) squared is MSE_{i+1} + c_i^2 / (1 - g_i): above rho_i^2 of Eq. 9, but at the last step."""
    c = torch.tensor([0.0, 0.5, 0.8, 2.0], dtype=torch.float64)
    mse = torch.tensor([[0.3, 0.1], [0.4, 0.2], [0.9, 0.5]], dtype=torch.float64)
    rho = objective.optimal_reconstruction_std(c, mse)
    own = torch.tensor([0.0, 0.25 / (1.0 - 0.25 / 0.64), 0.64 / (1.0 - 0.64 / 4.0)], dtype=torch.float64)
    torch.testing.assert_close(markov.error_std(c, rho).square(), mse + own[:, None])
    torch.testing.assert_close(markov.error_std(c, rho[:, 0]).square(), mse[:, 0] + own)
    assert torch.equal(markov.error_std(c, rho)[0], rho[0])


class PosteriorMean(nn.Module):
    """E[x_0 | x_i] of independent N(0, data_std^2), times `shrinkage`; without parameters."""

    def __init__(self, data_std: Tensor, corruption_std: Tensor, shrinkage: float):
        super().__init__()
        self.data_var, self.corruption_std, self.shrinkage = data_std**2, corruption_std, shrinkage

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        noise_var = self.corruption_std[level, None].square()
        return self.shrinkage * self.data_var / (self.data_var + noise_var) * x


def gap_on_gaussian_data(data_std: list[float], n_levels: int, shrinkage: float = 1.0) -> float:
    """E[log p(data) - bound], exactly, for the best denoiser with rho by Eq. 9; levels from 0.01 to 4."""
    std, schedule = torch.tensor(data_std, dtype=torch.float64), NoiseSchedule.geometric(n_levels, 0.01, 4.0)
    c = torch.tensor(schedule.corruption_std, dtype=torch.float64)
    model = CDAE(PosteriorMean(std, c, shrinkage), schedule, data_mean=torch.zeros_like(std), data_std=std)
    corner = len(std) ** 0.5 * torch.diag(std)
    xs = torch.cat([corner, -corner])  # exact for the mean of a quadratic function of the data
    model.reconstruction_std.copy_(objective.optimal_reconstruction_std(c, level_mse(model, xs)))
    mean_bound = np.mean([expected_bound(model, x) for x in xs.numpy()])
    return float(-0.5 * np.log(2 * np.pi * np.e * np.square(data_std)).sum() - mean_bound)


def test_the_bound_is_exact_for_isotropic_gaussian_data_at_any_number_of_levels():
    """The best denoiser's reverse kernel is then the forward process in reverse: where the cascade's own gap grows."""
    for n_levels in (1, 3, 30):
        assert gap_on_gaussian_data([0.7, 0.7], n_levels) == pytest.approx(0.0, abs=1e-10)


def test_with_the_perfect_denoiser_the_gap_shrinks_as_levels_get_denser():
    """Gaussian data of unequal variances, which an isotropic kernel matches in small steps only."""
    gaps = [gap_on_gaussian_data([0.3, 1.0, 2.0], n_levels) for n_levels in (5, 20, 80, 320)]
    assert all(a > 2.0 * b > 0 for a, b in pairwise(gaps))
    assert gaps[-1] < 0.02 * gaps[0]


def test_with_an_imperfect_denoiser_the_gap_stays():
    gaps = [gap_on_gaussian_data([0.3, 1.0, 2.0], n_levels, shrinkage=0.9) for n_levels in (20, 80, 320)]
    assert min(gaps) > 0.3


def test_the_bound_is_an_unbiased_draw():
    """The mean of many draws is the exact expectation, and the draw is that of the generator given."""
    model, _ = linear_cascade(2, dim=3, n_levels=3)
    x = point(2, 3)
    many = torch.from_numpy(x).expand(20_000, -1)
    draws = markov.markov_bound(model, many, generator=seeded(0)).total
    assert_mean(draws.numpy(), expected_bound(model, x))
    assert torch.equal(draws, markov.markov_bound(model, many, generator=seeded(0)).total)


def test_float32_data_loses_nothing_that_matters():
    model, _ = linear_cascade(3, dim=20, n_levels=4)
    x, noisy = shared_noise(model, torch.from_numpy(point(3, 20)))
    exact = markov.markov_bound_terms(model, x, noisy).total
    model.denoiser.float()
    rounded = markov.markov_bound_terms(model, x.float(), noisy.float()).total
    assert rounded.dtype == torch.float64
    torch.testing.assert_close(rounded, exact, rtol=1e-5, atol=0.0)


def test_the_forward_process_has_the_cascades_marginals_and_is_the_oracles():
    """q(x_k | x_0), then downwards: deviations of variance c_i^2, and covariances that the oracle takes as known."""
    _, oracle = markov_chain(4, dim=1, n_levels=4)
    c = oracle.corruption_std[1:]
    covariance = np.array([[c[-1] ** 2]])
    for low, high in zip(c[-2::-1], c[:0:-1], strict=True):
        g = low**2 / high**2
        cross = g * covariance[:1]
        own = g * cross[:, :1] + low**2 * (1 - g)
        covariance = np.block([[own, cross], [cross.T, covariance]])
    np.testing.assert_allclose(np.diag(covariance), c**2)
    np.testing.assert_allclose(oracle.inference_moments(np.zeros(1))[1], covariance)


def test_a_variance_per_pixel_gives_a_transition_per_pixel():
    """Every column is what its own variances give, and columns that are equal give the bound of one variance."""
    c = torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64)
    rho = torch.tensor([[0.3, 0.9], [0.8, 1.1]], dtype=torch.float64)
    columns = [markov.transition_std(c, column) for column in rho.T]
    assert torch.equal(markov.transition_std(c, rho), torch.stack(columns, dim=1))
    model, _ = linear_cascade(0, 3, 2)
    x = torch.randn(5, 3, dtype=torch.float64, generator=seeded(0))
    expected = markov.markov_bound(model, x, generator=seeded(1)).total
    model.reconstruction_std = model.reconstruction_std[:, None].expand(-1, 3).clone()
    torch.testing.assert_close(markov.markov_bound(model, x, generator=seeded(1)).total, expected)
