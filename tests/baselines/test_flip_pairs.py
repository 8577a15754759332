"""All pairs of draws of a cascade of flipped pixels: unbiased for the exact probability, and for its inverse above."""

from itertools import product

import numpy as np
import pytest
import torch

from baselines import flip_pairs
from cdae.estimators.sandwich import repeated_own_all_pairs
from tests.baselines.test_bit_flips import CASES, cascade
from tests.helpers import assert_mean, mutated, seeded

N_DRAWS = 3


def cascade_and_draws(n: int):
    """A cascade of three levels in two dimensions, its oracle, and n copies of one image."""
    model, oracle = cascade(*CASES[0])
    return model, oracle, oracle.states[1], torch.from_numpy(oracle.states[1]).expand(n, -1)


def path_error(module=flip_pairs) -> float:
    """Of the average weight of all 27 paths through three draws per level, each weighed by the model itself."""
    model, _, _, copies = cascade_and_draws(1)
    estimate = module.log_likelihood(model, copies, n_draws=N_DRAWS, generator=seeded(1)).item()
    states = model.infer(copies.expand(N_DRAWS, -1), generator=seeded(1))  # the same draws: (k, M, dim)
    paths = [torch.stack([states[i, m] for i, m in enumerate(path)]) for path in product(range(N_DRAWS), repeat=3)]
    log_weights = model.log_weights(copies.expand(len(paths), -1), torch.stack(paths, 1))
    return abs(estimate - np.log(np.exp(log_weights.numpy()).mean()))


def test_the_estimate_is_the_average_weight_of_all_paths():
    assert path_error() < 1e-10


MUTANTS = {
    "pairs turned around": "pairs.movedim(2, 0) -> pairs.movedim(1, 0)",
    "without the weights above": "_log_prob_of_pairs(transition, states[level - 1]) + log_b[:, None] -> "
    "_log_prob_of_pairs(transition, states[level - 1]) + 0.0 * log_b[:, None]",
    "without q of inner levels": " - log_q[level - 1] -> ",
    "white pixels alone": " + zero.sum(-1)[:, None] -> ",
    "last step flips too": "model.below()[0] -> model.below()[1]",
}


@pytest.mark.parametrize("mutant", MUTANTS.values())
def test_mutants_of_the_recursion_are_seen(mutant):
    assert path_error(mutated(flip_pairs, *mutant.split(" -> "))) > 1e-3


def test_it_averages_to_the_exact_probability_and_is_tighter_than_single_paths():
    model, oracle, x, copies = cascade_and_draws(20_000)
    log_estimates = flip_pairs.log_likelihood(model, copies, n_draws=N_DRAWS, generator=seeded(2)).numpy()
    assert_mean(np.exp(log_estimates - oracle.log_prob(x)), 1.0)
    single = flip_pairs.log_likelihood(model, copies, n_draws=1, generator=seeded(3)).numpy()
    assert single.mean() + 0.05 < log_estimates.mean() < oracle.log_prob(x)


def test_with_the_true_latents_its_inverse_averages_to_the_inverse_probability():
    """Over data that the model has generated: E[1 / estimate | x] = 1 / P(x)."""
    model, oracle, _, _ = cascade_and_draws(1)
    x, latents = model.simulate(40_000, generator=seeded(4))
    upper = flip_pairs.log_likelihood(model, x, n_draws=2, generator=seeded(5), true_latents=latents).numpy()
    for corner in oracle.states:
        of_corner = upper[(x.numpy() == corner).all(1)]
        assert_mean(np.exp(oracle.log_prob(corner) - of_corner), 1.0)


def test_a_certificate_has_both_sides_of_the_exact_probability():
    """Over data that the model has generated: E[estimate / P(x)] = 1 below, and E[P(x) / estimate] = 1 above."""
    model, oracle, _, _ = cascade_and_draws(1)
    x, latents = model.simulate(40_000, generator=seeded(6))
    pairs = repeated_own_all_pairs(model, n_draws=N_DRAWS, n_repeats=2)
    log_p = np.array([oracle.log_prob(row) for row in x.numpy()])
    both = pairs.both_sides(x, latents, generator=seeded(7))
    assert both.log_weights.shape == (2, len(x))
    assert_mean(np.exp(both.log_weights[0].numpy() - log_p), 1.0)
    assert_mean(np.exp(log_p - both.upper.numpy()), 1.0)
    assert both.log_weights.numpy().mean() < log_p.mean() < both.upper.numpy().mean()


def test_no_draws_are_refused():
    model, _, _, copies = cascade_and_draws(1)
    with pytest.raises(ValueError, match="n_draws: got 0"):
        flip_pairs.log_likelihood(model, copies, n_draws=0, generator=seeded(0))
