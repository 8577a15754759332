"""The oracles themselves: two derivations of the same quantity agree."""

import numpy as np
from scipy.stats import multivariate_normal

from tests.helpers import linear_cascade
from tests.oracles import cascade_1d, chains, factor_model


def test_joint_covariance_and_joint_precision_are_inverses():
    _, oracle = linear_cascade(0, dim=4, n_levels=3)
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


def test_quadrature_of_a_linear_cascade_is_its_closed_form():
    _, oracle = linear_cascade(3, dim=1, n_levels=3)
    x = np.linspace(-3.0, 3.0, 7)
    linear = lambda state: oracle.matrix[0, 0] * state + oracle.bias[0]  # noqa: E731
    prior = oracle.prior_mean[0], oracle.prior_std[0]
    by_quadrature = cascade_1d.log_prob(x, linear, oracle.reconstruction_std, *prior, np.linspace(-40.0, 40.0, 1_601))
    np.testing.assert_allclose(by_quadrature, oracle.log_prob(x[:, None]), rtol=1e-9)
