"""What every estimator of log p(x) promises of its results: weights that average to the density, a lower side that is
below and comes nearer, an upper side that is above. Each promise is shown to be breakable.

Not here: random numbers, memory and refusals (`test_contract_of_runs`).
"""

import dataclasses
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from cdae.estimators import all_pairs, annealing, sandwich, sequential
from cdae.estimators.two_sided import TwoSided
from cdae.gaussian import log_mean_exp
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from tests.estimators.two_sided import (
    CASCADE,
    DECODER,
    MODELS,
    NAMES,
    Known,
    has_finite_variance,
    known,
    make,
    robust,
)
from tests.helpers import assert_mean, mutated, seeded

pytestmark = pytest.mark.usefixtures("without_checks_of_shapes")
N_COPIES = 2_000

every_estimator = pytest.mark.parametrize("name", NAMES)
KINDS = ["guided", "all pairs", "sequential", "annealed"]  # one of each
every_kind = pytest.mark.parametrize("name", KINDS)
every_kind_on_every_model = pytest.mark.parametrize("name", [*KINDS, *DECODER])


@pytest.fixture(autouse=True)
def bases_of_many_points(monkeypatch):
    """In few dimensions they need little memory."""
    monkeypatch.setattr(sandwich, "BASE_POINTS", 10_000)


# E[w] = p(x)


def relative_weights(name: str, case: Known, n_draws: int) -> np.ndarray:
    """Average weight over density, (copies, points), of independent runs at three points."""
    x = case.points.repeat(N_COPIES, 1)
    log_weights = make(name, case, n_draws, n_rows=2).log_weights(x, generator=seeded(0))
    log_estimates = log_mean_exp(log_weights).numpy().reshape(N_COPIES, -1)
    return np.exp(log_estimates - case.log_prob(case.points.numpy()))


def assert_unbiased(name: str, case: Known, n_draws: int = 4) -> None:
    """Within 5 standard errors of at most 10 per cent, at every point: every column has its own density."""
    ratios = relative_weights(name, case, n_draws)
    assert (ratios.std(0) < 0.1 * math.sqrt(N_COPIES)).all(), ratios.std(0)
    assert_mean(ratios, np.ones(len(case.points)))


def assert_biased(name: str, case: Known) -> None:
    with pytest.raises(AssertionError):
        assert_mean(relative_weights(name, case, 4), np.ones(len(case.points)))


@every_estimator
def test_weights_average_to_the_density(name):
    assert_unbiased(name, known(name))


# A base that is linearised at one of two modes has weights of infinite variance: their average says nothing.
NOT_LINEAR = [(n, m) for n in CASCADE for m in ("two modes", "robust") if (n, m) != ("annealed", "two modes")]


@pytest.mark.parametrize(("name", "model"), NOT_LINEAR)
def test_weights_average_to_the_density_of_models_that_are_not_linear(name, model):
    assert_unbiased(name, MODELS[model](), n_draws=6)


@pytest.mark.parametrize("model", ["linear", "two modes", "robust"])
@pytest.mark.parametrize("name", CASCADE)
def test_the_models_of_these_tests_have_weights_of_finite_variance(name, model):
    assert has_finite_variance(name, MODELS[model]())


@every_kind_on_every_model
def test_densities_without_their_constant_are_seen(name, monkeypatch):
    monkeypatch.setattr("cdae.gaussian.LOG_2PI", 0.0)
    assert_biased(name, known(name))


@every_kind_on_every_model
def test_draws_from_another_density_are_seen(name, monkeypatch):
    real = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: 0.8 * real(*shape, **options))
    assert_biased(name, known(name))


def assert_last_step_matters(name: str, last_step, monkeypatch) -> None:
    """With another density of the last step the weights average to another density."""
    monkeypatch.setattr(CDAE, "last_step", last_step)
    assert_biased(name, robust())


@every_kind
def test_a_prediction_of_the_last_step_that_is_not_used_is_seen(name, monkeypatch):
    assert_last_step_matters(name, lambda self, x_1: PixelDensity(self.reconstruction_std[0]), monkeypatch)


@every_kind
def test_a_last_step_without_its_broad_component_is_seen(name, monkeypatch):
    real = CDAE.last_step
    assert_last_step_matters(name, lambda self, x_1: PixelDensity(real(self, x_1).std), monkeypatch)


@every_kind
def test_a_prediction_of_the_last_step_from_another_state_is_seen(name, monkeypatch):
    real = CDAE.last_step
    assert_last_step_matters(name, lambda self, x_1: real(self, x_1 - 0.5), monkeypatch)


def test_pairs_without_the_levels_above_are_seen_where_the_last_step_is_robust(monkeypatch):
    """It has a line of its own, which no call passes."""
    mutant = mutated(all_pairs, "log_prob(origin, mean) + log_b)", "log_prob(origin, mean))")
    monkeypatch.setattr(all_pairs, "log_likelihood", mutant.log_likelihood)
    assert_biased("all pairs", robust())


# The log of an average weight is below log p(x) on average, and comes nearer with more draws


def assert_below_and_increasing(name: str, case: Known, make=make) -> None:
    """Every step by 4 standard errors, of independent runs."""
    n_copies = 3 * N_COPIES
    x = case.points[-1:].expand(n_copies, -1)
    estimators = {n_draws: make(name, case, n_draws) for n_draws in (1, 2, 4)}
    runs = [log_mean_exp(e.log_weights(x, generator=seeded(n))).numpy() for n, e in estimators.items()]
    runs.append(np.full(n_copies, case.log_prob(case.points[-1:].numpy()).item()))
    for low, high in pairwise(runs):
        assert high.mean() - low.mean() > 4.0 * math.hypot(low.std(), high.std()) / math.sqrt(n_copies)


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
    for module in (all_pairs, annealing, sequential):
        monkeypatch.setattr(module, "log_mean_exp", total)
    monkeypatch.setitem(globals(), "log_mean_exp", total)
    with pytest.raises(AssertionError):
        assert_below_and_increasing(name, known(name))


# The upper side, on simulated data: E[1 / estimate] = 1 / p(x)


def upper_errors(estimator: TwoSided, case: Known) -> np.ndarray:
    """Upper estimate minus the exact value, in nats."""
    x, latents, exact = case.simulated(4_000)
    return estimator.both_sides(x, latents, generator=seeded(2)).upper.numpy() - exact


def assert_upper(estimator: TwoSided, case: Known) -> None:
    """Above on average, by 5 standard errors, and the inverses average to the inverse density."""
    errors = upper_errors(estimator, case)
    inverse = np.exp(-errors)
    assert inverse.std() < 0.05 * math.sqrt(len(inverse))
    assert_mean(inverse, 1.0)
    assert errors.mean() > 5.0 * errors.std() / math.sqrt(len(errors))


def assert_not_the_inverse(estimator: TwoSided, case: Known) -> None:
    with pytest.raises(AssertionError):
        assert_mean(np.exp(-upper_errors(estimator, case)), 1.0)


@every_estimator
@pytest.mark.parametrize(("n_draws", "n_rows"), [(2, 1), (3, 2)])
def test_the_upper_side_is_above_and_its_inverse_averages_to_the_inverse_density(name, n_draws, n_rows):
    assert_upper(make(name, known(name), n_draws, n_rows), known(name))


# With fewer draws the inverse is too heavy-tailed on two modes, and with more the upper side too near on the other.
@pytest.mark.parametrize(("model", "n_draws", "n_rows"), [("two modes", 3, 2), ("robust", 2, 1)])
@pytest.mark.parametrize("name", CASCADE)
def test_the_upper_side_of_models_that_are_not_linear(name, model, n_draws, n_rows):
    assert_upper(make(name, MODELS[model](), n_draws, n_rows), MODELS[model]())


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
    assert_not_the_inverse(mutate(make(name, known(name), 3, 2)), known(name))
