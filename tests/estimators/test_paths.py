"""Paths between an inference model and the joint density, against SciPy and the oracle; schedules of betas."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from cdae.estimators import paths
from cdae.estimators.paths import CascadePath, PriorPath, linear_schedule, sigmoid_schedule
from tests.annealing_helpers import PAPER, linear_decoder
from tests.helpers import finite_variance_cascade, seeded


def test_prior_path_is_the_prior_and_the_joint_density():
    model, weights, bias = linear_decoder(dim=4, latent_dim=2, std=0.7)
    x, z = model.simulate(6, generator=seeded(24))
    start, end = PriorPath(model).log_densities(x, z)
    prior = multivariate_normal(np.zeros(2)).logpdf(z)
    likelihood = multivariate_normal(np.zeros(4), 0.49 * np.eye(4)).logpdf(x.numpy() - z.numpy() @ weights.T - bias)
    np.testing.assert_allclose(start.detach(), prior, rtol=1e-12)
    np.testing.assert_allclose(end.detach(), prior + likelihood, rtol=1e-12)


def test_cascade_path_is_the_inference_model_and_the_joint_density():
    model, oracle = finite_variance_cascade()
    x, latents = model.simulate(6, generator=seeded(25))
    start, end = CascadePath(model, PAPER).log_densities(x, latents)
    states = torch.cat([x[None], latents]).permute(1, 0, 2).reshape(6, -1).numpy()
    np.testing.assert_allclose(start, oracle.log_inference(states), rtol=1e-12)
    np.testing.assert_allclose(end, oracle.log_joint(states), rtol=1e-12)
    assert CascadePath(model, PAPER).coordinate_std.flatten().tolist() == [0.6, 1.2]


@pytest.mark.parametrize("name", paths.SCHEDULES)
@pytest.mark.parametrize("n", [1, 2, 7, 1_000])
def test_schedules_increase_from_0_to_1(name, n):
    betas = paths.SCHEDULES[name](n)
    assert len(betas) == n + 1 and betas[0] == 0.0 and betas[-1] == 1.0 and (betas.diff() > 0).all()
    torch.testing.assert_close(betas + betas.flip(0), torch.ones_like(betas))


def test_schedules_have_their_shapes():
    """Equal steps; and sigmoid(4 (2 t / T - 1)), rescaled."""
    torch.testing.assert_close(linear_schedule(4), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64))
    curve = [1.0 / (1.0 + math.exp(-4.0 * u)) for u in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    expected = [(c - curve[0]) / (curve[-1] - curve[0]) for c in curve]
    torch.testing.assert_close(sigmoid_schedule(4), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("name", paths.SCHEDULES)
def test_no_distributions_are_refused(name):
    with pytest.raises(ValueError, match="n_distributions: got 0, expected at least 1"):
        paths.SCHEDULES[name](0)
