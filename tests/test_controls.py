"""Controls: the Gaussian is an exact density with matching samples; the training samples are the training set."""

import numpy as np
import torch
from scipy.stats import multivariate_normal

from baselines.controls import GaussianControl, TrainingSamplesControl
from cdae.data import TrainingSet
from tests.helpers import assert_moments, seeded

LEVELS = TrainingSet(torch.randint(0, 5, (50, 3), generator=seeded(0), dtype=torch.uint8), 5, unit_interval=True)


def test_gaussian_log_prob_equals_scipy():
    mean, std = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    model = GaussianControl(torch.from_numpy(mean), torch.from_numpy(std))
    x = np.random.default_rng(0).standard_normal((7, 2))
    expected = multivariate_normal(mean, np.diag(std**2)).logpdf(x)
    np.testing.assert_allclose(model.log_prob(torch.from_numpy(x)), expected, rtol=1e-13)
    assert model.log_prob(torch.from_numpy(x).float()).dtype == torch.float64


def test_gaussian_is_fitted_to_the_dequantized_data():
    """Mean and variance of the levels with those of the uniform noise: 1/12 of a level."""
    model = GaussianControl.build({}, LEVELS, generator=seeded(1))
    values = LEVELS.values.double().numpy()
    np.testing.assert_allclose(model.mean, (values.mean(0) + 0.5) / 5)
    np.testing.assert_allclose(model.std, np.sqrt(values.var(0) + 1 / 12) / 5)


def test_gaussian_samples_are_from_its_density():
    model = GaussianControl(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0]))
    (samples,) = model.sample_sets(20_000, generator=seeded(2))
    assert samples.values.dtype == torch.float32
    assert_moments(samples.values.numpy(), np.array([1.0, -2.0]), np.diag([0.25, 9.0]))


def test_training_samples_are_training_examples_each_at_most_once_in_random_order():
    values = torch.arange(60.0).reshape(20, 3)
    model = TrainingSamplesControl.build({}, TrainingSet(values), generator=seeded(3))
    (some,) = model.sample_sets(12, generator=seeded(4))
    (everything,) = model.sample_sets(1_000, generator=seeded(4))
    assert len({tuple(row) for row in some.values.tolist()}) == 12
    assert sorted(everything.values.tolist()) == values.tolist()
    assert everything.values.tolist() != values.tolist()
    (others,) = model.sample_sets(12, generator=seeded(5))
    assert not torch.equal(some.values, others.values)


def test_training_samples_are_pixels_without_dequantization():
    model = TrainingSamplesControl.build({}, LEVELS, generator=seeded(6))
    assert set(model.values.flatten().tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert model.state_dict() == {}
