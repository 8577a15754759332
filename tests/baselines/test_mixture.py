"""The mixture of Gaussians against SciPy, its samples, and what its fit must find."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from baselines import mixture
from baselines.mixture import MixtureControl, added_variance
from cdae import checkpoint
from cdae.data import TrainingSet
from cdae.interfaces import Fitted, Trainable
from tests.helpers import assert_moments, seeded

N_LEVELS, DIM = 16, 4


@pytest.fixture(scope="module")
def training_set():
    """Two clusters of uint8 levels 0 .. 15, twice as many in the first; the last dimension is constant."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(4.0, 1.0, (400, DIM)), rng.normal(11.0, 1.5, (200, DIM))]).clip(0, 15)
    values[:, -1] = 3
    return TrainingSet(torch.from_numpy(values.astype(np.uint8)), N_LEVELS, unit_interval=True)


def fitted(training_set, n_components=2, *, seed=0) -> MixtureControl:
    model = MixtureControl.build({"n_components": n_components}, training_set, generator=seeded(0))
    model.fit_closed_form(training_set, generator=seeded(seed))
    return model


def random_mixture(n_components=3) -> MixtureControl:
    """Parameters that no fit has made."""
    rng = np.random.default_rng(1)
    model = MixtureControl(DIM, n_components)
    model.log_weight.copy_(torch.from_numpy(rng.dirichlet(np.ones(n_components))).log())
    model.mean.copy_(torch.from_numpy(rng.normal(0.0, 2.0, (n_components, DIM))))
    model.std.copy_(torch.from_numpy(rng.uniform(0.3, 2.0, (n_components, DIM))))
    return model


def oracle_log_prob(model: MixtureControl, x: np.ndarray) -> np.ndarray:
    parameters = zip(model.log_weight.numpy(), model.mean.numpy(), model.std.numpy(), strict=True)
    parts = [w + stats.multivariate_normal(mean, np.diag(std**2)).logpdf(x) for w, mean, std in parameters]
    return logsumexp(parts, axis=0)


def error(model: MixtureControl, of: MixtureControl | None = None) -> float:
    """Of the model's log density against SciPy's for the same parameters, or for those of another."""
    x = np.random.default_rng(2).normal(0.0, 2.0, (40, DIM)).astype(np.float32)
    return np.abs(model.log_prob(torch.from_numpy(x)).numpy() - oracle_log_prob(of or model, x)).max()


def test_log_prob_equals_scipys():
    assert error(random_mixture()) < 1e-10
    assert error(random_mixture(n_components=1)) < 1e-10


def weights_dropped(monkeypatch, model):
    model.log_weight.zero_()


def variance_for_std(monkeypatch, model):
    real = mixture.PixelDensity
    monkeypatch.setattr(mixture, "PixelDensity", lambda std, share: real(std.square(), share))


def average_of_logs(monkeypatch, model):
    monkeypatch.setattr(torch, "logsumexp", lambda values, dim: values.mean(dim))


@pytest.mark.parametrize("mutate", [weights_dropped, variance_for_std, average_of_logs])
def test_mutants_of_log_prob_are_seen(mutate, monkeypatch):
    model = random_mixture()
    mutate(monkeypatch, model)
    assert error(model, of=random_mixture()) > 1e-3


def test_chunks_change_nothing(monkeypatch):
    model, x = random_mixture(), torch.randn(25, DIM, generator=seeded(0))
    whole = model.log_prob(x)
    monkeypatch.setattr(mixture, "EXAMPLES", 10)
    assert whole.dtype == torch.float64
    torch.testing.assert_close(model.log_prob(x), whole, rtol=1e-14, atol=0)


def test_samples_have_the_moments_of_the_mixture():
    model = random_mixture()
    (samples,) = model.sample_sets(100_000, generator=seeded(0))
    weight, mean = model.log_weight.exp().numpy(), model.mean.numpy()
    centred = mean - weight @ mean
    covariance = np.diag(weight @ model.std.numpy() ** 2) + centred.T @ (weight[:, None] * centred)
    assert samples.values.dtype == torch.float32
    assert_moments(samples.values.numpy(), weight @ mean, covariance)


def test_one_component_has_the_moments_of_the_very_draw(training_set):
    model, x = fitted(training_set, 1), training_set.draw(generator=seeded(0)).double()
    torch.testing.assert_close(model.mean[0], x.mean(0), rtol=1e-10, atol=0)
    variance = x.var(0, correction=0) + 1 / 12 / N_LEVELS**2
    torch.testing.assert_close(model.std[0].square(), variance, rtol=1e-10, atol=0)
    assert model.log_weight.item() == pytest.approx(0.0, abs=1e-12)


def test_two_clusters_are_found_with_their_shares(training_set):
    model = fitted(training_set)
    order = model.mean[:, 0].argsort()
    np.testing.assert_allclose(model.log_weight.exp()[order].numpy(), [2 / 3, 1 / 3], atol=0.01)
    x = training_set.draw(generator=seeded(5))
    for component, rows in zip(order, (x[:400], x[400:]), strict=True):
        np.testing.assert_allclose(model.mean[component].numpy(), rows.mean(0).numpy(), atol=0.01)
    assert model.log_prob(x).mean() > fitted(training_set, 1).log_prob(x).mean() + 1.0


def test_no_variance_is_below_that_of_the_dequantization(training_set):
    """Even of as many components as examples, and of a dimension that is constant."""
    few = TrainingSet(training_set.values[::20], N_LEVELS, unit_interval=True)
    assert added_variance(few) == pytest.approx(1 / 12 / N_LEVELS**2)
    model = fitted(few, len(few))
    assert model.std.square().min() >= 0.999 / 12 / N_LEVELS**2
    assert model.std[:, -1].square().max() < 4 / 12 / N_LEVELS**2
    assert model.log_prob(few.draw(generator=seeded(0))).isfinite().all()
    real = TrainingSet(torch.randn(100, 2, generator=seeded(0)))
    assert added_variance(real) == pytest.approx(1e-6 * real.summary().pooled_std ** 2)


def test_the_fit_is_deterministic_and_follows_its_generator(training_set):
    one, same, other = (fitted(training_set, 5, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["mean"], other["mean"])


def test_a_rebuilt_model_is_complete_once_its_weights_are_loaded(training_set, tmp_path):
    model, x = fitted(training_set), torch.rand(9, DIM, generator=seeded(0))
    rebuilt = MixtureControl.build({"n_components": 2}, training_set, generator=seeded(1))
    assert rebuilt.log_prob(x).isnan().all()
    checkpoint.save(model, tmp_path / "weights")
    checkpoint.load(rebuilt, tmp_path / "weights")
    assert torch.equal(rebuilt.log_prob(x), model.log_prob(x))
    assert isinstance(model, Fitted) and not isinstance(model, Trainable)


def test_impossible_options_are_refused(training_set):
    with pytest.raises(ValueError, match="covariance: got 'full', expected diagonal"):
        MixtureControl.build({"n_components": 2, "covariance": "full"}, training_set, generator=seeded(0))
    for n in (0, 601):
        with pytest.raises(ValueError, match=f"n_components: got {n}, expected 1 to 600"):
            MixtureControl.build({"n_components": n}, training_set, generator=seeded(0))
    with pytest.raises(ValueError, match="n_components: got 0, expected at least 1"):
        MixtureControl(3, 0)


def test_it_is_a_density():
    """One dimension: its integral is one."""
    model = MixtureControl(1, 2)
    model.log_weight.copy_(torch.tensor([0.3, 0.7]).log())
    model.mean.copy_(torch.tensor([[-1.0], [2.0]]))
    model.std.copy_(torch.tensor([[0.5], [1.0]]))
    grid = torch.linspace(-10.0, 12.0, 4_001, dtype=torch.float64)
    assert torch.trapezoid(model.log_prob(grid[:, None]).exp(), grid).item() == pytest.approx(1.0, abs=1e-7)
    assert not math.isnan(model.log_prob(grid[:1, None]).item())
