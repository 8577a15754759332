"""The variational auto-encoder: without hidden layers, and at its optimum, it equals probabilistic PCA exactly."""

import numpy as np
import pytest
import torch

from baselines import vae
from baselines.vae import VAE
from cdae import bound
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.estimators import importance
from cdae.interfaces import DivergenceError
from cdae.training import fit
from tests.helpers import assert_mean, assert_moments, mutated, quadrature, seeded
from tests.oracles import factor_model

DIM, LATENT = 6, 3


def parameters(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """W with orthogonal columns of unequal length, so that the exact posterior is diagonal, b and s."""
    rng = np.random.default_rng(seed)
    weights = np.linalg.qr(rng.standard_normal((DIM, LATENT)))[0] * [0.5, 1.0, 2.5]
    return weights, rng.standard_normal(DIM), 0.7


def linear_vae(weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray, scale: DataScale) -> VAE:
    """The project's own module in float64, with decoder W z + b and the exact posterior as encoder."""
    kind = "per_pixel" if np.ndim(std) else "isotropic"
    model = VAE(scale, latent_dim=LATENT, hidden_sizes=[], reconstruction=kind, generator=seeded(0)).double()
    mean, pooled = scale.mean.double().numpy(), scale.std.item()
    _, covariance = factor_model.posterior(bias[None], weights, bias, std)
    gain = covariance @ weights.T / std**2  # posterior mean of z is gain (x - b)
    encoder_weight = np.vstack([gain * pooled, np.zeros_like(gain)])
    encoder_bias = np.concatenate([gain @ (mean - bias), np.log(np.diag(covariance))])
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.from_numpy(encoder_weight))
        model.encoder[0].bias.copy_(torch.from_numpy(encoder_bias))
        model.decoder[0].weight.copy_(torch.from_numpy(weights / pooled))
        model.decoder[0].bias.copy_(torch.from_numpy((bias - mean) / pooled))
        model.log_std.copy_(torch.tensor(np.log(std)))
    return model


def optimal_vae(seed: int) -> tuple[VAE, np.ndarray, np.ndarray]:
    """The VAE, points (5, DIM), and their exact log density under N(b, W W^T + s^2 I)."""
    weights, bias, std = parameters(seed)
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x = 2.0 * np.random.default_rng(seed + 100).standard_normal((5, DIM))
    return model, x, factor_model.log_prob(x, weights, bias, std)


def optimal_per_pixel_vae(seed: int) -> tuple[VAE, np.ndarray, np.ndarray]:
    """The same with a standard deviation for every pixel: N(b, W W^T + diag s^2)."""
    rng = np.random.default_rng(seed)
    std, (orthogonal, bias, _) = rng.uniform(0.2, 1.5, DIM), parameters(seed)
    weights = std[:, None] * orthogonal  # so that W^T diag(1 / s^2) W is diagonal, and the exact posterior with it
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x = 2.0 * rng.standard_normal((5, DIM))
    return model, x, factor_model.log_prob(x, weights, bias, std)


def expected_bound(model: VAE, x: np.ndarray) -> float:
    """Exactly: the integrand is quadratic in the noise of z."""
    copies = torch.from_numpy(x).expand(2 * LATENT, -1)
    mean, std = model.encode(copies)
    return model.bound_terms(copies, mean + std * quadrature(LATENT)).total.mean().item()


@pytest.mark.parametrize("seed", range(3))
def test_linear_vae_bound_equals_the_ppca_density(seed):
    """With the exact posterior as encoder the gap is zero."""
    model, xs, log_density = optimal_vae(seed)
    np.testing.assert_allclose([expected_bound(model, x) for x in xs], log_density, rtol=1e-10)


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


@pytest.mark.parametrize("seed", range(3))
def test_importance_weights_of_the_exact_posterior_are_constant(seed):
    """Each one is the density, whatever was drawn."""
    model, xs, log_density = optimal_vae(seed)
    log_weights = importance.log_importance_weights(
        model, torch.from_numpy(xs), n_importance_samples=9, generator=seeded(seed)
    )
    np.testing.assert_allclose(log_weights.detach(), np.tile(log_density, (9, 1)), rtol=1e-10)


def wrong_prior_divergence(model, monkeypatch):
    monkeypatch.setattr("baselines.vae.kl_normal", lambda mean, std, *prior: 0.0 * mean.sum(1))


def forgotten_half_of_the_log_variance(model, monkeypatch):
    model.encoder[0].bias.data[LATENT:] *= 0.5


def shifted_encoder(model, monkeypatch):
    model.encoder[0].bias.data[:LATENT] += 0.3


def wrong_data_scale(model, monkeypatch):
    model.data_scale.std.mul_(1.2)


def wrong_noise(model, monkeypatch):
    model.log_std.data += 0.2


MUTANTS = [
    wrong_prior_divergence,
    forgotten_half_of_the_log_variance,
    shifted_encoder,
    wrong_data_scale,
    wrong_noise,
]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_break_the_identity(mutate, monkeypatch):
    """By far more than the tolerance above: 1e-3 nats."""
    model, xs, log_density = optimal_vae(0)
    mutate(model, monkeypatch)
    assert max(abs(expected_bound(model, x) - exact) for x, exact in zip(xs, log_density, strict=True)) > 1e-3


def small_vae(seed: int = 0) -> VAE:
    scale = DataScale(torch.zeros(DIM), 1.0, unit_interval=False)
    return VAE(scale, latent_dim=LATENT, hidden_sizes=[7, 5], generator=seeded(seed)).double()


def test_expected_log_weight_is_the_expected_bound_for_any_encoder():
    """The same number from two pieces of code, by Monte Carlo with shared draws: the difference has mean zero."""
    model, x = small_vae(), torch.randn(1, DIM, generator=seeded(1), dtype=torch.float64).expand(20_000, -1)
    with torch.no_grad():
        z = model.infer(x, generator=seeded(2))
        assert_mean((model.log_weights(x, z) - model.bound_terms(x, z).total).numpy(), 0.0)


def test_infer_draws_from_the_encoder():
    model, x = small_vae(), torch.randn(1, DIM, generator=seeded(3), dtype=torch.float64)
    with torch.no_grad():
        mean, std = model.encode(x)
        z = model.infer(x.expand(20_000, -1), generator=seeded(4))
    assert_moments(z.numpy(), mean[0].numpy(), np.diag(std[0].numpy() ** 2))


def test_gradients_reach_encoder_decoder_and_noise_through_the_loss():
    model = small_vae()
    x = torch.randn(4, DIM, generator=seeded(5), dtype=torch.float64)
    gradients = torch.autograd.grad(model.loss(x, generator=seeded(6)), list(model.parameters()))
    assert all((g != 0).any() for g in gradients)


def test_loss_is_minus_the_mean_bound():
    model = small_vae()
    x = torch.randn(4, DIM, generator=seeded(7), dtype=torch.float64)
    expected = -bound.elbo(model, x, generator=seeded(8)).total.mean()
    assert torch.equal(model.loss(x, generator=seeded(8)), expected)


def test_bound_has_no_inner_levels():
    model = small_vae()
    x = torch.zeros(4, DIM, dtype=torch.float64)
    assert model.bound_terms(x, torch.zeros(4, LATENT, dtype=torch.float64)).level_kl.shape == (0, 4)


def test_samples_have_the_exact_moments_of_a_linear_vae():
    """N(b, W W^T + s^2 I), and without the last noise N(b, W W^T)."""
    weights, bias, std = parameters(1)
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    mean_set, sample_set = model.sample_sets(20_000, generator=seeded(9))
    assert (mean_set.variant, sample_set.variant) == ("last step mean", "last step sample")
    assert_moments(mean_set.values.numpy(), bias, weights @ weights.T)
    assert_moments(sample_set.values.numpy(), bias, weights @ weights.T + std**2 * np.eye(DIM))


def test_simulated_data_and_their_latents_have_the_exact_joint_moments():
    """x = W z + b + s eps with z ~ N(0, I)."""
    weights, bias, std = parameters(2)
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x, z = model.simulate(20_000, generator=seeded(13))
    covariance = np.block([[weights @ weights.T + std**2 * np.eye(DIM), weights], [weights.T, np.eye(LATENT)]])
    assert_moments(torch.cat([x, z], dim=1).numpy(), np.concatenate([bias, np.zeros(LATENT)]), covariance)


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


def refitted(module, x: torch.Tensor) -> VAE:
    """A VAE with random weights in float64, without a floor, after a refit."""
    scale = DataScale(torch.zeros(DIM), 1.0, unit_interval=False)
    arguments = {"latent_dim": LATENT, "hidden_sizes": [7], "reconstruction": "per_pixel", "generator": seeded(0)}
    model = module.VAE(scale, **arguments).double()
    model.refit(x, generator=seeded(5))
    return model


REFIT_MUTANTS = {
    "std for its square": ("(0.5 * mse.log())", "mse.log()"),
    "one for all pixels": ("(0.5 * mse.log())", "(0.5 * mse.mean().log().repeat(len(mse)))"),
    "nothing refitted": ("if not self.per_pixel:", "if self.per_pixel:"),
}


@pytest.mark.parametrize("name", [*REFIT_MUTANTS, None])
def test_refitted_noise_maximises_the_bound(name):
    """At the draws of the refit the gradient in every log_std is zero; and no mutant is stationary."""
    module = mutated(vae, *REFIT_MUTANTS[name]) if name else vae
    x = torch.arange(1.0, DIM + 1) * torch.randn(90, DIM, generator=seeded(3), dtype=torch.float64)
    model = refitted(module, x)
    slope = torch.autograd.grad(model.loss(x, generator=seeded(5)), model.log_std)[0].abs()
    assert slope.max() > 1e-2 if name else slope.max() < 1e-12


def test_refitted_noise_uses_all_examples_and_stays_on_the_floor():
    """More rows than a chunk, in NumPy; a decoder that is right about a pixel leaves it the floor."""
    x = torch.randn(2_345, DIM, generator=seeded(3), dtype=torch.float64)
    model, again = refitted(vae, x), seeded(5)
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
        arguments = {"n_updates": 300, "batch_size": 50, "learning_rate": 0.02}
        fit(model, training_set, **arguments, generator=seeded(7), progress=str)
        x = training_set.draw(generator=seeded(8))
        with torch.no_grad():
            bounds[kind] = bound.elbo(model, x, generator=seeded(9)).total.mean().item()
    assert model.std().argmin() == 2 and model.std()[2] < 0.1 * model.std()[3]
    assert bounds["per_pixel"] > bounds["isotropic"] + 1.0


def test_unknown_reconstruction_is_refused():
    with pytest.raises(ValueError, match="reconstruction: got 'other', expected one of isotropic, per_pixel"):
        VAE.build(PER_PIXEL | {"reconstruction": "other"}, constant_pixel(17), generator=seeded(1))


def test_refit_changes_nothing():
    model = small_vae()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.refit(torch.zeros(3, DIM, dtype=torch.float64), generator=seeded(10))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_build_follows_its_options():
    """Hidden sizes are mirrored in the decoder, and the noise starts at the data's pooled std."""
    training_set = TrainingSet(3.0 * torch.randn(200, DIM, generator=seeded(11)))
    model = VAE.build({"latent_dim": 2, "hidden_sizes": [7, 5]}, training_set, generator=seeded(12))
    assert [layer.out_features for layer in model.encoder[::2]] == [7, 5, 4]
    assert [layer.out_features for layer in model.decoder[::2]] == [5, 7, DIM]
    assert model.log_std.exp().item() == pytest.approx(training_set.summary().pooled_std, rel=1e-6)
