"""The broad component of the baselines: densities written out, integrals over the latent, and what it is worth."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from baselines import mixture
from baselines.mixture import MixtureControl
from baselines.vae import VAE
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.estimators import importance
from tests.helpers import assert_mean, mutated, seeded

DIM = 3
X = torch.tensor([[0.3, 0.2, 0.9], [0.1, 0.8, 0.5]], dtype=torch.float64)


def vae() -> VAE:
    scale = DataScale(torch.full((DIM,), 0.4), 0.3, unit_interval=True)
    options = {"latent_dim": 1, "hidden_sizes": [4], "reconstruction": "robust", "variance_floor": 1e-3}
    model = VAE(scale, **options, generator=seeded(0)).double()
    with torch.no_grad():
        model.density_predictor.broad_logit.copy_(torch.tensor([-1.0, 0.0, -4.0]))
    return model.requires_grad_(False)


def written_out(model: VAE, x: np.ndarray, z: torch.Tensor) -> np.ndarray:
    """log p(x | z) of every x for every z, (m, n)."""
    mean, density = model.decode(z).numpy()[:, None], model.density_predictor(z)
    std, share = density.std.numpy()[:, None], density.broad_share.numpy()
    return np.log((1.0 - share) * norm.pdf(x, mean, std) + share * norm.pdf(x, 0.5, 0.5)).sum(-1)


def test_the_vaes_density_has_both_components_and_its_weights_average_to_p():
    model, grid = vae(), torch.linspace(-8.0, 8.0, 4_001, dtype=torch.float64)[:, None]
    joint = written_out(model, X.numpy(), grid)
    np.testing.assert_allclose(model.log_likelihood(X, grid[:2]), np.diag(joint[:2]), atol=1e-12)
    exact = logsumexp(joint + norm.logpdf(grid.numpy()), axis=0) + np.log(16.0 / 4_000)
    copies = X.repeat(20_000, 1)
    log_weights = importance.log_importance_weights(model, copies, n_importance_samples=2, generator=seeded(1))
    assert_mean(np.exp(log_weights.numpy().reshape(-1, len(X)) - exact), np.ones(len(X)))


def test_the_vae_is_trained_on_it_and_samples_from_it():
    model = vae().requires_grad_()
    gradients = torch.autograd.grad(model.loss(X, generator=seeded(2)), list(model.density_predictor.parameters()))
    assert all(gradient.abs().sum() > 0.0 for gradient in gradients)
    x, z = model.requires_grad_(False).simulate(40_000, generator=seeded(3))
    mean, share = model.decode(z), model.density_predictor(z).broad_share
    assert_mean((x - ((1.0 - share) * mean + share * 0.5)).numpy()[:, 1], 0.0)
    assert torch.equal(next(iter(model.sample_sets(50, generator=seeded(3)))).values, model.decode(z_of(model, 50)))


def z_of(model: VAE, n: int) -> torch.Tensor:
    return torch.randn(n, 1, dtype=torch.float64, generator=seeded(3))


def speckled(n: int, seed: int) -> torch.Tensor:
    """Two kinds of images, with two bright specks in a hundred pixels of the second column."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((n, 1)) < 0.4, [0.2, 0.2, 0.7], [0.6, 0.3, 0.1]) + 0.02 * rng.standard_normal((n, DIM))
    x[:, 1] = np.where(rng.random(n) < 0.02, rng.random(n), x[:, 1])
    return torch.from_numpy(np.clip(x, 0.0, 1.0))


def fitted(robust: bool, cls=MixtureControl) -> MixtureControl:
    model = cls(DIM, 2, robust=robust)
    model.fit_closed_form(TrainingSet(speckled(2_000, 0), unit_interval=True), generator=seeded(0))
    return model


def mixture_error(cls=MixtureControl) -> float:
    model, x = fitted(True, cls), speckled(20, 1).numpy()
    weight, mean, std, share = (b.numpy() for b in (model.log_weight, model.mean, model.std, model.broad_share))
    pixels = np.log((1 - share) * norm.pdf(x[:, None], mean, std) + share * norm.pdf(x, 0.5, 0.5)[:, None])
    expected = logsumexp(weight + pixels.sum(-1), axis=1)
    return np.abs(model.log_prob(torch.from_numpy(x)).numpy() - expected).max()


def test_the_mixtures_density_has_both_components():
    assert mixture_error() < 1e-10


def test_its_shares_are_where_expectation_maximisation_leaves_them():
    """A fixed point of the step that is written out here, and it raises the density of other examples."""
    model, x = fitted(True), speckled(2_000, 0).float().double().numpy()
    weight, mean, std, share = (b.numpy() for b in (model.log_weight, model.mean, model.std, model.broad_share))
    narrow, broad = (1 - share) * norm.pdf(x[:, None], mean, std), share * norm.pdf(x, 0.5, 0.5)[:, None]
    joint = weight + np.log(narrow + broad).sum(-1)
    component = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    n_broad = (component[:, :, None] * broad / (narrow + broad)).sum((0, 1))
    np.testing.assert_allclose((n_broad + 0.5) / (len(x) + 1), share, rtol=0.25)
    assert share[0] < 0.02 and share[2] < 0.02
    others = speckled(2_000, 1)
    without = fitted(False).log_prob(others)
    assert model.log_prob(others).mean() > without.mean() + 0.1 and model.log_prob(others).min() > without.min()


def test_its_samples_have_the_moments_of_its_density():
    model = fitted(True)
    (samples,) = model.sample_sets(40_000, generator=seeded(4))
    weight, share = model.log_weight.exp().numpy(), model.broad_share.numpy()
    mean = (1 - share) * (weight @ model.mean.numpy()) + 0.5 * share
    for j in range(DIM):
        assert_mean(samples.values[:, j].double().numpy(), mean[j])


@pytest.mark.parametrize("kind", ["vae", "mixture"])
def test_it_is_refused_for_data_outside_the_unit_interval(kind):
    data = TrainingSet(torch.randn(20, DIM, generator=seeded(0)))
    options = {"latent_dim": 1, "hidden_sizes": [4], "reconstruction": "robust", "n_components": 2, "robust": True}
    with pytest.raises(ValueError, match=r"robust: got data outside \[0, 1\]"):
        {"vae": VAE, "mixture": MixtureControl}[kind].build(options, data, generator=seeded(0))


def test_a_mixture_without_its_broad_component_is_seen():
    mutant = mutated(mixture, "PixelDensity(std, share).log_prob(x, mean)", "PixelDensity(std).log_prob(x, mean)")
    assert mixture_error(mutant.MixtureControl) > 1e-3
