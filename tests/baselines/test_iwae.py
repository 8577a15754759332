"""The importance weighted auto-encoder: its loss is minus IW-M of the same weights, and IW-M grows with M."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from baselines import gaussian_code
from baselines.gaussian_code import GaussianCode
from baselines.vae import VAE
from cdae import bound
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.estimators import importance
from cdae.training import fit
from tests.baselines.linear_vae import DIM, LATENT, expected_bound, linear_vae, parameters
from tests.helpers import mutated, seeded
from tests.oracles import factor_model

M = 5


def points(n: int) -> torch.Tensor:
    return 2.0 * torch.randn(n, DIM, generator=seeded(20), dtype=torch.float64)


def biased_vae(n_importance_samples: int) -> tuple[VAE, torch.Tensor, float]:
    """A linear VAE whose encoder is shifted and too wide, a point (1, DIM), and its exact log density."""
    weights, bias, std = parameters(3)
    model = linear_vae(weights, bias, std, DataScale(torch.zeros(DIM), 1.0, unit_interval=False))
    with torch.no_grad():
        model.encoder[0].bias[:LATENT] += 0.4
        model.encoder[0].bias[LATENT:] += 0.5
    model.n_importance_samples, x = n_importance_samples, points(1)
    return model.requires_grad_(False), x, factor_model.log_prob(x.numpy()[0], weights, bias, std).item()


def written_out(model: VAE, x: torch.Tensor, generator: torch.Generator) -> float:
    """Minus IW-M, averaged over the examples, from SciPy's densities of the same draws."""
    mean, std = (part.numpy() for part in model.encode(x))
    log_weights = []
    for _ in range(M):
        z = mean + std * torch.randn(mean.shape, generator=generator, dtype=torch.float64).numpy()
        likelihood = norm.logpdf(x.numpy(), model.decode(torch.from_numpy(z)).numpy(), model.std().item())
        log_weights.append((norm.logpdf(z) - norm.logpdf(z, mean, std)).sum(1) + likelihood.sum(1))
    return float(-(logsumexp(log_weights, axis=0) - np.log(M)).mean())


def largest_error() -> float:
    """Between the loss, IW-M by the importance estimator, and IW-M written out, with the same draws."""
    model, x = biased_vae(M)[0], points(7)
    loss = model.loss(x, generator=seeded(1)).item()
    log_weights = importance.log_importance_weights(model, x, n_importance_samples=M, generator=seeded(1))
    estimate = -importance.log_likelihood(log_weights).mean().item()
    return max(abs(loss - estimate), abs(loss - written_out(model, x, seeded(1))))


def test_loss_is_minus_iw_m_of_the_same_weights():
    assert largest_error() < 1e-10


MUTANTS = {
    "mean of logs": ("-log_mean_exp(log_weights.reshape(len(draws), len(x)))", "-log_weights"),
    "weights of other examples": ("reshape(len(draws), len(x))", "reshape(len(x), len(draws)).T"),
    "examples in another order": ("part.repeat(len(draws), 1)", "part.repeat_interleave(len(draws), 0)"),
    "one draw for all": ("for _ in range(self.n_importance_samples)]", "] * self.n_importance_samples"),
    "always the lower bound": ("if self.n_importance_samples == 1:", "if self.n_importance_samples:"),
    "one draw too few": ("range(self.n_importance_samples)", "range(self.n_importance_samples - 1)"),
    "without the prior": (
        "return self.log_likelihood(x, z) + log_prior -",
        "return self.log_likelihood(x, z) -",
    ),
    "the density that drew": ("log_normal(z, mean, std)", "log_normal(z, mean, torch.ones_like(std))"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_loss_are_seen(name, monkeypatch):
    mutant = mutated(gaussian_code, *MUTANTS[name]).GaussianCode
    for method in ("minus_bound", "_log_weights"):
        monkeypatch.setattr(GaussianCode, method, getattr(mutant, method))
    assert largest_error() > 1e-3


def test_with_one_draw_the_loss_is_minus_the_lower_bound():
    """The same number from the same draws, whether M is stated or not."""
    x, options = points(9).float(), {"latent_dim": LATENT, "hidden_sizes": [7]}
    for stated in ({}, {"n_importance_samples": 1}):
        model = VAE.build({**options, **stated}, TrainingSet(x), generator=seeded(2))
        expected = -bound.elbo(model, x, generator=seeded(3)).total.mean()
        assert torch.equal(model.loss(x, generator=seeded(3)), expected)


def test_in_expectation_it_grows_with_m_from_the_lower_bound_towards_the_exact_density():
    """Means of 40 batches of copies of one point, by more than their errors; IW-1 has the mean of the bound."""
    means, errors = [], []
    for n_importance_samples in (1, 5, 50):
        model, x, exact = biased_vae(n_importance_samples)
        copies, generator = x.expand(50, -1), seeded(n_importance_samples)
        values = np.array([-model.loss(copies, generator=generator).item() for _ in range(40)])
        means.append(values.mean())
        errors.append(values.std(ddof=1) / 40**0.5)
    assert abs(means[0] - expected_bound(model, x.numpy()[0])) < 5.0 * errors[0]
    for i in range(2):
        assert means[i + 1] - means[i] > 5.0 * (errors[i] + errors[i + 1])
    assert -5.0 * errors[2] < exact - means[2] < 0.25 * (exact - means[0])


def test_training_raises_iw_m_above_that_of_the_lower_bound():
    """Where the true posterior has correlations that no encoder has: the product of two codes."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((500, 2))
    x = 0.5 * np.column_stack([z.sum(1), 2.0 * z.prod(1), z.sum(1) ** 2]) + 0.1 * rng.standard_normal((500, 3))
    data = TrainingSet(torch.from_numpy(x).float())
    values = []
    for n_importance_samples in (1, 10):
        options = {"latent_dim": 2, "hidden_sizes": [16], "n_importance_samples": n_importance_samples}
        model = VAE.build(options, data, generator=seeded(4))
        training = {"n_updates": 200, "batch_size": 100, "learning_rate": 1e-2}
        fit(model, data, **training, generator=seeded(5), progress=lambda line: None)
        with torch.no_grad():
            weights = importance.log_importance_weights(
                model, data.values, n_importance_samples=10, generator=seeded(6)
            )
        values.append(importance.log_likelihood(weights))
    difference = (values[1] - values[0]).numpy()
    assert difference.mean() > 3.0 * difference.std() / len(difference) ** 0.5


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"n_importance_samples": 0}, "at least 1"), ({"n_importance_samples": 2, "reconstruction": "per_pixel"}, "to 1")],
)
def test_numbers_of_draws_that_mean_nothing_are_refused(options, expected):
    with pytest.raises(ValueError, match=expected):
        VAE.build({"latent_dim": 2, "hidden_sizes": [], **options}, TrainingSet(points(9).float()), generator=seeded(0))
