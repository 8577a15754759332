"""Densities and divergences against SciPy, in every shape of standard deviation, and their numerical safety."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from cdae import gaussian
from tests.helpers import quadrature, seeded

N, DIM = 5, 4


def arrays(seed: int):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, DIM)), rng.standard_normal((N, DIM))


@pytest.mark.parametrize("shape", [(), (DIM,), (N, DIM)])
def test_log_normal_equals_scipy(shape):
    """Pins the constant 2 pi, std against variance, and that a std of shape () counts once per dimension."""
    x, mean = arrays(0)
    std = np.random.default_rng(1).uniform(0.3, 2.0, shape)
    rows = np.broadcast_to(std, (N, DIM))
    expected = [multivariate_normal(mean[i], np.diag(rows[i] ** 2)).logpdf(x[i]) for i in range(N)]
    actual = gaussian.log_normal(torch.from_numpy(x), torch.from_numpy(mean), torch.tensor(std))
    np.testing.assert_allclose(actual, expected, rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (DIM,)])
def test_log_normal_pairs_is_log_normal_of_each_pair(shape):
    """Pins which index is the state's and which the mean's, in examples of different numbers of both."""
    rng = np.random.default_rng(4)
    x, mean = torch.from_numpy(rng.standard_normal((2, 3, DIM))), torch.from_numpy(rng.standard_normal((2, 5, DIM)))
    std = torch.tensor(rng.uniform(0.3, 2.0, shape))
    expected = gaussian.log_normal(x[:, :, None].expand(2, 3, 5, DIM), mean[:, None], std)
    torch.testing.assert_close(gaussian.log_normal_pairs(x, mean, std), expected, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("shape_p", [(), (DIM,), (N, DIM)])
@pytest.mark.parametrize("shape_q", [(), (DIM,), (N, DIM)])
def test_kl_normal_is_the_mean_log_ratio(shape_q, shape_p):
    """E_q[log q - log p] is exact on the quadrature points, with SciPy's densities: pins direction and constants."""
    mean_q, mean_p = arrays(2)
    rng = np.random.default_rng(3)
    std_q, std_p = rng.uniform(0.3, 2.0, shape_q), rng.uniform(0.3, 2.0, shape_p)
    z = quadrature(DIM).numpy()
    rows_q, rows_p = np.broadcast_to(std_q, (N, DIM)), np.broadcast_to(std_p, (N, DIM))
    expected = []
    for i in range(N):
        q = multivariate_normal(mean_q[i], np.diag(rows_q[i] ** 2))
        p = multivariate_normal(mean_p[i], np.diag(rows_p[i] ** 2))
        x = mean_q[i] + rows_q[i] * z
        expected.append((q.logpdf(x) - p.logpdf(x)).mean())
    actual = gaussian.kl_normal(*map(torch.tensor, (mean_q, std_q, mean_p, std_p)))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_kl_normal_is_zero_between_equals_and_not_symmetric():
    mean, std = torch.zeros(1, 3), torch.tensor(1.5)
    assert gaussian.kl_normal(mean, std, mean, std).item() == 0.0
    forward = gaussian.kl_normal(mean, std, mean, 2 * std)
    assert abs(forward - gaussian.kl_normal(mean, 2 * std, mean, std)) > 0.1


def test_sums_run_in_float64_for_float32_arguments():
    """Pins that a log density of many pixels keeps its digits: a float32 sum would be off by about 1e-2 here."""
    x = torch.full((1, 100_000), 1.1, dtype=torch.float32)
    exact = 100_000 * float(x[0, 0]) ** 2
    total = gaussian.squared_norm(x)
    assert total.dtype == torch.float64
    assert abs(total.item() - exact) < 1e-7 * exact
    assert gaussian.log_normal(x, torch.zeros(()), torch.ones(())).dtype == torch.float64
    assert gaussian.kl_normal(x, torch.ones(()), x, torch.ones(())).dtype == torch.float64


def test_log_mean_exp_equals_scipy():
    """Pins the division by the number of rows (not of columns)."""
    values = np.random.default_rng(4).standard_normal((7, 3))
    np.testing.assert_allclose(
        gaussian.log_mean_exp(torch.from_numpy(values)), logsumexp(values, axis=0) - math.log(7), rtol=1e-14
    )


@pytest.mark.parametrize("offset", [-1e5, 1e5])
def test_log_mean_exp_is_shifted_before_exp(offset):
    values = torch.tensor([[0.0], [math.log(3.0)]], dtype=torch.float64) + offset
    assert gaussian.log_mean_exp(values).item() == pytest.approx(offset + math.log(2.0), abs=1e-9)


def test_standard_normal_follows_its_generator_and_likeness():
    like = torch.zeros(2, dtype=torch.float64)
    draws = gaussian.standard_normal(like, 3, 2, generator=seeded(5))
    assert draws.dtype == torch.float64 and draws.shape == (3, 2)
    assert torch.equal(draws, gaussian.standard_normal(like, 3, 2, generator=seeded(5)))


def test_a_weight_per_entry_is_a_weight_per_vector_where_all_are_equal():
    x = torch.from_numpy(arrays(0)[0])
    weight = torch.rand(len(x), dtype=torch.float64, generator=seeded(0))
    per_entry = gaussian.weighted_squared_norm(x, weight[:, None].expand(-1, DIM))
    torch.testing.assert_close(gaussian.weighted_squared_norm(x, weight), per_entry, rtol=1e-13, atol=0.0)
    expected = gaussian.sum_over_dim(weight[:, None] * x.square(), DIM)
    torch.testing.assert_close(per_entry, expected, rtol=1e-13, atol=0.0)
