"""The mixture of Bernoulli products: its likelihood by SciPy, its fit, and the product that it can be."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import bernoulli

from baselines import bernoulli_controls
from baselines.bernoulli_controls import BernoulliControl
from cdae.data import TrainingSet
from tests.helpers import mutated, seeded
from tests.oracles.bit_flips import corners

PROTOTYPES = np.array([[0.9, 0.9, 0.1, 0.1], [0.1, 0.2, 0.9, 0.8]])
SHARES = np.array([0.3, 0.7])


def images(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, 4)) < PROTOTYPES[(rng.random(n) < SHARES[1]).astype(int)]).astype(np.float32)


def fitted(n_components: int, values: np.ndarray, module=bernoulli_controls) -> BernoulliControl:
    model = module.BernoulliControl(values.shape[1], n_components)
    model.fit_closed_form(TrainingSet(torch.from_numpy(values), unit_interval=True), generator=seeded(0))
    return model


def written_out(model: BernoulliControl, x: np.ndarray) -> np.ndarray:
    """log p(x) by SciPy."""
    pixels = bernoulli.logpmf(x.astype(int)[:, None], model.mean.numpy()).sum(-1)
    return logsumexp(model.log_weight.numpy() + pixels, axis=1)


def test_the_likelihood_is_that_of_scipy_and_sums_to_one():
    model, x = fitted(2, images(500, 0)), corners(4)
    values = model.log_prob(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(values, written_out(model, x), atol=1e-12)
    assert np.exp(values).sum() == pytest.approx(1.0, abs=1e-12)


def test_with_one_component_pixels_have_the_means_of_the_training_images():
    """With half a black and half a white image added."""
    values = images(200, 1)
    model = fitted(1, values)
    np.testing.assert_allclose(model.mean[0], (values.sum(0, dtype=np.float64) + 0.5) / 201.0, rtol=1e-12)
    assert model.log_weight.item() == 0.0


def test_the_fit_finds_the_components_and_rises_above_the_product():
    model, other = fitted(2, images(4_000, 2)), torch.from_numpy(images(4_000, 3))
    order = model.mean[:, 0].argsort(descending=True)
    np.testing.assert_allclose(model.mean[order], PROTOTYPES, atol=0.05)
    np.testing.assert_allclose(model.log_weight[order].exp(), SHARES, atol=0.05)
    gain = (model.log_prob(other) - fitted(1, images(4_000, 2)).log_prob(other)).numpy()
    assert gain.mean() > 10.0 * gain.std() / len(gain) ** 0.5


def largest_error(module=bernoulli_controls) -> float:
    """Of the likelihood, and how far one step of expectation maximisation, written out here, moves the fit."""
    values = images(400, 4)
    model = fitted(2, values, module)
    weight, mean = model.log_weight.numpy(), model.mean.numpy()
    joint = weight + bernoulli.logpmf(values.astype(int)[:, None], mean).sum(-1)
    component = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    n = component.sum(0)
    moved = (component.T @ values + 0.5) / (n[:, None] + 1.0)
    likelihood = model.log_prob(torch.from_numpy(values)).numpy() - written_out(model, values)
    shares = (n + 0.5) / (len(values) + 1.0) - np.exp(weight)
    return max(np.abs(error).max() for error in (likelihood, moved - mean, shares))


def test_the_fit_is_where_expectation_maximisation_leaves_it():
    assert largest_error() < 0.02


MUTANTS = {
    "not all ones counted": "n_ones += component.T @ chunk.double() -> n_ones += component.T @ (chunk.double() * 0.8)",
    "black for white": "(component.one - component.zero) -> (component.zero - component.one)",
    "black pixels for nothing": " + component.zero.sum(1) -> ",
    "no weights of components": " + self.log_weight -> ",
}


@pytest.mark.parametrize("mutant", MUTANTS.values())
def test_mutants_of_the_fit_are_seen(mutant):
    assert not largest_error(mutated(bernoulli_controls, *mutant.split(" -> "))) < 0.04


def test_a_pixel_that_training_never_shows_has_a_probability():
    values = np.zeros((50, 2), dtype=np.float32)
    log_prob = fitted(2, values).log_prob(torch.tensor([[1.0, 0.0]]))
    assert -10.0 < log_prob.item() < -3.0


@pytest.mark.parametrize("n_components", [0, 10])
def test_more_components_than_training_images_are_refused(n_components):
    data = TrainingSet(torch.zeros(9, 2), unit_interval=True)
    with pytest.raises(ValueError, match="expected 1 to 9"):
        BernoulliControl.build({"n_components": n_components}, data, generator=seeded(0))
