"""Mixing of chains whose autocorrelation, effective sample size and transitions are known exactly."""

import numpy as np
import pytest
import torch

from cdae.quality import mixing
from tests.helpers import mutated

STEPS, CHAINS = 2_000, 20


def autoregression(a, steps=STEPS, chains=CHAINS, classes=2, seed=0):
    """Stationary, with unit variance and correlation a^t."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((steps, chains, classes))
    x = np.empty_like(noise)
    x[0] = noise[0]
    for t in range(1, steps):
        x[t] = a * x[t - 1] + np.sqrt(1.0 - a**2) * noise[t]
    return x


def jumping(rate, steps=STEPS, chains=CHAINS, classes=4, seed=1, confidence=0.9):
    """Probabilities of chains that jump to another class with this probability per step; correlation is known."""
    rng = np.random.default_rng(seed)
    state = np.empty((steps, chains), dtype=int)
    state[0] = rng.integers(classes, size=chains)
    for t in range(1, steps):
        jumps = rng.random(chains) < rate
        state[t] = np.where(jumps, (state[t - 1] + rng.integers(1, classes, size=chains)) % classes, state[t - 1])
    return np.where(np.eye(classes)[state] > 0, confidence, (1.0 - confidence) / (classes - 1))


def within(summary, name, expected, n_errors=4.0):
    return abs(summary[name] - expected) <= n_errors * summary[f"{name}_standard_error"]


@pytest.mark.parametrize("a", [0.0, 0.5, 0.9])
def test_an_autoregression_has_its_known_effective_share_and_correlations(a):
    found = mixing.summary(autoregression(a))
    assert within(found, "effective_share", (1.0 - a) / (1.0 + a))
    assert found["effective_share_standard_error"] < 0.1 * (1.0 - a) / (1.0 + a)
    for lag in (1, 2, 5, 20):
        assert within(found, f"autocorrelation_{lag}", a**lag), lag
        assert found[f"autocorrelation_{lag}_standard_error"] < 0.05


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.75])
def test_jumps_between_four_classes_have_theirs(rate):
    """The correlation of a class is 1 - 4/3 rate per step; 0.75 gives independent states."""
    found, a = mixing.summary(jumping(rate)), 1.0 - 4.0 / 3.0 * rate
    assert within(found, "transitions", 1_000.0 * rate)
    assert within(found, "autocorrelation_5", a**5) and within(found, "effective_share", (1.0 - a) / (1.0 + a))
    assert found["classes_reached"] == 4.0 and found["spurious"] == 0.0


def test_chains_that_stay_where_they_started_are_hardly_one_sample_each():
    p = jumping(0.0)
    found = mixing.summary(p)
    assert found["transitions"] == 0.0 and found["classes_reached"] == 1.0
    assert (
        found["autocorrelation_500"] == pytest.approx(1.0) and found["effective_share"] * p[:, :, 0].size < 2 * CHAINS
    )


def test_states_without_a_class_are_spurious_and_no_transition():
    """One chain by hand: 0, none, 0, 1, none, 2, 2, over six steps."""
    sure, none = np.eye(3), np.full(3, 1.0 / 3.0)
    chain = np.stack([sure[0], none, sure[0], sure[1], none, sure[2], sure[2]])
    p = np.stack([chain, chain], 1)
    assert mixing.classes(p)[:, 0].tolist() == [0, -1, 0, 1, -1, 2, 2]
    assert mixing.transitions(p).tolist() == [1_000.0 * 2 / 6] * 2
    assert mixing.classes_reached(p).tolist() == [3.0, 3.0] and mixing.spurious(p).tolist() == [2 / 7, 2 / 7]


def test_a_probability_of_one_half_is_a_class():
    assert mixing.classes(np.array([[[0.5, 0.3, 0.2], [0.4999, 0.3, 0.2001]]])).tolist() == [[0, -1]]


def test_constant_probabilities_have_no_correlation_and_no_effective_share():
    found = mixing.summary(np.full((50, 4, 3), 1.0 / 3.0))
    assert np.isnan(found["effective_share"]) and np.isnan(found["autocorrelation_1"]) and found["spurious"] == 1.0


def test_errors_are_those_of_repeated_runs():
    runs = [mixing.summary(jumping(0.1, 200, 10, seed=seed)) for seed in range(16)]
    for name in ("transitions", "autocorrelation_5", "effective_share"):
        spread = np.std([run[name] for run in runs], ddof=1)
        stated = np.sqrt(np.mean([run[f"{name}_standard_error"] ** 2 for run in runs]))
        assert 0.6 < stated / spread < 1.6, name


MUTANTS = {
    "about each chain's own mean": ("p - p.mean((0, 1))", "p - p.mean(0)"),
    "one lag too far": ("centred[lag:] * centred[: len(p) - lag]", "centred[lag + 1 :] * centred[: len(p) - lag - 1]"),
    "every state has a class": ("np.where(p.max(2) >= CONFIDENT, p.argmax(2), -1)", "p.argmax(2)"),
    "steps for chains": ("effective_sample_size(chains) for", "effective_sample_size(chains.T) for"),
    "sum of sizes": ("float(np.mean(sizes))", "float(np.sum(sizes))"),
    "per step": ("PER * np.count", "np.count"),
    "states without a class are passed through": ("np.diff(c[c >= 0])", "np.diff(c)"),
    "no chains left out": ("p[:, groups != group]", "p[:, groups == group]"),
}  # fmt: skip


def everything(module) -> dict[str, float]:
    p = jumping(0.1, steps=300)
    p[::7] = 0.25  # states without a class
    return module.summary(p)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    """Of which the tests above know the right values."""
    right, wrong = everything(mixing), everything(mutated(mixing, *MUTANTS[name]))
    assert any(abs(right[key] - wrong[key]) > 0.02 * abs(right[key]) for key in right)


def test_a_walk_is_the_states_after_every_step():
    found = mixing.walk(lambda x: x + 1.0, torch.zeros(3, 2), 4, lambda x: x[:, :1])
    assert found.shape == (4, 3, 1) and found[:, 0, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ArithmeticError, match="not finite after 2 steps"):
        mixing.walk(lambda x: x / (1.0 - x), torch.full((1, 1), 0.5), 4, lambda x: x)


def test_a_walk_says_about_ten_times_how_far_it_is():
    lines = []
    mixing.walk(lambda x: x, torch.zeros(1, 1), 25, lambda x: x, lines.append)
    assert lines == [f"step {n} of 25" for n in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]


def test_too_few_chains_or_steps_are_refused():
    with pytest.raises(ValueError, match="mixing: got 1 chains of 50 steps, expected 2 of 8 at least"):
        mixing.summary(np.ones((50, 1, 2)))
