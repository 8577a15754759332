"""The best levels are those that trying all finds, and their cost is minus the bound."""

import numpy as np
import pytest
import torch

from cdae import level_costs, schedules
from cdae.level_costs import LevelCosts
from tests.helpers import mutated
from tests.oracles import schedules as oracle

VARIANCE = np.array([0.02, 0.5, 1.7, 4.0])
GRID = np.geomspace(0.05, 8.0, 12)


def random_costs(seed: int, m: int) -> LevelCosts:
    rng = np.random.default_rng(seed)
    return LevelCosts(*(torch.from_numpy(rng.standard_normal(shape)) for shape in (m, (m, m), m)))


def gaussian_costs(module=level_costs, grid=GRID, *, pooled: bool) -> LevelCosts:
    """Costs of Gaussian data under the best denoisers, on the examples that all is fitted to."""
    c, mse = torch.from_numpy(grid), torch.from_numpy(oracle.wiener_error(VARIANCE, grid))
    mse = mse.mean(1, keepdim=True) if pooled else mse
    known = {"n_copies": len(VARIANCE) / mse.shape[1], "variance_floor": 0.0}
    first, pair = module.first_costs(mse, mse, **known), module.pair_costs(c, mse, mse, **known)
    return module.LevelCosts(first, pair, module.last_costs(c, torch.from_numpy(VARIANCE)))


def as_arrays(costs: LevelCosts):
    return costs.first.numpy(), costs.pair.numpy(), costs.last.numpy()


def compare(search=schedules.best_levels) -> None:
    """The search against trying all, for random costs, k <= 4, with the last level free and at every index."""
    for seed in range(6):
        for m, k in [(1, 1), (6, 1), (7, 2), (7, 3), (6, 4), (3, 3)]:
            costs = random_costs(seed, m)
            for last in (None, *range(k - 1, m)):
                cost, levels = oracle.best(*as_arrays(costs), k, last)
                assert search(costs, k, last=last) == levels
                assert abs(costs.total(levels) - cost) < 1e-12


def test_the_best_levels_are_those_that_trying_all_finds():
    compare()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("through = least[:, None] + step", "through = least[:, None] + step.T"),  # neighbours exchanged
        ("through = least[:, None] + step", "through = least[None, :] + step"),
        ("(least + costs.last).argmin()", "least.argmin()"),  # no prior
        ("range(n_levels - 1)", "range(n_levels)"),  # one level more
        ("infinite.triu(1) > 0", "infinite.triu(0) > 0"),  # equal levels
        ("infinite.triu(1) > 0", "infinite > 0"),  # decreasing levels
        ("argmin()) if last is None else last]", "argmin())]"),  # the fixed end ignored
        ("reversed(origins)", "origins"),
    ],
)
def test_a_wrong_search_is_found_out(old, new):
    """Each mutant fails on some of the cases that the search passes."""
    with pytest.raises((AssertionError, IndexError)):
        compare(mutated(schedules, old, new).best_levels)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_cost_is_minus_the_bound_and_the_search_finds_the_best_bound(k, pooled):
    costs = gaussian_costs(pooled=pooled)
    levels = schedules.best_levels(costs, k)
    bounds = {
        tuple(tried): oracle.bound_of_gaussian(VARIANCE, GRID[list(tried)], pooled=pooled)
        for tried in ([0], [3], [1, 5], [2, 11], [0, 4, 9], [0, 1, 2, 3], levels)
    }
    for tried, bound in bounds.items():
        np.testing.assert_allclose(costs.total(tried), -bound, rtol=1e-12)
    _, best = oracle.best(*as_arrays(costs), k)
    assert levels == best and bounds[levels] == max(bounds[t] for t in bounds if len(t) == k)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kl_normal(mse.sqrt(), c,", "kl_normal(mse.sqrt(), std,"),
        ("(c.square() + fitted_mse)", "fitted_mse"),
        ("return torch.stack(rows)", "return torch.stack(rows, 1)"),
        ("/ corruption_std.square()[:, None]", "/ corruption_std[:, None]"),
        ("return -n_copies * log_normal", "return -log_normal"),
    ],
)
def test_wrong_costs_are_found_out(old, new):
    costs = gaussian_costs(mutated(level_costs, old, new), pooled=True)
    bound = oracle.bound_of_gaussian(VARIANCE, GRID[[1, 5, 9]], pooled=True)
    assert abs(costs.total([1, 5, 9]) + bound) > 1e-3


def test_closed_forms_of_the_docstring():
    """On the examples that variances are fitted to, at pixels whose variances lie above the floor."""
    c, mse = torch.from_numpy(GRID), torch.from_numpy(oracle.wiener_error(VARIANCE, GRID))
    known = {"n_copies": 1.0, "variance_floor": 0.0}
    first = 0.5 * np.log(2 * np.pi * np.e * mse.numpy()).sum(1)
    np.testing.assert_allclose(level_costs.first_costs(mse, mse, **known), first, rtol=1e-12)
    pair = 0.5 * np.log1p(mse.numpy()[None] / GRID[:, None, None] ** 2).sum(2)
    np.testing.assert_allclose(level_costs.pair_costs(c, mse, mse, **known), pair, rtol=1e-9, atol=1e-12)


def test_a_floor_and_errors_on_other_examples():
    """Errors that were not fitted, and a variance that is held at its floor, against the Gaussian's own moments."""
    fitted, other = torch.tensor([[0.01, 0.5]]).double(), torch.tensor([[0.03, 0.4]]).double()
    known = {"n_copies": 1.0, "variance_floor": 0.2}
    first = 0.5 * (np.log(2 * np.pi * 0.2) + 0.03 / 0.2 + np.log(2 * np.pi * 0.5) + 0.4 / 0.5)
    np.testing.assert_allclose(level_costs.first_costs(fitted, other, **known).item(), first)
    variance, c = np.array([0.2, 0.59]), 0.3
    pair = (np.log(variance**0.5 / c) + (c**2 + other.numpy()[0]) / (2 * variance) - 0.5).sum()
    found = level_costs.pair_costs(torch.tensor([c]).double(), fitted, other, **known)
    np.testing.assert_allclose(found.item(), pair)


def test_equal_costs_give_the_lowest_levels():
    costs = LevelCosts(*(torch.zeros(shape, dtype=torch.float64) for shape in (5, (5, 5), 5)))
    assert schedules.best_levels(costs, 3) == (0, 1, 2)


def test_more_levels_than_the_grid_has_are_refused():
    costs = random_costs(0, 4)
    for k, last in [(5, None), (0, None), (3, 1)]:
        with pytest.raises(ValueError, match=f"n_levels: got {k}, expected 1 to"):
            schedules.best_levels(costs, k, last=last)


def test_costs_that_are_no_numbers_are_refused():
    costs = random_costs(0, 4)
    costs.first[2] = torch.nan
    with pytest.raises(ValueError, match="costs of levels: got NaN"):
        schedules.best_levels(costs, 2)
