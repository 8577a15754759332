"""Losses and closed-form variances: equal gradients in expectation (Eqs. 6 to 8), stationarity in rho (Eq. 9)."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from cdae import bound, objective
from cdae.corruption import NoiseSchedule
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.gaussian import squared_norm
from cdae.model import CDAE, RECONSTRUCTIONS
from tests.helpers import (
    assert_mean,
    expected_gradient_of_one_level,
    full_loss,
    gradient,
    level_mse,
    linear_cascade,
    seeded,
    shared_noise,
)

DIM, N_LEVELS = 3, 4
POINTS = torch.from_numpy(np.random.default_rng(0).standard_normal((5, DIM)))


def minus_expected_bound(model: CDAE, rho: torch.Tensor) -> float:
    """E[-L] over POINTS and the corruption, exactly, at given reconstruction_std."""
    model.reconstruction_std.copy_(rho)
    return -sum(bound.bound_terms(model, *shared_noise(model, x)).total.mean().item() for x in POINTS) / len(POINTS)


def slopes(model: CDAE, rho: torch.Tensor) -> torch.Tensor:
    """Numerical derivative of E[-L] in log rho_i, for every i."""
    step, result = 1e-4, []
    for i in range(len(rho)):
        factor = torch.ones_like(rho)
        factor[i] = math.exp(step)
        difference = minus_expected_bound(model, rho * factor) - minus_expected_bound(model, rho / factor)
        result.append(difference / (2 * step))
    return torch.tensor(result)


@pytest.mark.parametrize("seed", range(3))
def test_equation_nine_is_a_stationary_minimum(seed):
    """Pins c_i^2, the level of the error, the division by the dimension, and std against variance."""
    model, _ = linear_cascade(seed, DIM, N_LEVELS)
    rho = objective.optimal_reconstruction_std(model.corruption_std, level_mse(model, POINTS))
    assert slopes(model, rho).abs().max() < 1e-6
    at_optimum = minus_expected_bound(model, rho)
    for i in range(N_LEVELS):
        for factor in (0.9, 0.99, 1.01, 1.1):
            moved = rho.clone()
            moved[i] *= factor
            assert minus_expected_bound(model, moved) > at_optimum + 1e-5


EQUATION_NINE_MUTANTS = {
    "no corruption variance": lambda c, mse: mse.sqrt(),
    "corruption of the level above": lambda c, mse: (c[1:] ** 2 + mse).sqrt(),
    "error of the wrong level": lambda c, mse: (c[:-1] ** 2 + mse.roll(1)).sqrt(),
    "not divided by the dimension": lambda c, mse: (c[:-1] ** 2 + DIM * mse).sqrt(),
    "variance for std": lambda c, mse: c[:-1] ** 2 + mse,
    "corruption std for its variance": lambda c, mse: (c[:-1] + mse).sqrt(),
}


@pytest.mark.parametrize("name", EQUATION_NINE_MUTANTS)
def test_mutants_of_equation_nine_are_not_stationary(name):
    """Their slopes are at least ten thousand times what the test above allows."""
    model, _ = linear_cascade(0, DIM, N_LEVELS)
    rho = EQUATION_NINE_MUTANTS[name](model.corruption_std, level_mse(model, POINTS))
    assert slopes(model, rho).abs().max() > 1e-2


def test_bound_at_the_optimum_depends_on_the_errors_only():
    """-L = d/2 log(2 pi e MSE_1) + sum_i d/2 log(1 + MSE_{i+1} / c_i^2) + prior KL, averaged over the fitted data."""
    model, _ = linear_cascade(1, DIM, N_LEVELS)
    mse, c = level_mse(model, POINTS), model.corruption_std
    value = minus_expected_bound(model, objective.optimal_reconstruction_std(c, mse))
    terms = [bound.bound_terms(model, *shared_noise(model, x)) for x in POINTS]
    prior_kl = torch.cat([t.prior_kl for t in terms]).mean()
    reconstruction = DIM / 2 * torch.log(2 * math.pi * math.e * mse[0])
    levels = DIM / 2 * torch.log1p(mse[1:] / c[1:-1] ** 2).sum()
    assert value == pytest.approx((reconstruction + levels + prior_kl).item(), rel=1e-12)


def test_refit_sets_equation_nine():
    """From one corruption of each example, recomputed here in NumPy; more rows than one chunk of a forward pass."""
    model, oracle = linear_cascade(2, DIM, N_LEVELS)
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((2_345, DIM)))
    model.refit(x, generator=seeded(7))
    again, errors = seeded(7), []
    for chunk in x.split(1_000):
        noisy = model.infer(chunk, generator=again).numpy()
        errors.append(np.square(chunk.numpy() - noisy @ oracle.matrix.T - oracle.bias))
    mse = np.concatenate(errors, axis=1).mean((1, 2))
    np.testing.assert_allclose(
        model.reconstruction_std, np.sqrt(oracle.corruption_std[:-1] ** 2 + mse), rtol=1e-12, atol=0
    )


def test_level_mse_estimates_the_exact_errors():
    """Mean over independent repetitions against the closed form for a linear denoiser, 5 standard errors."""
    model, _ = linear_cascade(3, DIM, N_LEVELS)
    many = POINTS.repeat(50, 1)
    draws = [model.level_mse(many, generator=seeded(s)).numpy() for s in range(40)]
    assert_mean(np.stack(draws), level_mse(model, POINTS).numpy())


def test_level_weights_are_equation_eight_normalised():
    rho = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    expected = torch.tensor([2.0, 0.5, 0.125], dtype=torch.float64) / 2.625
    torch.testing.assert_close(objective.level_weights(rho), expected, rtol=1e-14, atol=0.0)


def test_levels_are_drawn_from_the_given_probabilities():
    """Chi-square against Q: pins that levels count from 1 and that none is missing."""
    probability = objective.level_weights(torch.tensor([0.5, 0.7, 1.0, 2.0], dtype=torch.float64))
    levels = objective.draw_levels(probability, 50_000, generator=seeded(0))
    counts = torch.bincount(levels, minlength=5)
    assert counts[0] == 0 and len(counts) == 5
    assert chisquare(counts[1:].numpy(), 50_000 * probability.numpy()).pvalue > 1e-3
    assert chisquare(counts[1:].numpy(), np.full(4, 12_500.0)).pvalue < 1e-9


def test_each_example_is_corrupted_at_its_own_level():
    """Standardised by the std of its level, every corruption is a standard normal draw of the given generator."""
    c = torch.tensor([0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    level, x = torch.tensor([3, 1, 2, 1]), torch.arange(8.0, dtype=torch.float64).reshape(4, 2)
    noise = torch.randn(4, 2, generator=seeded(1), dtype=torch.float64)
    expected = x + torch.tensor([3.0, 0.5, 1.0, 0.5], dtype=torch.float64)[:, None] * noise
    torch.testing.assert_close(objective.corrupt_at(x, level, c, generator=seeded(1)), expected)


SMALL_STDS = torch.tensor([0.5, 0.8, 1.5, 2.5], dtype=torch.float64)
PIXEL_STDS = SMALL_STDS[:, None] * torch.tensor([0.3, 1.0, 1.6], dtype=torch.float64) + torch.rand(
    4, DIM, generator=seeded(9)
)
STDS = {"isotropic": SMALL_STDS, "per_pixel": PIXEL_STDS}


def small_network_cascade(loss: str, reconstruction: str = "isotropic") -> CDAE:
    """A small nonlinear cascade in float64 with unequal reconstruction_std."""
    scale = DataScale(torch.zeros(DIM), 1.0, unit_interval=False)
    denoiser = BlindDenoiser(mlp(DIM, [5], DIM, generator=seeded(0)), scale).double()
    schedule = NoiseSchedule.geometric(N_LEVELS, 0.2, 2.0)
    model = CDAE(
        denoiser,
        schedule,
        data_mean=torch.zeros(DIM),
        data_std=torch.ones(DIM),
        loss=loss,
        reconstruction=reconstruction,
    )
    model.reconstruction_std.copy_(STDS[reconstruction])
    return model


def full_gradient(noise: torch.Tensor, reconstruction: str = "isotropic") -> torch.Tensor:
    model = small_network_cascade("full", reconstruction)
    noisy = POINTS + model.corruption_std[1:, None, None] * noise
    return gradient(full_loss(model, POINTS, noisy), model)


@pytest.mark.parametrize("reconstruction", RECONSTRUCTIONS)
@pytest.mark.parametrize("loss", ["shrunk", "shrunk_uniform"])
def test_one_level_losses_have_the_gradient_of_the_full_loss(loss, reconstruction, monkeypatch):
    """In expectation over the level, exactly, with the factor Z (Eq. 7 against Eq. 6)."""
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal(POINTS.shape))
    expected = full_gradient(noise, reconstruction)
    model = small_network_cascade(loss, reconstruction)
    actual = expected_gradient_of_one_level(model, POINTS, noise, monkeypatch)
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-13)


def test_without_the_factor_z_the_gradient_is_another(monkeypatch):
    """Eq. 7 as printed, with its unnormalised Q read as probabilities, has a gradient Z times too small."""
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal(POINTS.shape))
    expected = full_gradient(noise)
    monkeypatch.setattr(objective, "one_level_loss", lambda x, x_hat, *rest: squared_norm(x - x_hat).mean())
    without = expected_gradient_of_one_level(small_network_cascade("shrunk"), POINTS, noise, monkeypatch)
    z = objective.inverse_variances(small_network_cascade("full").reconstruction_std).sum()
    assert (without - expected).norm() > 0.1 * expected.norm()
    torch.testing.assert_close(z * without, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("reconstruction", RECONSTRUCTIONS)
def test_the_gradient_of_the_full_loss_is_that_of_minus_the_bound(reconstruction):
    """Whatever the variances: a third way to the same numbers, through the densities."""
    model = small_network_cascade("full", reconstruction)
    noisy = POINTS + model.corruption_std[1:, None, None] * torch.ones_like(POINTS)
    minus_bound = -bound.bound_terms(model, POINTS, noisy).total.mean()
    loss = full_loss(model, POINTS, noisy)
    torch.testing.assert_close(gradient(loss, model), gradient(minus_bound, model), rtol=1e-10, atol=1e-13)


def test_full_is_the_loss_with_all_levels():
    model = small_network_cascade("full")
    loss = model.loss(POINTS, generator=seeded(3))
    expected = full_loss(model, POINTS, model.infer(POINTS, generator=seeded(3)))
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("loss", ["shrunk", "shrunk_uniform"])
def test_sampled_losses_estimate_the_full_loss(loss):
    """The model's own draws of levels and noise: equal means to 5 standard errors of their difference."""
    shrunk, full = small_network_cascade(loss), small_network_cascade("full")
    many = POINTS.repeat(25, 1)
    with torch.no_grad():
        draws = [(shrunk.loss(many, generator=g) - full.loss(many, generator=g)).item() for g in map(seeded, range(60))]
    assert_mean(np.array(draws), 0.0)


def test_full_loss_is_minus_the_bound_but_for_what_the_denoiser_cannot_change():
    """Two denoisers with the same reconstruction_std: the difference of -L is the difference of the loss."""
    one, other = linear_cascade(4, DIM, N_LEVELS)[0], linear_cascade(5, DIM, N_LEVELS)[0]
    other.corruption_std.copy_(one.corruption_std)
    other.reconstruction_std.copy_(one.reconstruction_std)
    other.prior_mean.copy_(one.prior_mean)
    other.prior_std.copy_(one.prior_std)
    x, noisy = shared_noise(one, POINTS[0])
    minus_bounds = [-bound.bound_terms(m, x, noisy).total.mean() for m in (one, other)]
    losses = [full_loss(m, x, noisy) for m in (one, other)]
    torch.testing.assert_close(minus_bounds[0] - minus_bounds[1], losses[0] - losses[1], rtol=1e-10, atol=0.0)
