"""A variational auto-encoder with noise per pixel: factor analysis at its optimum, and the refit of its noise."""

import numpy as np
import pytest
import torch

from baselines.vae import VAE
from cdae import bound
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.estimators import importance
from cdae.interfaces import DivergenceError
from cdae.training import fit
from tests.baselines.linear_vae import DIM, LATENT, expected_bound, linear_vae, parameters
from tests.helpers import assert_moments, seeded
from tests.oracles import factor_model


def optimal_per_pixel_vae(seed: int) -> tuple[VAE, np.ndarray, np.ndarray]:
    """The same with a standard deviation for every pixel: N(b, W W^T + diag s^2)."""
    rng = np.random.default_rng(seed)
    std, (orthogonal, bias, _) = rng.uniform(0.2, 1.5, DIM), parameters(seed)
    weights = std[:, None] * orthogonal  # so that W^T diag(1 / s^2) W is diagonal, and the exact posterior with it
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x = 2.0 * rng.standard_normal((5, DIM))
    return model, x, factor_model.log_prob(x, weights, bias, std)


@pytest.mark.parametrize("seed", range(3))
def test_linear_per_pixel_vae_equals_factor_analysis(seed):
    """Bound and every importance weight, as above."""
    model, xs, log_density = optimal_per_pixel_vae(seed)
    np.testing.assert_allclose([expected_bound(model, x) for x in xs], log_density, rtol=1e-10)
    x = torch.from_numpy(xs)
    log_weights = importance.log_importance_weights(model, x, n_importance_samples=9, generator=seeded(seed))
    np.testing.assert_allclose(log_weights.detach(), np.tile(log_density, (9, 1)), rtol=1e-10)


def noise_of_the_next_pixel(model):
    model.log_std.data = model.log_std.data.roll(1)


def noise_pooled_over_pixels(model):
    model.log_std.data = model.log_std.data.mean().expand(DIM)


@pytest.mark.parametrize("mutate", [noise_of_the_next_pixel, noise_pooled_over_pixels])
def test_mutants_of_the_noise_per_pixel_break_the_identity(mutate):
    model, xs, log_density = optimal_per_pixel_vae(0)
    mutate(model)
    assert max(abs(expected_bound(model, x) - exact) for x, exact in zip(xs, log_density, strict=True)) > 1e-2


def test_samples_and_simulated_data_have_the_exact_moments_with_noise_per_pixel():
    weights, bias, _ = parameters(1)
    std = np.array([0.1, 0.4, 0.7, 1.0, 1.3, 1.6])
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    covariance = weights @ weights.T + np.diag(std**2)
    _, sample_set = model.sample_sets(20_000, generator=seeded(9))
    assert_moments(sample_set.values.numpy(), bias, covariance)
    assert_moments(model.simulate(20_000, generator=seeded(13))[0].numpy(), bias, covariance)


def constant_pixel(n_intensity_levels: int | None) -> TrainingSet:
    values = torch.randint(0, n_intensity_levels or 256, (200, DIM), dtype=torch.uint8, generator=seeded(1))
    values[:, 2] = 0
    return TrainingSet(values, n_intensity_levels) if n_intensity_levels else TrainingSet(values / 256.0)


PER_PIXEL = {"latent_dim": 2, "hidden_sizes": [7], "reconstruction": "per_pixel"}


@pytest.mark.parametrize("n_intensity_levels", [17, None])
def test_noise_per_pixel_is_floored_where_it_is_used(n_intensity_levels):
    """In the density, in samples and in simulated data; above the floor it is as it was learned."""
    training_set = constant_pixel(n_intensity_levels)
    model = VAE.build(PER_PIXEL, training_set, generator=seeded(2))
    floor = training_set.summary().variance_floor
    assert floor > 0 and model.log_std.shape == (DIM,)
    x, z = model.simulate(3, generator=seeded(3))
    with torch.no_grad():
        model.log_std[:3] = torch.tensor([-np.inf, -40.0, 0.5 * np.log(floor) + 0.1])
    assert model.std()[:2].tolist() == pytest.approx([floor**0.5] * 2, rel=1e-5)
    assert model.std()[2].item() == pytest.approx(1.1052 * floor**0.5, rel=1e-3)
    assert model.log_likelihood(x, z).isfinite().all()
    samples = torch.cat([s.values for s in model.sample_sets(9, generator=seeded(4))])
    assert samples.isfinite().all() and model.simulate(9, generator=seeded(5))[0].isfinite().all()


def refitted(x: torch.Tensor) -> VAE:
    """A VAE with random weights in float64, without a floor, after a refit."""
    scale = DataScale(torch.zeros(DIM), 1.0, unit_interval=False)
    arguments = {"latent_dim": LATENT, "hidden_sizes": [7], "reconstruction": "per_pixel", "generator": seeded(0)}
    model = VAE(scale, **arguments).double()
    model.refit(x, generator=seeded(5))
    return model


def largest_slope() -> float:
    """The largest slope of the loss in log_std, at the draws of the refit."""
    x = torch.arange(1.0, DIM + 1) * torch.randn(90, DIM, generator=seeded(3), dtype=torch.float64)
    model = refitted(x)
    return torch.autograd.grad(model.loss(x, generator=seeded(5)), model.log_std)[0].abs().max().item()


def errors_of(change):
    """Mean squared errors of the pixels, changed."""

    def mutate(monkeypatch):
        real = VAE.pixel_mse
        monkeypatch.setattr(VAE, "pixel_mse", lambda self, x, *, generator: change(real(self, x, generator=generator)))

    return mutate


def nothing_refitted(monkeypatch):
    monkeypatch.setattr(VAE, "refit", lambda self, x, *, generator: None)


MUTANTS = {
    "std for its square": errors_of(torch.square),
    "one for all pixels": errors_of(lambda mse: mse.mean().expand_as(mse)),
    "of the next pixel": errors_of(lambda mse: mse.roll(1)),
    "nothing refitted": nothing_refitted,
}


def test_refitted_noise_maximises_the_bound():
    assert largest_slope() < 1e-12


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_refit_are_not_stationary(name, monkeypatch):
    MUTANTS[name](monkeypatch)
    assert largest_slope() > 1e-2


def test_refitted_noise_uses_all_examples_and_stays_on_the_floor():
    """More rows than a chunk, in NumPy; a decoder that is right about a pixel leaves it the floor."""
    x = torch.randn(2_345, DIM, generator=seeded(3), dtype=torch.float64)
    model, again = refitted(x), seeded(5)
    with torch.no_grad():
        errors = [(part - model.decode(model.infer(part, generator=again))).numpy() for part in x.split(1_000)]
    np.testing.assert_allclose(model.std().detach(), np.sqrt(np.square(np.concatenate(errors)).mean(0)), rtol=1e-12)
    model = VAE.build(PER_PIXEL, constant_pixel(17), generator=seeded(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    answers = torch.rand(9, DIM, generator=seeded(4))
    model.decode = lambda z: answers
    model.refit(answers, generator=seeded(5))
    assert model.std().tolist() == pytest.approx([12**-0.5 / 17] * DIM, rel=1e-5)
    assert {name for name, t in model.state_dict().items() if not torch.equal(t, before[name])} == {"log_std"}


def test_a_decoder_that_diverged_is_reported():
    model = VAE.build(PER_PIXEL, constant_pixel(17), generator=seeded(2))
    model.decoder[0].weight.data.fill_(torch.nan)
    with pytest.raises(DivergenceError, match="mean squared error nan of the decoder"):
        model.refit(torch.zeros(3, DIM), generator=seeded(5))


def test_noise_per_pixel_learns_how_far_pixels_vary():
    """A pixel without variation gets the least noise, and the bound gains on that with one noise for all."""
    training_set = constant_pixel(17)
    bounds = {}
    for kind in ("isotropic", "per_pixel"):
        model = VAE.build(PER_PIXEL | {"reconstruction": kind}, training_set, generator=seeded(6))
        arguments = {"n_updates": 150, "batch_size": 50, "learning_rate": 0.02}
        fit(model, training_set, **arguments, generator=seeded(7), progress=str)
        x = training_set.draw(generator=seeded(8))
        with torch.no_grad():
            bounds[kind] = bound.elbo(model, x, generator=seeded(9)).total.mean().item()
    assert model.std().argmin() == 2 and model.std()[2] < 0.1 * model.std()[3]
    assert bounds["per_pixel"] > bounds["isotropic"] + 1.0


def test_unknown_reconstruction_is_refused():
    with pytest.raises(ValueError, match="reconstruction: got 'other', expected one of isotropic, per_pixel"):
        VAE.build(PER_PIXEL | {"reconstruction": "other"}, constant_pixel(17), generator=seeded(1))
