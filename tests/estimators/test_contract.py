"""What every estimator of log p(x) promises, whatever it is made of, and that each promise can be broken."""

import dataclasses
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from cdae.estimators import all_pairs, annealing, hamiltonian, importance, sandwich, sequential
from cdae.estimators.proposals import Paper
from cdae.gaussian import log_mean_exp
from cdae.model import CDAE
from tests.estimators.two_sided import (
    CASCADE,
    IMPORTANCE,
    MODELS,
    NAMES,
    Known,
    has_finite_variance,
    known,
    make,
    predicted,
)
from tests.helpers import LargestTensor, assert_mean, linear_cascade, mutated, seeded

N_COPIES = 2_000

every_estimator = pytest.mark.parametrize("name", NAMES)
every_kind = pytest.mark.parametrize("name", ["guided", "all pairs", "sequential", "annealed"])


def quiet(line: str) -> None:
    """Progress to nowhere."""


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    for run in ("log_weights", "reverse_log_weights"):
        monkeypatch.setattr(annealing, run, partial(getattr(annealing, run), progress=quiet))


# E[w] = p(x)


def assert_unbiased(name: str, case: Known, n_draws: int = 5) -> None:
    """At each of three points, within 5 standard errors of at most 8 per cent: every column has its own density."""
    x = case.points.repeat(N_COPIES, 1)
    log_weights = make(name, case, n_draws, n_rows=2).log_weights(x, generator=seeded(0))
    log_estimates = log_mean_exp(log_weights).numpy().reshape(N_COPIES, -1)
    ratios = np.exp(log_estimates - case.log_prob(case.points.numpy()))
    assert (ratios.std(0) < 0.08 * math.sqrt(N_COPIES)).all(), ratios.std(0)
    assert_mean(ratios, np.ones(len(case.points)))


@every_estimator
def test_weights_average_to_the_density(name):
    assert_unbiased(name, known(name))


@pytest.mark.parametrize("model", ["two modes", "predicted"])
@pytest.mark.parametrize("name", CASCADE)
def test_weights_average_to_the_density_of_models_that_are_not_linear(name, model):
    assert_unbiased(name, MODELS[model](), n_draws=10)


@pytest.mark.parametrize("model", ["linear", "two modes", "predicted"])
@pytest.mark.parametrize("name", CASCADE)
def test_the_models_of_these_tests_have_weights_of_finite_variance(name, model):
    assert has_finite_variance(name, MODELS[model]())


@every_estimator
def test_densities_without_their_constant_are_seen(name, monkeypatch):
    monkeypatch.setattr("cdae.gaussian.LOG_2PI", 0.0)
    with pytest.raises(AssertionError):
        assert_unbiased(name, known(name))


@every_estimator
def test_draws_from_another_density_are_seen(name, monkeypatch):
    real = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: 0.8 * real(*shape, **options))
    with pytest.raises(AssertionError):
        assert_unbiased(name, known(name))


def assert_last_step_matters(name: str, last_step_std, monkeypatch) -> None:
    """With other standard deviations of the last step the weights average to another density."""
    monkeypatch.setattr(CDAE, "last_step_std", last_step_std)
    with pytest.raises(AssertionError):
        assert_unbiased(name, predicted(), n_draws=10)


@pytest.mark.parametrize("name", CASCADE)
def test_a_prediction_of_the_last_step_that_is_not_used_is_seen(name, monkeypatch):
    assert_last_step_matters(name, lambda self, x_1: self.reconstruction_std[0], monkeypatch)


@pytest.mark.parametrize("name", CASCADE)
def test_a_prediction_of_the_last_step_from_another_state_is_seen(name, monkeypatch):
    real = CDAE.last_step_std
    assert_last_step_matters(name, lambda self, x_1: real(self, x_1 - 0.5), monkeypatch)


def test_pairs_without_the_levels_above_are_seen_where_the_last_step_is_predicted(monkeypatch):
    """It has a line of its own, which no call passes."""
    mutant = mutated(all_pairs, "x_hat, last_std) + log_b)", "x_hat, last_std))")
    monkeypatch.setattr(all_pairs, "log_likelihood", mutant.log_likelihood)
    with pytest.raises(AssertionError):
        assert_unbiased("all pairs", predicted(), n_draws=10)


# The log of an average weight is below log p(x) on average, and comes nearer with more draws


def assert_below_and_increasing(name: str, case: Known, make=make) -> None:
    """Every step by 5 standard errors, of independent runs."""
    n_copies = 3 * N_COPIES
    x = case.points[-1:].expand(n_copies, -1)
    estimators = {n_draws: make(name, case, n_draws) for n_draws in (1, 2, 4)}
    runs = [log_mean_exp(e.log_weights(x, generator=seeded(n))).numpy() for n, e in estimators.items()]
    runs.append(np.full(n_copies, case.log_prob(case.points[-1:].numpy()).item()))
    for low, high in pairwise(runs):
        assert high.mean() - low.mean() > 5.0 * math.hypot(low.std(), high.std()) / math.sqrt(n_copies)


@every_estimator
def test_below_the_log_density_and_increasing_in_the_draws(name):
    assert_below_and_increasing(name, known(name))


@every_kind
def test_a_number_of_draws_that_is_not_used_is_seen(name):
    with pytest.raises(AssertionError):
        assert_below_and_increasing(name, known(name), lambda name, case, n_draws: make(name, case, 2))


@every_kind
def test_a_sum_for_an_average_is_seen(name, monkeypatch):
    total = partial(torch.logsumexp, dim=0)
    for module in (all_pairs, sequential):
        monkeypatch.setattr(module, "log_mean_exp", total)
    monkeypatch.setitem(globals(), "log_mean_exp", total)
    with pytest.raises(AssertionError):
        assert_below_and_increasing(name, known(name))


# The upper side, on simulated data: E[1 / estimate] = 1 / p(x)


def assert_upper(estimator: sandwich.TwoSided, case: Known) -> None:
    """Above on average, by 5 standard errors, and the inverses average to the inverse density."""
    x, latents, exact = case.simulated(4_000)
    difference = estimator.upper_bound(x, latents, generator=seeded(2)).numpy() - exact
    inverse = np.exp(-difference)
    assert inverse.std() < 0.05 * math.sqrt(len(inverse))
    assert_mean(inverse, 1.0)
    assert difference.mean() > 5.0 * difference.std() / math.sqrt(len(difference))


@every_estimator
@pytest.mark.parametrize(("n_draws", "n_rows"), [(2, 1), (3, 2)])
def test_the_upper_side_is_above_and_its_inverse_averages_to_the_inverse_density(name, n_draws, n_rows):
    assert_upper(make(name, known(name), n_draws, n_rows), known(name))


@pytest.mark.parametrize("model", ["two modes", "predicted"])
@pytest.mark.parametrize("name", CASCADE)
def test_the_upper_side_of_models_that_are_not_linear(name, model):
    assert_upper(make(name, MODELS[model](), 3, 2), MODELS[model]())


def latents_of_another_example(estimator):
    return dataclasses.replace(estimator, at=lambda x, latents: estimator.at(x, latents.flip(1)))


def latents_of_another_level(estimator):
    return dataclasses.replace(estimator, at=lambda x, latents: estimator.at(x, latents.flip(0)))


def a_draw_for_the_latents(estimator):
    return dataclasses.replace(estimator, at=lambda x, latents: estimator.draw(x, seeded(3)))


def no_latents(estimator):
    def estimate(x, *, generator, true_latents=None):
        return estimator.estimate(x, generator=generator)

    return dataclasses.replace(estimator, estimate=estimate)


@pytest.mark.parametrize(
    ("name", "mutate"),
    [
        *[("guided", m) for m in (latents_of_another_example, latents_of_another_level, a_draw_for_the_latents)],
        *[(name, no_latents) for name in ("all pairs", "sequential")],
    ],
)
def test_latents_that_take_no_place_or_the_wrong_one_are_seen(name, mutate):
    with pytest.raises(AssertionError):
        assert_upper(mutate(make(name, known(name), 3, 2)), known(name))


@pytest.mark.parametrize("bound", [log_mean_exp, lambda log_weights: -log_weights.mean(0)])
def test_other_averages_of_reverse_weights_are_seen(bound, monkeypatch):
    monkeypatch.setattr(annealing, "upper_bound", bound)
    with pytest.raises(AssertionError):
        assert_upper(make("annealed", known("annealed"), 3, 2), known("annealed"))


# Results depend on the generator, and on nothing else


def assert_follows_its_generator(name: str) -> None:
    """On both sides."""
    case = known(name)
    estimator, (x, latents) = make(name, case, 3, 2), case.model.simulate(5, generator=seeded(4))
    for side in (estimator.log_weights, lambda x, generator: estimator.upper_bound(x, latents, generator=generator)):
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
            estimator.upper_bound(x, latents, generator=seeded(10)),
            estimator.upper_bound(others, latents_of_others, generator=seeded(10)),
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


def accepted_all_together(monkeypatch):
    real = hamiltonian.accepts
    monkeypatch.setattr(
        hamiltonian, "accepts", lambda drop, *, generator: real(drop.min().expand_as(drop), generator=generator)
    )


def averaged_over_examples(monkeypatch):
    monkeypatch.setattr(all_pairs, "log_mean_exp", lambda values: log_mean_exp(values) + values.mean())


@pytest.mark.parametrize(
    ("name", "mutate"),
    [
        ("sequential", resampled_all_together),
        ("annealed", accepted_all_together),
        ("annealed prior", accepted_all_together),
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
    if name in IMPORTANCE:
        return max(K * BLOCK * DIM, n_draws * N_POINTS)
    return max(BLOCK, n_draws, N_POINTS) * DIM if "pairs" not in name else 50 * BLOCK


def assert_memory_is_bounded(name: str) -> None:
    for n_draws in (1, 20, 100):
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
    real = hamiltonian.leapfrog

    def remembering(densities, state, momentum, **options):
        end, momentum = real(densities, state, momentum, **options)
        assert torch.stack([state.latents, end.latents]).isfinite().all()
        return end, momentum

    monkeypatch.setattr(hamiltonian, "leapfrog", remembering)
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
    "annealed prior": "n_chains",
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
    with pytest.raises(RuntimeError):
        draw("annealed", 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("all pairs", lambda latents: latents[:-1]),
        ("sequential", lambda latents: latents[:-1]),
        ("annealed", lambda latents: latents[:, :-1]),
        ("annealed prior", lambda latents: latents[:-1]),
    ],
)
def test_latents_that_do_not_fit_are_refused(name, change):
    case = known(name)
    x, latents = case.model.simulate(4, generator=seeded(15))
    with pytest.raises(ValueError, match=r"latents: got shape \(.*\), expected"):
        make(name, case, 2).upper_bound(x, change(latents), generator=seeded(16))
