"""The density of one-dimensional cascades by quadrature, against closed forms and SciPy's grid of another kind."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cdae.estimators import quadrature
from cdae.prior import DiagonalPrior
from tests.helpers import linear_cascade, seeded, two_mode_cascade


@pytest.mark.parametrize(("seed", "n_levels"), [(0, 1), (1, 2), (2, 5), (4, 8)])
def test_a_linear_cascade_has_its_gaussian_density(seed, n_levels):
    model, oracle = linear_cascade(seed, 1, n_levels)
    mean, covariance = oracle.marginal()
    x = mean + np.sqrt(covariance[0, 0]) * np.linspace(-3.0, 3.0, 13)[:, None]
    np.testing.assert_allclose(quadrature.log_density(model, torch.from_numpy(x)), oracle.log_prob(x), atol=1e-9)


def test_a_denoiser_that_is_not_linear():
    model, log_prob = two_mode_cascade()
    x = torch.linspace(-2.0, 2.0, 21, dtype=torch.float64)[:, None]
    np.testing.assert_allclose(quadrature.log_density(model, x), log_prob(x[:, 0].numpy()), atol=1e-6)


def variances_of_other_levels(monkeypatch, model):
    model.reconstruction_std.copy_(model.reconstruction_std.flip(0))


def density_for_mass(monkeypatch, model):
    """The step of the grid dropped."""
    monkeypatch.setattr(quadrature, "math", SimpleNamespace(log=lambda step: 0.0))


def prior_dropped(monkeypatch, model):
    monkeypatch.setattr(DiagonalPrior, "log_prob", lambda prior, x: x.new_zeros(len(x)))


MUTANTS = [variances_of_other_levels, density_for_mass, prior_dropped]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_are_seen(mutate, monkeypatch):
    model, oracle = linear_cascade(1, 1, 2)
    mutate(monkeypatch, model)
    x = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)[:, None]
    got = quadrature.log_density(model, x)
    assert not np.allclose(got, oracle.log_prob(x.numpy()), atol=1e-3)


def test_both_sides_agree_and_other_dimensions_are_refused():
    model, _ = linear_cascade(0, 1, 2)
    exact = quadrature.Quadrature(model)
    x, latents = model.simulate(5, generator=seeded(0))
    lower, upper = exact.log_weights(x, generator=seeded(1)), exact.both_sides(x, latents, generator=seeded(1)).upper
    assert lower.shape == (1, 5) and torch.equal(lower[0], upper)
    with pytest.raises(ValueError, match="got 2 dimensions, expected 1"):
        quadrature.Quadrature(linear_cascade(0, 2, 2)[0])


def test_a_grid_too_large_is_refused():
    model, _ = linear_cascade(0, 1, 2)
    model.reconstruction_std[0] = 1e-6
    with pytest.raises(ValueError, match="expected at most 20000"):
        quadrature.log_density(model, torch.zeros(1, 1, dtype=torch.float64))
