"""Importance weights (Eq. 11) against the exact joint density, and IW-M against the exact log density."""

import math

import numpy as np
import pytest
import torch

from cdae import bound, gaussian
from cdae.estimators import importance
from cdae.model import CDAE
from cdae.prior import DiagonalPrior
from tests.helpers import finite_variance_cascade, linear_cascade, quadrature, seeded
from tests.oracles.linear_gaussian import LinearGaussianCascade


def ratio_errors(model: CDAE, oracle: LinearGaussianCascade, seed: int) -> np.ndarray:
    """Relative errors of the log weights at random states, against log p(x_0..k) - log q(x_1..k | x_0)."""
    states = np.random.default_rng(seed).standard_normal((6, oracle.n_levels + 1, oracle.dim))
    x, noisy = torch.from_numpy(states[:, 0]), torch.from_numpy(states[:, 1:]).permute(1, 0, 2)
    flat = states.reshape(6, -1)
    exact = oracle.log_joint(flat) - oracle.log_inference(flat)
    return np.abs(importance.log_weights(model, x, noisy).numpy() / exact - 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_log_weights_are_joint_over_inference(seed):
    """The ratio of Eq. 11 point by point: pins every factor, its level, its constant and its sign."""
    assert (ratio_errors(*linear_cascade(seed, dim=3, n_levels=4), seed) < 1e-11).all()


def swap_the_ratio(monkeypatch):
    monkeypatch.setattr(importance, "log_normal", lambda x, mean, std: -gaussian.log_normal(x, mean, std))


def forget_the_prior(monkeypatch):
    monkeypatch.setattr(DiagonalPrior, "log_prob", lambda self, x: x.new_zeros(len(x)))


def variance_for_std(monkeypatch):
    monkeypatch.setattr(importance, "log_normal", lambda x, mean, std: gaussian.log_normal(x, mean, std.square()))


@pytest.mark.parametrize("mutant", [swap_the_ratio, forget_the_prior, variance_for_std])
def test_mutants_of_the_weights_are_seen(mutant, monkeypatch):
    model, oracle = linear_cascade(0, dim=3, n_levels=4)
    mutant(monkeypatch)
    assert (ratio_errors(model, oracle, 0) > 1e-3).all()


def test_expected_log_weight_is_the_expected_bound():
    """IW-1 and Eq. 4 have the same mean, exactly: both are quadratic in the noise of all levels together."""
    model, _ = linear_cascade(3, dim=3, n_levels=4)
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    noise = quadrature(12).reshape(24, 4, 3).permute(1, 0, 2)
    noisy = x + model.corruption_std[1:, None, None] * noise
    log_weights = importance.log_weights(model, x.expand(24, -1), noisy)
    bounds = bound.bound_terms(model, x.expand(24, -1), noisy).total
    assert log_weights.mean().item() == pytest.approx(bounds.mean().item(), rel=1e-12)
    assert log_weights.std() > 0.1


def test_iw_converges_to_the_log_density():
    """At M = 100,000, to 5 of its own standard errors."""
    model, oracle = finite_variance_cascade()
    point = np.array([0.2, -0.4])
    copies = torch.from_numpy(point).expand(1_000, -1)
    draws = importance.log_importance_weights(model, copies, n_importance_samples=100, generator=seeded(0))
    ratios = np.exp(draws.numpy().ravel() - oracle.log_prob(point))
    estimate = importance.log_likelihood(draws.reshape(-1, 1)).item()
    error = ratios.std() / ratios.mean() / math.sqrt(len(ratios))
    assert error < 0.02
    assert abs(estimate - oracle.log_prob(point)) < 5 * error


def test_rows_are_draws_and_their_number_is_the_one_asked_for():
    model, _ = finite_variance_cascade()
    x = torch.zeros(4, 2, dtype=torch.float64)
    log_weights = importance.log_importance_weights(model, x, n_importance_samples=7, generator=seeded(2))
    assert log_weights.shape == (7, 4) and log_weights.dtype == torch.float64
    assert len(log_weights.unique()) == 28
    generator = seeded(2)
    first = model.log_weights(x, model.infer(x, generator=generator))
    assert torch.equal(log_weights[0], first)


def assert_log_of_the_average_weight() -> None:
    for offset in (-1e5, 0.0, 1e5):
        log_weights = torch.tensor([[0.0, 1.0], [math.log(3.0), 1.0]], dtype=torch.float64) + offset
        estimate = importance.log_likelihood(log_weights)
        expected = torch.tensor([math.log(2.0), 1.0], dtype=torch.float64) + offset
        torch.testing.assert_close(estimate, expected, rtol=0.0, atol=1e-9)


def test_log_likelihood_is_the_log_of_the_average_weight_at_any_scale():
    """Pins the shift by the largest weight and the division by M."""
    assert_log_of_the_average_weight()


MUTANT_MEANS = {
    "no shift before exp": lambda values: values.exp().mean(0).log(),
    "divided by M - 1": lambda values: torch.logsumexp(values, 0) - math.log(len(values) - 1),
    "divided by the number of examples": lambda values: torch.logsumexp(values, 0) - math.log(values.shape[1] + 1),
    "not divided": lambda values: torch.logsumexp(values, 0),
    "mean of logs": lambda values: values.mean(0),
}


@pytest.mark.parametrize("name", MUTANT_MEANS)
def test_mutants_of_the_average_are_seen(name, monkeypatch):
    monkeypatch.setattr(importance, "log_mean_exp", MUTANT_MEANS[name])
    with pytest.raises(AssertionError):
        assert_log_of_the_average_weight()


def test_effective_sample_size_counts_equal_weights():
    """M for equal weights, 1 where one dominates, (sum w)^2 / sum w^2 between, at any scale."""
    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1e-30, 2.0], [1.0, 1e-30, 3.0]], dtype=torch.float64)
    expected = torch.tensor([3.0, 1.0, 36.0 / 14.0], dtype=torch.float64)
    for offset in (-1e4, 0.0, 1e4):
        torch.testing.assert_close(importance.effective_sample_size(rows.log() + offset), expected, rtol=1e-9, atol=0.0)
