"""The evidence lower bound against linear-Gaussian cascades: log p(x_0) = E[bound] + gap (Eqs. 2, 4, 6, 10)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdae import bound, gaussian, pixel_density
from cdae.corruption import NoiseSchedule
from cdae.model import CDAE
from cdae.prior import DiagonalPrior
from tests.helpers import LinearDenoiser, assert_mean, linear_cascade, seeded, shared_noise
from tests.oracles.linear_gaussian import LinearGaussianCascade

TOLERANCE = 1e-10  # relative to the larger of 1 and the gap
FIXED_CASES = [(0, 1, 1), (1, 3, 1), (2, 1, 4), (3, 5, 3), (4, 20, 10), (5, 20, 2), (6, 2, 10), (7, 8, 5)]


def expected_bound(model: CDAE, x: np.ndarray) -> float:
    """E[bound] at one point, exactly: its integrand is quadratic in the noise, one level at a time."""
    return bound.bound_terms(model, *shared_noise(model, torch.from_numpy(x))).total.mean().item()


def identity_error(model: CDAE, oracle: LinearGaussianCascade, x: np.ndarray) -> float:
    gap = oracle.gap(x)
    return abs(oracle.log_prob(x) - expected_bound(model, x) - gap) / max(1.0, gap)


def point(seed: int, dim: int) -> np.ndarray:
    return 1.5 * np.random.default_rng(seed).standard_normal(dim)


@pytest.mark.parametrize(("seed", "dim", "n_levels"), FIXED_CASES)
def test_log_density_is_expected_bound_plus_gap(seed, dim, n_levels):
    """The identity of Eq. 10, on random cascades far from any optimum: pins every term of the bound."""
    model, oracle = linear_cascade(seed, dim, n_levels)
    x = point(seed, dim)
    assert identity_error(model, oracle, x) < TOLERANCE
    assert oracle.gap(x) > 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), dim=st.integers(1, 20), n_levels=st.integers(1, 10))
def test_log_density_is_expected_bound_plus_gap_for_any_cascade(seed, dim, n_levels):
    model, oracle = linear_cascade(seed, dim, n_levels)
    assert identity_error(model, oracle, point(seed, dim)) < TOLERANCE


def drop_two_pi(monkeypatch, model):
    monkeypatch.setattr("cdae.gaussian.LOG_2PI", 0.0)


def variance_for_std_in_the_density(monkeypatch, model):
    real = gaussian.log_normal
    monkeypatch.setattr(pixel_density, "log_normal", lambda x, mean, std: real(x, mean, std.square()))


def variance_for_std_in_the_divergences(monkeypatch, model):
    real = gaussian.kl_normal
    monkeypatch.setattr(bound, "kl_normal", lambda m_q, s_q, m_p, s_p: real(m_q, s_q.square(), m_p, s_p.square()))


def reconstruct_from_the_wrong_level(monkeypatch, model):
    real = model.denoise
    monkeypatch.setattr(model, "denoise", lambda noisy: real(noisy).roll(1, 0))


def reconstruction_std_off_by_one_level(monkeypatch, model):
    model.reconstruction_std.copy_(model.reconstruction_std.roll(1))


def corruption_std_off_by_one_level(monkeypatch, model):
    c = model.corruption_std
    c[1:-1] = c[2:].clone()  # the prior's level is left as it is


def forget_the_corruption_variance(monkeypatch, model):
    """phi_i without c_i^2 / (2 rho_i^2)."""
    real = gaussian.kl_normal

    def mutant(mean_q, std_q, mean_p, std_p):
        return real(mean_q, std_q, mean_p, std_p) - 0.5 * ((std_q / std_p) ** 2).expand(mean_q.shape[-1]).sum()

    monkeypatch.setattr(bound, "kl_normal", mutant)


def forget_the_prior(monkeypatch, model):
    monkeypatch.setattr(DiagonalPrior, "kl_from", lambda self, mean, std: mean.new_zeros(len(mean)))


def swap_the_divergences(monkeypatch, model):
    real = gaussian.kl_normal
    monkeypatch.setattr(bound, "kl_normal", lambda m_q, s_q, m_p, s_p: real(m_p.expand_as(m_q), s_p, m_q, s_q))


def one_level_too_few(monkeypatch, model):
    monkeypatch.setattr(bound, "range", lambda start, stop: range(start, stop - 1), raising=False)


MUTANTS = [
    drop_two_pi,
    variance_for_std_in_the_density,
    variance_for_std_in_the_divergences,
    reconstruct_from_the_wrong_level,
    reconstruction_std_off_by_one_level,
    corruption_std_off_by_one_level,
    forget_the_corruption_variance,
    forget_the_prior,
    swap_the_divergences,
    one_level_too_few,
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_of_the_bound_break_the_identity(mutate, seed, monkeypatch):
    """Every known mistake is seen, by at least ten million times the tolerance."""
    model, oracle = linear_cascade(seed, dim=4, n_levels=3)
    x = point(seed, 4)
    assert identity_error(model, oracle, x) < TOLERANCE
    mutate(monkeypatch, model)
    assert identity_error(model, oracle, x) > 1e7 * TOLERANCE


def test_one_level_is_equation_two():
    """k = 1: reconstruction minus prior divergence, and no inner levels."""
    model, _ = linear_cascade(0, dim=3, n_levels=1)
    terms = bound.bound_terms(model, *shared_noise(model, torch.zeros(3, dtype=torch.float64)))
    assert terms.level_kl.shape == (0, 6)
    assert torch.equal(terms.total, terms.reconstruction - terms.prior_kl)


def test_terms_are_named_and_placed_as_in_equation_six():
    """-L = sum_i |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2) + phi + prior KL, term by term, written out."""
    model, oracle = linear_cascade(1, dim=4, n_levels=3)
    x, noisy = shared_noise(model, torch.from_numpy(point(1, 4)))
    terms = bound.bound_terms(model, x, noisy)
    c, rho, d = oracle.corruption_std, oracle.reconstruction_std, 4
    errors = np.square(x.numpy() - (noisy.numpy() @ oracle.matrix.T + oracle.bias)).sum(2)
    phi_0 = d / 2 * math.log(2 * math.pi * rho[0] ** 2)
    np.testing.assert_allclose(-terms.reconstruction, errors[0] / (2 * rho[0] ** 2) + phi_0, rtol=1e-12)
    for i in (1, 2):
        phi = d * (math.log(rho[i] / c[i]) + c[i] ** 2 / (2 * rho[i] ** 2) - 0.5)
        np.testing.assert_allclose(terms.level_kl[i - 1], errors[i] / (2 * rho[i] ** 2) + phi, rtol=1e-12)
    assert (terms.prior_kl - terms.prior_kl[0]).abs().max() == 0


@pytest.mark.parametrize(("dim", "data_std", "c"), [(1, 1.0, 1.0), (5, 1.5, 0.4), (8, 0.3, 2.0)])
def test_one_level_bound_is_exact_for_isotropic_gaussian_data(dim, data_std, c):
    """With the optimal linear denoiser and Eq. 9 the gap is zero: the bound is the data's log density."""
    mean = np.random.default_rng(dim).standard_normal(dim)
    shrinkage = data_std**2 / (data_std**2 + c**2)
    model = CDAE(
        LinearDenoiser(shrinkage * np.eye(dim), (1 - shrinkage) * mean),
        NoiseSchedule((0.0, c)),
        data_mean=torch.from_numpy(mean),
        data_std=torch.full((dim,), data_std, dtype=torch.float64),
    )
    mse = data_std**2 * c**2 / (data_std**2 + c**2)  # of the posterior mean
    model.reconstruction_std.fill_(math.sqrt(mse))
    x = point(0, dim)
    log_density = -0.5 * np.square((x - mean) / data_std).sum() - dim * math.log(data_std * math.sqrt(2 * math.pi))
    assert expected_bound(model, x) == pytest.approx(log_density, rel=1e-12)


def test_elbo_is_an_unbiased_draw_of_the_bound():
    """The mean of many draws is the exact expectation, and the draw is that of the generator given."""
    model, _ = linear_cascade(2, dim=3, n_levels=3)
    x = point(2, 3)
    draws = bound.elbo(model, torch.from_numpy(x).expand(20_000, -1), generator=seeded(0)).total
    assert_mean(draws.numpy(), expected_bound(model, x))
    assert torch.equal(draws, bound.elbo(model, torch.from_numpy(x).expand(20_000, -1), generator=seeded(0)).total)


def test_float32_data_loses_nothing_that_matters():
    """Data arrive in float32 and sums run in float64: the bound agrees to about the precision of the data."""
    model, _ = linear_cascade(3, dim=20, n_levels=4)
    x, noisy = shared_noise(model, torch.from_numpy(point(3, 20)))
    exact = bound.bound_terms(model, x, noisy).total
    model.denoiser.float()
    rounded = bound.bound_terms(model, x.float(), noisy.float()).total
    assert rounded.dtype == torch.float64
    torch.testing.assert_close(rounded, exact, rtol=1e-5, atol=0.0)
