"""Bases that are fitted in several rounds: valid as any other, and nearer to posteriors that lie far off."""

import numpy as np
import pytest
import torch

from cdae.estimators import gaussian_base
from cdae.estimators.gaussian_base import CascadeFit
from tests.annealing_helpers import assert_unbiased
from tests.estimators.test_annealing import SMALL, both_ways, constant_course, curved
from tests.helpers import mutated, seeded

pytestmark = pytest.mark.usefixtures("without_checks_of_shapes")
SHORT = {**SMALL, "n_moves": 2, "force_precision": "highest"}  # too short to arrive in one round
NARROW, FAR = 0.02, 1.395  # standard deviation of the last step, and a point near the end of what the denoiser gives


def test_estimates_from_it_average_to_the_density_and_their_inverses_to_its_inverse():
    model, x, latents, exact = curved(600)
    base = CascadeFit(model, **SHORT, n_rounds=3)(x, generator=seeded(1))
    there, back = both_ways(base, latents, constant_course(0.8), 3)
    assert_unbiased(np.exp(there - exact), np.exp(back + exact))


def mean_phi(n_rounds: int, module=gaussian_base) -> np.ndarray:
    """Of every point, over draws of its base: lower by one nat is a bound that is higher by one."""
    model, *_ = curved(1, last_step_std=NARROW)
    x = torch.linspace(0.0, FAR, 20, dtype=torch.float64)[:, None]
    base = module.CascadeFit(model, **SHORT, n_rounds=n_rounds)(x, generator=seeded(2))
    with torch.no_grad():
        phi = base.potential(base.draw_white(200, generator=seeded(3)))
    return phi.reshape(200, len(x)).mean(0).numpy()


def test_rounds_come_nearer_and_no_point_loses_by_more_of_them():
    none, one, five = (mean_phi(n_rounds) for n_rounds in (0, 1, 5))
    assert none.mean() - one.mean() > 0.3 and none.max() - one.max() > 3.0
    assert five.mean() < one.mean() - 0.03 and (five - one).max() < 0.3


def test_a_round_that_is_worse_is_not_kept():
    assert mean_phi(5, mutated(gaussian_base, "new < old", "new > old")).mean() > mean_phi(1).mean() + 10.0
