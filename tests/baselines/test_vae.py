"""The variational auto-encoder: without hidden layers, and at its optimum, it equals probabilistic PCA exactly."""

import numpy as np
import pytest
import torch

from baselines.vae import VAE
from cdae import bound
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.estimators import importance
from tests.baselines.linear_vae import DIM, LATENT, expected_bound, linear_vae, parameters
from tests.helpers import assert_mean, assert_moments, seeded
from tests.oracles import factor_model


def optimal_vae(seed: int) -> tuple[VAE, np.ndarray, np.ndarray]:
    """The VAE, points (5, DIM), and their exact log density under N(b, W W^T + s^2 I)."""
    weights, bias, std = parameters(seed)
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x = 2.0 * np.random.default_rng(seed + 100).standard_normal((5, DIM))
    return model, x, factor_model.log_prob(x, weights, bias, std)


@pytest.mark.parametrize("seed", range(3))
def test_linear_vae_bound_equals_the_ppca_density(seed):
    """With the exact posterior as encoder the gap is zero."""
    model, xs, log_density = optimal_vae(seed)
    np.testing.assert_allclose([expected_bound(model, x) for x in xs], log_density, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_importance_weights_of_the_exact_posterior_are_constant(seed):
    """Each one is the density, whatever was drawn."""
    model, xs, log_density = optimal_vae(seed)
    log_weights = importance.log_importance_weights(
        model, torch.from_numpy(xs), n_importance_samples=9, generator=seeded(seed)
    )
    np.testing.assert_allclose(log_weights.detach(), np.tile(log_density, (9, 1)), rtol=1e-10)


def wrong_prior_divergence(model, monkeypatch):
    monkeypatch.setattr("baselines.gaussian_code.kl_normal", lambda mean, std, *prior: 0.0 * mean.sum(1))


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
    assert (mean_set.variant.words, sample_set.variant.words) == ("last step mean", "last step sample")
    assert_moments(mean_set.values.numpy(), bias, weights @ weights.T)
    assert_moments(sample_set.values.numpy(), bias, weights @ weights.T + std**2 * np.eye(DIM))


def test_simulated_data_and_their_latents_have_the_exact_joint_moments():
    """x = W z + b + s eps with z ~ N(0, I)."""
    weights, bias, std = parameters(2)
    model = linear_vae(weights, bias, std, DataScale(torch.arange(6.0), 1.5, unit_interval=False))
    x, z = model.simulate(20_000, generator=seeded(13))
    covariance = np.block([[weights @ weights.T + std**2 * np.eye(DIM), weights], [weights.T, np.eye(LATENT)]])
    assert_moments(torch.cat([x, z], dim=1).numpy(), np.concatenate([bias, np.zeros(LATENT)]), covariance)


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
