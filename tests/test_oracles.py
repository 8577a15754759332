"""The oracles themselves: two derivations of the same quantity agree."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from tests.helpers import linear_cascade
from tests.oracles import chains, factor_model, paths, scalar_cascade


@pytest.mark.parametrize("options", [{}, {"reconstruction": "per_pixel"}, {"prior": "full"}], ids=str)
def test_joint_covariance_and_joint_precision_are_inverses(options):
    _, oracle = linear_cascade(0, dim=4, n_levels=3, **options)
    _, covariance = oracle.joint_moments()
    np.testing.assert_allclose(covariance @ oracle.joint_precision(), np.eye(16), atol=1e-11)


def test_gap_is_the_divergence_from_inference_to_the_exact_posterior():
    """By Monte Carlo from the two log densities, within 5 standard errors."""
    _, oracle = linear_cascade(1, dim=2, n_levels=2)
    rng, x = np.random.default_rng(0), np.array([0.4, -1.0])
    noise = np.repeat(oracle.corruption_std[1:], 2) * rng.standard_normal((50_000, 4))
    states = np.hstack([np.tile(x, (50_000, 1)), np.tile(x, 2) + noise])
    log_ratio = oracle.log_inference(states) - (oracle.log_joint(states) - oracle.log_prob(x))
    assert abs(log_ratio.mean() - oracle.gap(x)) < 5 * log_ratio.std() / np.sqrt(50_000)


def test_stationary_covariance_solves_its_equation():
    matrix = np.array([[0.6, 0.3], [-0.2, 0.5]])
    covariance = chains.stationary_covariance(matrix, 0.7, 0.4)
    again = matrix @ (covariance + 0.49 * np.eye(2)) @ matrix.T + 0.16 * np.eye(2)
    np.testing.assert_allclose(again, covariance, atol=1e-12)


def test_factor_model_density_is_joint_over_posterior():
    rng = np.random.default_rng(2)
    weights, bias, x, z = rng.standard_normal((5, 2)), rng.standard_normal(5), rng.standard_normal(5), rng.random(2)
    means, covariance = factor_model.posterior(x[None], weights, bias, 0.6)
    log_joint = multivariate_normal(weights @ z + bias, 0.36 * np.eye(5)).logpdf(x) + multivariate_normal(
        [0, 0]
    ).logpdf(z)
    log_posterior = multivariate_normal(means[0], covariance).logpdf(z)
    np.testing.assert_allclose(factor_model.log_prob(x, weights, bias, 0.6), log_joint - log_posterior, rtol=1e-12)


def test_quadrature_of_a_scalar_cascade_equals_its_gaussian_where_the_denoiser_is_linear():
    _, oracle = linear_cascade(3, dim=1, n_levels=4)
    x = np.array([-2.0, 0.0, 3.0])
    slope, bias = oracle.matrix.item(), oracle.bias.item()
    grid = np.linspace(-40.0, 40.0, 2_001)
    actual = scalar_cascade.log_prob(
        x, lambda v: slope * v + bias, oracle.reconstruction_std, oracle.prior_mean[0], oracle.prior_std[0], grid
    )
    np.testing.assert_allclose(actual, oracle.log_prob(x[:, None]), atol=1e-10)


def test_two_mode_mean_is_the_posterior_mean():
    for x in (-1.3, 0.1, 2.0):
        joint = lambda v: norm.pdf(x, v, 0.5) * (norm.pdf(v, -1, 0.2) + norm.pdf(v, 1, 0.2))  # noqa: B023, E731
        mean = quad(lambda v: v * joint(v), -3, 3)[0] / quad(joint, -3, 3)[0]  # noqa: B023
        np.testing.assert_allclose(scalar_cascade.two_mode_mean(np.array(x), 1.0, 0.2, 0.5), mean, rtol=1e-6)


def test_one_path_is_joint_over_inference_and_so_is_one_particle():
    _, oracle = linear_cascade(4, dim=2, n_levels=3)
    states = np.random.default_rng(5).standard_normal((4, 2))
    answers = states[1:] @ oracle.matrix.T + oracle.bias
    numbers = oracle.reconstruction_std, oracle.prior_mean, oracle.prior_std
    draws = paths.Draws(states[0], states[1:, None], answers[:, None], *numbers)
    expected = (oracle.log_joint(states.reshape(1, -1)) - oracle.log_inference(states.reshape(1, -1))).item()
    std, none = oracle.corruption_std[1:], np.zeros((2, 1), dtype=int)
    np.testing.assert_allclose(paths.all_paths(draws, std), expected, rtol=1e-12)
    for resampled in (none, none + 1):
        np.testing.assert_allclose(paths.particles(draws, np.ones(3), std, none, resampled), expected, rtol=1e-12)
