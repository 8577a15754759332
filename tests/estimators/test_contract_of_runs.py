"""What a run of every estimator of log p(x) promises: its random numbers, its memory, and what it refuses.

Each promise is shown to be breakable. Not here: what the results mean (`test_contract`).
"""

import dataclasses
from functools import partial

import pytest
import torch

from cdae.estimators import all_pairs, annealing, importance, rotation, sandwich, sequential
from cdae.estimators.proposals import Paper
from cdae.gaussian import log_mean_exp
from tests.annealing_helpers import quiet
from tests.estimators.two_sided import CASCADE, IMPORTANCE, NAMES, Known, known, make
from tests.helpers import LargestTensor, linear_cascade, seeded

every_estimator = pytest.mark.parametrize("name", NAMES)


# Results depend on the generator, and on nothing else


def assert_follows_its_generator(name: str) -> None:
    """On both sides."""
    case = known(name)
    estimator, (x, latents) = make(name, case, 3, 2), case.model.simulate(5, generator=seeded(4))
    for side in (
        estimator.log_weights,
        lambda x, generator: estimator.both_sides(x, latents, generator=generator).upper,
    ):
        one, same, other = (side(x, generator=seeded(seed)) for seed in (5, 5, 6))
        assert torch.equal(one, same) and (one != other).all()


@every_estimator
def test_results_repeat_for_one_seed_and_differ_for_another(name):
    assert_follows_its_generator(name)


@every_estimator
def test_generators_of_their_own_are_seen(name, monkeypatch):
    """One for all calls, and a new one for each of them."""
    real, of_all_calls = torch.randn, seeded(7)
    for own in (lambda: of_all_calls, lambda: seeded(7)):
        monkeypatch.setattr(torch, "randn", lambda *s, own=own, generator, **o: real(*s, generator=own(), **o))
        with pytest.raises(AssertionError):
            assert_follows_its_generator(name)


def assert_independent_of_the_other_examples(name: str, case: Known) -> None:
    """With the same random numbers an example has the same weights beside others far away, on both sides."""
    estimator, x = make(name, case, 5, 2), case.points[-1:].repeat(6, 1)
    _, latents = case.model.simulate(6, generator=seeded(8))
    others, latents_of_others = 100.0 * x, 2.0 * latents
    others[2], latents_of_others[..., 2, :] = x[2], latents[..., 2, :]
    for one, other in [
        (estimator.log_weights(x, generator=seeded(10)), estimator.log_weights(others, generator=seeded(10))),
        (
            estimator.both_sides(x, latents, generator=seeded(10)).upper,
            estimator.both_sides(others, latents_of_others, generator=seeded(10)).upper,
        ),
    ]:
        torch.testing.assert_close(one[..., 2], other[..., 2], rtol=1e-12, atol=1e-12)
        assert not (one == other).all()


@every_estimator
def test_an_example_does_not_depend_on_those_beside_it(name):
    assert_independent_of_the_other_examples(name, known(name))


def resampled_all_together(monkeypatch):
    real = importance.effective_sample_size
    monkeypatch.setattr(sequential, "effective_sample_size", lambda w: real(w).mean().expand(w.shape[1]))


def averaged_over_examples(monkeypatch):
    for module in (all_pairs, annealing):
        monkeypatch.setattr(module, "log_mean_exp", lambda values: log_mean_exp(values) + values.mean())


@pytest.mark.parametrize(
    ("name", "mutate"),
    [
        ("sequential", resampled_all_together),
        ("annealed", averaged_over_examples),
        ("annealed encoder", averaged_over_examples),
        ("all pairs", averaged_over_examples),
    ],
)
def test_examples_that_are_mixed_are_seen(name, mutate, monkeypatch):
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        assert_independent_of_the_other_examples(name, known(name))


# Memory


K, DIM, N_POINTS, BLOCK = 3, 2, 30, 100


def largest_tensor(name: str, n_draws: int) -> int:
    """Elements of the largest tensor of a run."""
    model, _ = linear_cascade(0, DIM, K)
    case = dataclasses.replace(known(name), model=model, guided=known("guided").guided)
    ones = torch.ones(K, dtype=torch.float64)
    case = dataclasses.replace(case, guided=type(case.guided)(0.8 * ones, ones))
    x = torch.zeros(N_POINTS, DIM, dtype=torch.float64)
    with LargestTensor() as largest:
        make(name, case, n_draws).log_weights(x, generator=seeded(11))
    return largest.n_elements


def most_elements(name: str, n_draws: int) -> int:
    """A block's states or pairs, or what no run can do without: the weights, and the states of one point's draws."""
    if name == "annealed":
        return K * n_draws * N_POINTS * DIM  # all chains of all points are one batch
    if name in (*IMPORTANCE, "prior"):
        return max(K * BLOCK * DIM, n_draws * N_POINTS)
    return max(BLOCK, n_draws, N_POINTS) * DIM if "pairs" not in name else 50 * BLOCK


def assert_memory_is_bounded(name: str) -> None:
    for n_draws in (1, 70):
        assert largest_tensor(name, n_draws) <= most_elements(name, n_draws)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(sandwich, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(sequential, "BLOCK_STATES", BLOCK)
    monkeypatch.setattr(all_pairs, "BLOCK_STATES", BLOCK)
    monkeypatch.setattr(all_pairs, "BLOCK_PAIRS", 50 * BLOCK)


@pytest.mark.parametrize("name", CASCADE)
def test_memory_is_bounded_by_the_blocks(name, small_blocks):
    """However many draws: M x M values of all pairs do not exist at once, nor do all states of importance sampling."""
    assert_memory_is_bounded(name)


@pytest.mark.parametrize("name", [name for name in CASCADE if name != "annealed"])
def test_blocks_that_are_not_used_are_seen(name):
    with pytest.raises(AssertionError):
        assert_memory_is_bounded(name)


def test_chains_that_keep_their_past_are_seen(monkeypatch):
    real = rotation.trajectory

    def remembering(potential, state, momentum, **options):
        end, momentum = real(potential, state, momentum, **options)
        assert torch.stack([state.z, end.z, momentum]).isfinite().all()
        return end, momentum

    monkeypatch.setattr(rotation, "trajectory", remembering)
    with pytest.raises(AssertionError):
        assert_memory_is_bounded("annealed")


@pytest.mark.parametrize("module", [all_pairs, sequential])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_blocks_follow_one_another(module, n_rows, monkeypatch):
    """In blocks of a few examples it is as if they came in several calls with one generator."""
    case, name = known("all pairs"), "n_draws" if module is all_pairs else "n_particles"
    x, latents = case.model.simulate(7, generator=seeded(12))
    monkeypatch.setattr(module, "BLOCK_STATES", n_rows * 4)
    estimate = partial(module.log_likelihood, case.model, proposal=Paper(), **{name: 4})
    blocked, generator = estimate(x, generator=seeded(13), true_latents=latents), seeded(13)
    calls = [
        estimate(part, generator=generator, true_latents=truth)
        for part, truth in zip(x.split(n_rows), latents.split(n_rows, 1), strict=True)
    ]
    assert torch.equal(blocked, torch.cat(calls))
    monkeypatch.setattr(module, "BLOCK_STATES", 1_000)
    assert not torch.equal(blocked, estimate(x, generator=seeded(13), true_latents=latents))


# Refusals


NUMBERS = {
    "paper": "n_importance_samples",
    "all pairs": "n_draws",
    "sequential": "n_particles",
    "annealed": "n_chains",
    "annealed encoder": "n_chains",
}


def draw(name: str, n: int) -> None:
    """With a number of draws of this name."""
    case = known(name)
    if name == "paper":
        model, x = case.model, case.points
        importance.log_importance_weights(model, x, n_importance_samples=n, generator=seeded(14))
    else:
        make(name, case, n).log_weights(case.points, generator=seeded(14))


@pytest.mark.parametrize("n", [0, -1])
@pytest.mark.parametrize("name", NUMBERS)
def test_no_draws_are_refused(name, n):
    with pytest.raises(ValueError, match=f"{NUMBERS[name]}: got {n}, expected at least 1"):
        draw(name, n)


def test_no_draws_fail_without_their_refusal(monkeypatch):
    monkeypatch.setattr(annealing, "_check_chains", quiet)
    with pytest.raises(ZeroDivisionError):
        draw("annealed", 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("all pairs", lambda latents: latents[:-1]),
        ("sequential", lambda latents: latents[:-1]),
        ("annealed", lambda latents: latents[:, :-1]),
        ("annealed encoder", lambda latents: latents[:-1]),
    ],
)
def test_latents_that_do_not_fit_are_refused(name, change):
    case = known(name)
    x, latents = case.model.simulate(4, generator=seeded(15))
    with pytest.raises(ValueError, match=r"latents: got shape \(.*\), expected"):
        make(name, case, 2).both_sides(x, change(latents), generator=seeded(16))
