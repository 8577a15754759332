"""The effective sample size against ArviZ, and against autoregressions whose value is known."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from cdae.quality import effective_size
from tests.helpers import mutated
from tests.quality.test_mixing import autoregression

CASES = [(a, steps, chains) for a in (-0.6, 0.0, 0.5, 0.95) for steps, chains in ((8, 2), (51, 3), (400, 10))]


def series(a, steps, chains):
    x = autoregression(a, steps, chains, classes=1, seed=int(100 + 100 * a) + steps)[:, :, 0]
    return x + 0.3 * np.arange(chains)  # with means of their own


@pytest.mark.parametrize(("a", "steps", "chains"), CASES)
def test_it_is_that_of_arviz(a, steps, chains):
    x = series(a, steps, chains)
    assert effective_size.effective_sample_size(x) == pytest.approx(array_stats.ess(x.T, method="mean"), rel=1e-9)


@pytest.mark.parametrize("a", [0.0, 0.5, 0.9, -0.5])
def test_an_autoregression_has_its_known_share(a):
    x = autoregression(a, 4_000, 20, classes=1)[:, :, 0]
    assert effective_size.effective_sample_size(x) / x.size == pytest.approx((1.0 - a) / (1.0 + a), rel=0.08)


MUTANTS = {
    "whole chains": ("np.concatenate([x[:half], x[-half:]], axis=1).T", "x[:half].T"),
    "without the spread of means": (" + chains.mean(1).var(ddof=1)", ""),
    "no monotone pairs": ("np.minimum.accumulate(pairs[:n_pairs])", "pairs[:n_pairs]"),
    "all pairs": ("int(np.argmax(pairs <= 0.0)) if (pairs <= 0.0).any() else n_known - 1", "n_known - 1"),
    "without the last one": (" + max(even[n_pairs], 0.0)", ""),
    "circular": ("n=2 * n)\n", "n=n)\n"),
    "within is not corrected": ("covariance[0] * half / (half - 1)", "covariance[0]"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    found = []
    for case in CASES:
        x = series(*case)
        try:
            other = mutated(effective_size, *MUTANTS[name]).effective_sample_size(x)
        except ValueError:  # shapes that do not fit
            other = np.nan
        found.append(np.isclose(other, array_stats.ess(x.T, method="mean"), rtol=1e-6))
    assert not all(found)


def test_constant_chains_have_none_and_short_ones_are_refused():
    assert np.isnan(effective_size.effective_sample_size(np.ones((20, 3))))
    with pytest.raises(ValueError, match="got 7 steps, expected at least 8"):
        effective_size.effective_sample_size(np.ones((7, 3)))
