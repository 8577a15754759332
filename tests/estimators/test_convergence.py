"""Diagnostics of weights against their definitions, and weights that must be flagged."""

import math

import numpy as np
import pytest
import torch

from cdae.estimators.convergence import (
    LARGEST_RELATIVE_ERROR,
    diagnostics,
    has_converged,
    pareto_k,
    relative_error,
    repeats_add,
    slope,
)
from cdae.gaussian import log_mean_exp
from tests.helpers import seeded


def log_normal_weights(rows, std, n=20, seed=0):
    return std * torch.randn(rows, n, generator=seeded(seed), dtype=torch.float64)


def test_relative_error_is_the_standard_error_of_the_mean_weight_over_it():
    log_weights = log_normal_weights(50, 0.7) - 800.0  # exp underflows: only ratios may be used
    w = np.exp(log_weights.numpy() + 800.0)
    expected = w.std(0, ddof=1) / math.sqrt(50) / w.mean(0)
    np.testing.assert_allclose(relative_error(log_weights).numpy(), expected, rtol=1e-12)
    assert relative_error(log_weights[:1]).isinf().all()


@pytest.mark.parametrize("k", [-0.5, 0.2, 0.5, 1.0, 2.0])
def test_pareto_k_is_that_of_generalised_pareto_weights(k):
    u = np.random.default_rng(0).random((5_000, 4))
    log_weights = torch.from_numpy(np.log(((1.0 - u) ** -k - 1.0) / k))
    error = (1.0 + k) / math.sqrt(3.0 * math.sqrt(5_000))  # of maximum likelihood, on so many in the tail
    np.testing.assert_allclose(pareto_k(log_weights).numpy(), k, atol=4.0 * error)
    assert pareto_k(log_weights[:24]).isnan().all()


def test_slope_is_what_the_second_half_adds():
    w = np.array([[1.0], [3.0], [2.0], [10.0]])
    expected = math.log(4.0) - (math.log(2.0) + math.log(6.0)) / 2.0
    assert slope(torch.from_numpy(np.log(w))).item() == pytest.approx(expected, rel=1e-12)
    assert slope(torch.zeros(1, 3, dtype=torch.float64)).isnan().all()


def test_narrow_weights_converge_and_wide_ones_do_not():
    for std, expected in [(0.1, True), (1.0, True), (4.0, False)]:
        log_weights = log_normal_weights(400, std)
        assert has_converged(log_weights, pareto_k(log_weights)) is expected


def test_a_tail_is_flagged_though_the_error_is_small():
    """Weights u^-0.8 have a mean and no variance; their error alone would pass."""
    u = np.random.default_rng(1).random((50_000, 6))
    log_weights = torch.from_numpy(-0.8 * np.log(u))
    light = torch.zeros(6, dtype=torch.float64)
    assert relative_error(log_weights).square().mean().sqrt() < 0.2
    assert has_converged(log_weights, light)
    assert not has_converged(log_weights, pareto_k(log_weights))


def test_a_gap_on_simulated_data_is_flagged_though_the_weights_agree():
    log_weights = log_normal_weights(400, 0.1)
    k, noise = pareto_k(log_weights), 0.1 * torch.randn(50, generator=seeded(2))
    noise -= noise.mean()
    assert has_converged(log_weights, k, noise + 0.4)
    assert not has_converged(log_weights, k, noise + 0.49)  # within two of its standard errors
    assert not has_converged(log_weights, k, 50.0 * noise)  # noise makes it no easier


def test_a_single_simulated_point_never_passes():
    log_weights = log_normal_weights(400, 0.1)
    gap = torch.zeros(1, dtype=torch.float64)
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert not has_converged(log_weights, pareto_k(log_weights), gap)


@pytest.mark.parametrize("rows", [1, 3])
def test_fewer_than_four_rows_are_judged_by_repeats(rows):
    """By the error of one repeat, not of the average of all of them."""
    log_weights, k = torch.zeros(rows, 20, dtype=torch.float64), torch.full((20,), math.nan, dtype=torch.float64)
    assert not has_converged(log_weights, k)
    assert not has_converged(log_weights, k, repeats=log_normal_weights(3, 0.01))
    assert has_converged(log_weights, k, repeats=log_normal_weights(4, 0.1))
    assert not has_converged(log_weights, k, repeats=log_normal_weights(4, 0.25))
    assert has_converged(torch.zeros(4, 20, dtype=torch.float64), k, repeats=log_normal_weights(4, 0.25))


def test_what_repeats_add_is_what_averaging_them_adds():
    repeats = torch.tensor([[1.0, 3.0], [2.0, 3.0], [6.0, 3.0]], dtype=torch.float64)
    expected = math.log((math.e + math.exp(2.0) + math.exp(6.0)) / 3.0) - 3.0
    np.testing.assert_allclose(repeats_add(repeats).numpy(), [expected, 0.0], rtol=1e-12, atol=1e-12)


def power_weights(rows, k, rng):
    """Logs of u^-k (1 - k), of mean one; their variance is infinite if k is at least 1/2."""
    return math.log(1.0 - k) - k * np.log(rng.random((rows, 25)))


def log_normal_of_mean_one(rows, std, rng):
    return std * rng.standard_normal((rows, 25)) - 0.5 * std**2


FAMILIES = [
    *((log_normal_of_mean_one, std) for std in (0.4, 0.6, 1.0, 1.4, 1.8)),
    *((power_weights, k) for k in (0.4, 0.5, 0.6, 0.7, 0.8, 0.85)),
]


@pytest.mark.parametrize(("limit", "holds"), [(LARGEST_RELATIVE_ERROR, True), (0.2, False)])
def test_weights_that_mostly_pass_are_too_low_by_less_than_a_tenth_of_a_nat(limit, holds):
    """In the mean over all of a family, whether a single set of examples passes or not."""
    rng, worst = np.random.default_rng(3), 0.0
    for rows in (4, 10, 30, 100, 1_000, 10_000):
        for draw, parameter in FAMILIES:
            sets = [torch.from_numpy(draw(rows, parameter, rng)) for _ in range(20)]
            n_passed = sum(relative_error(s).square().mean().sqrt().item() <= limit for s in sets)
            too_low = [-log_mean_exp(s).mean().item() for s in sets]
            worst = max(worst, np.mean(too_low)) if n_passed > len(sets) / 2 else worst
    assert bool(worst < 0.1) == holds and worst > 0.03


def test_diagnostics_hold_what_is_defined():
    names = ["mean_effective_sample_size", "mean_log_weight_std", "mean_relative_error", "mean_slope"]
    assert list(diagnostics(log_normal_weights(30, 1.0))) == names
    assert list(diagnostics(log_normal_weights(1, 1.0))) == names[:2]
