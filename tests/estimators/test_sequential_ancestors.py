"""Resampling of sequential Monte Carlo: the law of ancestors, free and given that the first particle is kept."""

import numpy as np
import pytest
import torch

from cdae.estimators import resampling
from tests.helpers import assert_mean, mutated, seeded

LOG_WEIGHTS = torch.tensor([0.05, 0.4, 0.0, 0.25, 0.3], dtype=torch.float64).log()


def ancestors(module, n: int, *, keep_first: bool, seed: int, log_weights=LOG_WEIGHTS) -> np.ndarray:
    """Independent resamplings (n, m) by the same weights, at any offset of their logs."""
    rows = log_weights[:, None].expand(-1, n) - 1e4
    low = torch.ones(n, dtype=torch.bool)
    return module.ancestors_of(rows, low, keep_first=keep_first, generator=seeded(seed)).T.numpy()


def is_own(drawn: np.ndarray) -> np.ndarray:
    """(n, m, m): whether new particle l comes from particle j."""
    return (drawn[:, :, None] == np.arange(len(LOG_WEIGHTS))).astype(float)


def assert_every_new_particle_is_a_draw_by_the_weights() -> None:
    indicators = is_own(ancestors(resampling, 20_000, keep_first=False, seed=7))
    weights = LOG_WEIGHTS.exp().numpy()
    assert_mean(indicators, np.broadcast_to(weights, (5, 5)))
    counts = indicators.sum(1)
    assert_mean(counts, 5 * weights)
    assert (np.abs(counts - 5 * weights) < 1.0 + 1e-9).all()


def assert_kept_is_conditioned(module) -> None:
    """With the first kept, ancestors have the law of free ones among which the first comes from itself."""
    kept = ancestors(module, 20_000, keep_first=True, seed=8)
    assert (kept[:, 0] == 0).all()
    free = ancestors(resampling, 400_000, keep_first=False, seed=9)
    free = free[free[:, 0] == 0]
    assert len(free) > 19_000
    m = 19_000
    assert_mean(is_own(kept[:m]) - is_own(free[:m]), 0.0)


def test_every_new_particle_is_a_draw_by_the_weights():
    """Expected counts are m times the weights, and no count is off by one or more."""
    assert_every_new_particle_is_a_draw_by_the_weights()


def test_keeping_the_first_particle_is_conditioning_on_it():
    assert_kept_is_conditioned(resampling)


def starts(change):
    """A mutant whose uniform start (n, 1) is changed."""

    def mutate(monkeypatch):
        real = torch.rand
        monkeypatch.setattr(torch, "rand", lambda *shape, **options: change(real(*shape, **options)))

    return mutate


def without_weights(monkeypatch):
    real = torch.softmax
    monkeypatch.setattr(torch, "softmax", lambda values, dim: real(0.0 * values, dim))


def interval_of_the_next_particle(monkeypatch):
    real = torch.searchsorted
    monkeypatch.setattr(torch, "searchsorted", lambda *arguments, **options: real(*arguments, **options) + 1)


MUTANT_ANCESTORS = {
    "without weights": without_weights,
    "interval of the next particle": interval_of_the_next_particle,
    "no random start": starts(torch.zeros_like),
    "one start for all": starts(lambda start: torch.full_like(start, 0.7)),
    "start within the first stratum": starts(lambda start: start / len(LOG_WEIGHTS)),
}
# Within one line of the function, which calls nothing that could be changed.
MUTANT_CONDITIONS = {
    "start anywhere": ("start = start * ends[:, :1]", "pass"),
    "start within the first stratum": ("start = start * ends[:, :1]", "start = start / m"),
    "first one not kept": ("    if keep_first:\n        start = start * ends[:, :1]\n", ""),
}


@pytest.mark.parametrize("name", MUTANT_ANCESTORS)
def test_mutants_of_the_ancestors_are_seen(name, monkeypatch):
    MUTANT_ANCESTORS[name](monkeypatch)
    with pytest.raises(AssertionError):
        assert_every_new_particle_is_a_draw_by_the_weights()


@pytest.mark.parametrize("name", MUTANT_CONDITIONS)
def test_mutants_of_the_condition_are_seen(name):
    with pytest.raises(AssertionError):
        assert_kept_is_conditioned(mutated(resampling, *MUTANT_CONDITIONS[name]))


def test_the_kept_particle_survives_a_weight_of_zero():
    log_weights = torch.tensor([-1e4, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    kept = ancestors(resampling, 10, keep_first=True, seed=10, log_weights=log_weights)
    assert (kept[:, 0] == 0).all() and (kept[:, 1:] != 0).all()


def test_examples_that_are_not_low_keep_their_particles():
    low = torch.tensor([True, False])
    drawn = resampling.ancestors_of(LOG_WEIGHTS[:, None].expand(-1, 2), low, keep_first=False, generator=seeded(11))
    assert drawn[:, 1].tolist() == [0, 1, 2, 3, 4] and drawn[:, 0].tolist() != [0, 1, 2, 3, 4]
