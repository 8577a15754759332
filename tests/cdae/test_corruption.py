"""Noise schedules and the corruption q(x_i | x_0) = N(x_0, c_i^2 I), independent across levels."""

import numpy as np
import pytest
import torch

from cdae.corruption import SCHEDULES, NoiseSchedule, corrupt, from_options
from tests.helpers import assert_moments, seeded


@pytest.mark.parametrize(
    "std",
    [(0.0,), (), (0.1, 0.2), (0.0, 0.5, 0.5), (0.0, 0.5, 0.4), (0.0, -0.1), (0.0, float("inf")), (0.0, float("nan"))],
)
def test_schedule_refuses_what_is_not_increasing_from_zero(std):
    with pytest.raises(ValueError, match="noise schedule: got"):
        NoiseSchedule(std)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    ("n_levels", "first", "last", "message"),
    [
        (0, 0.1, 1.0, "n_levels = 0, expected at least 1"),
        (3, 1.0, 0.1, "expected 0 < first_std < last_std"),
        (3, 0.5, 0.5, "expected 0 < first_std < last_std"),
        (3, -0.1, 1.0, "expected 0 < first_std < last_std"),
        (1, 0.0, 1.0, "expected 0 < first_std < last_std"),
    ],
)
def test_named_schedules_refuse_impossible_ends(name, n_levels, first, last, message):
    with pytest.raises(ValueError, match=message):
        SCHEDULES[name](n_levels, first, last)


def test_geometric_schedule_has_constant_ratio_and_given_ends():
    schedule = NoiseSchedule.geometric(4, 0.1, 2.7)
    np.testing.assert_allclose(schedule.corruption_std, [0.0, 0.1, 0.3, 0.9, 2.7])
    assert schedule.n_levels == 4


def test_linear_schedule_has_constant_difference_and_given_ends():
    np.testing.assert_allclose(NoiseSchedule.linear(4, 0.1, 0.7).corruption_std, [0.0, 0.1, 0.3, 0.5, 0.7])


def test_single_level_sits_at_the_mean_of_the_ends():
    np.testing.assert_allclose(NoiseSchedule.geometric(1, 0.1, 0.9).corruption_std, [0.0, 0.3])
    np.testing.assert_allclose(NoiseSchedule.linear(1, 0.1, 0.9).corruption_std, [0.0, 0.5])


def test_corrupt_has_the_moments_of_q_and_levels_are_independent():
    """The joint covariance over levels and pixels is diag(c_i^2): a Markov chain would not be."""
    c = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    x = torch.tensor([1.0, -3.0], dtype=torch.float64)
    noisy = corrupt(x.expand(40_000, -1), c, generator=seeded(0))
    assert noisy.shape == (3, 40_000, 2)
    states = noisy.permute(1, 0, 2).reshape(-1, 6).numpy()
    assert_moments(states, np.tile(x, 3), np.diag(np.repeat(c[1:].numpy() ** 2, 2)))


def test_corrupt_keeps_the_dtype_and_follows_its_generator():
    c = torch.tensor([0.0, 0.5], dtype=torch.float64)
    x = torch.zeros(3, 2)
    noisy = corrupt(x, c, generator=seeded(1))
    assert noisy.dtype == torch.float32
    assert torch.equal(noisy, corrupt(x, c, generator=seeded(1)))
    assert not torch.equal(noisy, corrupt(x, c, generator=seeded(2)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_options_are_in_units_of_the_data(name):
    options = {"schedule": name, "n_levels": 3, "first_std": 0.25, "last_std": 4.0}
    found = from_options(options, 0.5).corruption_std
    np.testing.assert_allclose(found, SCHEDULES[name](3, 0.125, 2.0).corruption_std)


def test_a_list_of_levels_is_taken_as_it_is_in_units_of_the_data():
    assert from_options({"schedule": [0.5, 3.0]}, 0.5).corruption_std == (0.0, 0.25, 1.5)


def test_levels_that_are_still_to_be_chosen_are_refused():
    with pytest.raises(ValueError, match="schedule: got 'optimal', expected geometric, linear, or levels"):
        from_options({"schedule": "optimal"}, 1.0)
