"""The mean of a test split by regression on the own bound: its value, its coverage, and where it is not to be trusted.

Tails: `straight`, outliers lie on the line; `scattered`, around it; `steep` and `flat`, they leave it.
"""

from itertools import combinations

import numpy as np
import pytest

from workflow.tables.regression import whole_split

N_ALL, N_TRIALS = 10_000, 400
SIZES = 25, 100, 300
SLOPES_OF_OUTLIERS = {"straight": (0.4, 0.4), "scattered": (0.0, 0.8), "steep": (0.6, 1.0), "flat": (0.0, 0.0)}


def gaussian(slope):
    """Draws b and y, with mean 0, as a split has them."""

    def draw(rng):
        bound = rng.normal(0.0, 350.0, N_ALL)
        return bound, slope * bound + rng.normal(0.0, 50.0, N_ALL), 0.0

    return draw


def tailed(kind):
    """5% of the points cost both bounds much; slopes of y there between two numbers, 0.4 elsewhere."""
    low, high = SLOPES_OF_OUTLIERS[kind]
    cost = 2000.0 if kind == "flat" else 1000.0

    def draw(rng):
        bulk = rng.normal(0.0, 350.0, N_ALL)
        lost = (rng.random(N_ALL) < 0.05) * rng.exponential(cost, N_ALL)
        y = 0.4 * bulk - lost * rng.uniform(low, high, N_ALL) + rng.normal(0.0, 50.0, N_ALL)
        return bulk - lost, y, -0.05 * cost * (low + high) / 2.0

    return draw


def trials(draw, n, seed=0, n_trials=N_TRIALS):
    """Per trial: whether ± 2 errors cover the truth, the deviation, the error, whether it extrapolates."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n_trials):
        bound, y, truth = draw(rng)
        indices = rng.choice(N_ALL, n, replace=False)
        found = whole_split(y[indices], indices, bound)
        deviation = found.mean_nats - truth
        rows.append(
            (
                abs(deviation) <= 2.0 * found.standard_error_nats,
                deviation,
                found.standard_error_nats,
                found.extrapolates,
            )
        )
    return np.array(rows, dtype=float)


STRAIGHT = {"slope 0.4": gaussian(0.4), "slope 1": gaussian(1.0), "straight": tailed("straight")}
BENT = {kind: tailed(kind) for kind in ("scattered", "steep", "flat")}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", STRAIGHT)
def test_two_errors_cover_the_truth_where_the_relation_is_a_line(name, n):
    covered, deviation, error, _ = trials(STRAIGHT[name], n).T
    assert 0.925 <= covered.mean() <= 0.98
    assert abs(deviation.mean()) < 3.0 * deviation.std() / np.sqrt(N_TRIALS)
    assert np.sqrt((error**2).mean()) == pytest.approx(deviation.std(), rel=0.12)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", [*STRAIGHT, *BENT])
def test_values_that_do_not_extrapolate_are_covered_also_where_outliers_leave_the_line(name, n):
    covered, deviation, _, extrapolates = trials((STRAIGHT | BENT)[name], n).T
    assert covered[extrapolates == 0].mean() >= 0.92 and (extrapolates == 0).mean() > 0.4
    assert abs(deviation.mean()) < 3.0 * deviation.std() / np.sqrt(N_TRIALS)


@pytest.mark.parametrize("n, at_most", [(25, 0.65), (100, 0.9)])
def test_the_flag_is_needed_without_it_some_errors_are_far_too_small(n, at_most):
    covered, _, _, extrapolates = trials(BENT["flat"], n).T
    assert covered.mean() <= at_most and covered[extrapolates == 1].mean() < 0.5


def test_few_values_of_a_large_sample_with_gaussian_residuals_extrapolate():
    assert trials(STRAIGHT["slope 0.4"], 100).T[3].mean() < 0.02


def test_the_fitted_slope_has_a_smaller_error_than_slope_1():
    """A quarter of it, where the slope is 0.4 and residuals are those of MNIST at k = 3."""
    rng = np.random.default_rng(0)
    bound, y, _ = gaussian(0.4)(rng)
    indices = rng.choice(N_ALL, 25, replace=False)
    excess = (y - bound)[indices]
    found = whole_split(y[indices], indices, bound)
    assert found.standard_error_nats < 0.35 * excess.std(ddof=1) / 5.0 and found.slope == pytest.approx(0.4, abs=0.1)


def test_it_is_unbiased_over_random_subsets_of_a_curved_relation():
    """Every subset of 10 of 12 points, so that the mean over them is exact."""
    bound = np.array([-9.0, -4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    y = bound**2 + np.sin(bound)
    subsets = [np.array(chosen) for chosen in combinations(range(12), 10)]
    means = [whole_split(y[s], s, bound).mean_nats for s in subsets]
    assert np.mean(means) == pytest.approx(y.mean(), abs=1e-12) and np.std(means) > 0.1


def test_of_a_subset_that_is_the_whole_split_it_is_the_mean():
    rng = np.random.default_rng(0)
    bound = rng.normal(size=30)
    y = bound**2
    found = whole_split(y, np.arange(30), bound)
    assert found.mean_nats == pytest.approx(y.mean(), abs=1e-12) and not found.extrapolates


def test_slopes_and_error_are_those_of_fits_without_each_point():
    """Against fits that leave each point out one by one."""
    rng = np.random.default_rng(1)
    bound = rng.normal(size=50)
    indices = np.arange(0, 48, 4)
    x, n = bound[indices], 12
    y = 0.7 * x + rng.normal(size=n)
    without = [np.polyfit(np.delete(x, i), np.delete(y, i), 1) for i in range(n)]
    outside = np.delete(bound, indices).mean()
    predicted = [y[i] + without[i][0] * (outside - x[i]) for i in range(n)]
    at_the_mean = [np.polyval(line, bound.mean()) for line in without]
    everywhere = np.polyval(np.polyfit(x, y, 1), bound.mean())
    slope = np.mean([line[0] for line in without])
    found = whole_split(y, indices, bound)
    assert found.slope == pytest.approx(slope)
    assert found.mean_nats == pytest.approx(n / 50 * y.mean() + (1 - n / 50) * np.mean(predicted))
    of_subset = np.square(np.array(at_the_mean) - everywhere).sum()
    assert found.standard_error_nats == pytest.approx(np.sqrt(of_subset + slope**2 * bound.var(ddof=1) / 50))


@pytest.mark.parametrize("n, slope", [(9, 1.0), (10, 3.0)])
def test_of_fewer_than_10_points_no_slope_is_fitted(n, slope):
    bound = np.random.default_rng(0).normal(size=100)
    found = whole_split(3.0 * bound[:n], np.arange(n), bound)
    assert found.slope == pytest.approx(slope)
    mean = 3.0 * bound.mean() if slope == 3.0 else bound.mean() + 2.0 * bound[:n].mean()
    assert found.mean_nats == pytest.approx(mean)


@pytest.mark.parametrize("true_slope", [0.0, 1.0, 2.0])
def test_the_error_of_few_points_is_the_spread_over_random_subsets_and_test_sets(true_slope):
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        bound = rng.normal(0.0, 3.0, 24)
        y = true_slope * bound + rng.normal(0.0, 1.0, 24)
        found.append(whole_split(y[:8], np.arange(8), bound))
    means, errors = np.array([(f.mean_nats, f.standard_error_nats) for f in found]).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(means.std(), rel=0.06)


@pytest.mark.parametrize("last", [0.0, 5.0])
def test_no_slope_is_fitted_where_one_point_or_none_decides_on_it(last):
    bound = np.array([0.0] * 19 + [last] + [0.0, 5.0] * 40)
    y = np.random.default_rng(0).normal(size=20)
    found = whole_split(y, np.arange(20), bound)
    assert found.slope == 1.0
    assert found.mean_nats == pytest.approx(bound.mean() + (y - bound[:20]).mean())


@pytest.mark.parametrize("slope", [-0.5, 0.5])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("far, extrapolates", [(3.0, False), (4.0, True)])
def test_what_lies_beyond_the_subset_on_either_side_counts_against_one_error(slope, sign, far, extrapolates):
    """4% of the points lie beyond a subset that ends at 1: they carry 0.5 * 4% * (far - 1)."""
    bound = sign * np.concatenate([np.linspace(-1.0, 1.0, 96), [far] * 4])
    indices = np.linspace(0, 95, 20).round().astype(int)
    y = slope * bound[indices] + np.tile([0.1, -0.1, -0.1, 0.1], 5)
    found = whole_split(y, indices, bound)
    assert found.slope == pytest.approx(slope) and found.standard_error_nats == pytest.approx(0.05, abs=0.006)
    assert (0.5 * 0.04 * (far - 1.0) > found.standard_error_nats) == found.extrapolates == extrapolates
