"""Step sizes: a pilot's hold on other points and betas, and are frozen; adapted inside a run they would bias it."""

import math
from dataclasses import FrozenInstanceError
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cdae.estimators.annealing import StepSizes
from cdae.estimators.hamiltonian import evaluate, transition
from cdae.estimators.paths import AnnealingPath, CascadePath, PriorPath, linear_schedule, sigmoid_schedule
from cdae.gaussian import log_normal
from tests.annealing_helpers import (
    PAPER,
    assert_mean_above,
    assert_unbiased,
    both_ways,
    constant_steps,
    forward,
    linear_decoder,
    pilot,
)
from tests.helpers import finite_variance_cascade, seeded


def test_pilot_sizes_hold_their_acceptance_on_other_points_and_at_other_betas():
    """Ten betas of the pilot, 60 of the run, a step that shrinks tenfold on the way."""
    model, _, _ = linear_decoder(dim=30, latent_dim=10, std=0.5)
    path = PriorPath(model)
    points, z = model.simulate(200, generator=seeded(21))
    steps = pilot(path, points[:100], sigmoid_schedule(10), n_leapfrog=5, generator=seeded(22))
    assert ((steps.acceptance > 0.65) & (steps.acceptance < 0.8)).all()
    assert steps.sizes[0] > 8 * steps.sizes[-1]
    there, back = both_ways(path, points[100:], z[100:], sigmoid_schedule(60), steps)
    for rates in (there.beta_acceptance, back.beta_acceptance):
        assert rates.min() > 0.5 and rates.max() < 0.95 and 0.6 < rates.mean() < 0.85
    assert there.chain_acceptance.mean().item() == pytest.approx(there.beta_acceptance.mean().item(), rel=1e-12)


def test_step_sizes_between_betas_follow_the_precision():
    """1 / size^2 is linear in beta, and the pilot's own betas give the pilot's own sizes."""
    betas = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    sizes = (1.0 + 100.0 * betas) ** -0.5
    steps = StepSizes(betas, sizes, torch.full_like(sizes, 0.7), 5)
    others = torch.tensor([1.0, 0.25, 0.0, 0.1, 0.6], dtype=torch.float64)
    torch.testing.assert_close(steps.at(others), (1.0 + 100.0 * others) ** -0.5, rtol=1e-12, atol=0.0)


def test_step_sizes_are_frozen():
    with pytest.raises(FrozenInstanceError):
        constant_steps(0.5, 2).sizes = torch.ones(2)


class Modes:
    """One dimension, from N(0, 4) to a narrow and a wide normal of equal weight; the data play no part, and Z = 1."""

    coordinate_std = torch.ones((), dtype=torch.float64)
    modes = torch.tensor([[-2.0, 0.1], [2.0, 1.0]], dtype=torch.float64)

    def draw_start(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        return 2.0 * torch.randn(len(x), 1, generator=generator, dtype=torch.float64)

    def log_densities(self, x: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        start = log_normal(latents, torch.zeros(1).double(), torch.tensor([2.0]).double())
        terms = [log_normal(latents, mean[None], std[None]) for mean, std in self.modes]
        return start, torch.logsumexp(torch.stack(terms), 0) - math.log(2.0)


def adaptive_weights(path: AnnealingPath, betas: Tensor, n_rows: int, up: float, down: float) -> np.ndarray:
    """Every chain's step grows by `up` when it moves and shrinks by `down` when it does not."""
    generator, x = seeded(23), torch.zeros(n_rows, 1, dtype=torch.float64)
    densities = partial(path.log_densities, x)
    state = evaluate(densities, path.draw_start(x, generator=generator))
    log_weight, size = torch.zeros(n_rows, dtype=torch.float64), torch.full((n_rows, 1), 0.5, dtype=torch.float64)
    for before, beta in pairwise(betas.tolist()):
        log_weight = log_weight + (beta - before) * state.log_ratio
        moved, _ = transition(
            densities, state, beta=beta, step_size=size, n_leapfrog=1,
            coordinate_std=path.coordinate_std, generator=generator,
        )  # fmt: skip
        size = size * torch.where(moved.latents != state.latents, up, down)
        state = moved
    return log_weight.exp().numpy()


def test_step_sizes_adapted_inside_the_run_bias_the_weights_upwards():
    """E[w] = Z = 1 with frozen sizes; with adapted ones the mean weight is above Z, so that no bound would hold."""
    path, betas, n_rows = Modes(), linear_schedule(200), 4_000
    steps = constant_steps(0.5, 1)
    frozen = forward(path, torch.zeros(n_rows, 1).double(), betas, steps, n_chains=1, generator=seeded(23))
    assert_unbiased(frozen.log_weights[0].exp().numpy())
    assert_unbiased(adaptive_weights(path, betas, n_rows, up=1.0, down=1.0))
    assert_mean_above(adaptive_weights(path, betas, n_rows, up=1.02, down=0.98), 1.0, 10.0)
    assert_mean_above(adaptive_weights(path, betas, n_rows, up=1.1, down=0.8), 1.0, 10.0)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_step_sizes_that_are_no_lengths_are_refused(size):
    with pytest.raises(ValueError, match="expected positive, finite ones"):
        constant_steps(size, 1)


def test_trajectories_without_a_step_are_refused():
    model, _ = finite_variance_cascade()
    with pytest.raises(ValueError, match="n_leapfrog: got 0, expected at least 1"):
        constant_steps(0.5, 0)
    with pytest.raises(ValueError, match="n_leapfrog: got 0, expected at least 1"):
        pilot(
            CascadePath(model, PAPER), torch.zeros(1, 2).double(), linear_schedule(2), n_leapfrog=0, generator=seeded(0)
        )
