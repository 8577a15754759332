"""Annealed weights, forward and in reverse, against exact densities: linear cascades, quadrature, a factor model."""

import gc
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdae.corruption import NoiseSchedule
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.estimators import annealing, hamiltonian, paths, proposals
from cdae.estimators.annealing import StepSizes
from cdae.estimators.hamiltonian import State, evaluate, transition
from cdae.estimators.paths import AnnealingPath, CascadePath, PriorPath, linear_schedule, sigmoid_schedule
from cdae.gaussian import log_normal
from cdae.model import CDAE
from tests.annealing_helpers import (
    GUIDED,
    PAPER,
    assert_mean_above,
    assert_unbiased,
    both_ways,
    constant_steps,
    forward,
    linear_decoder,
    pilot,
    reverse,
)
from tests.helpers import assert_mean, finite_variance_cascade, linear_cascade, seeded
from tests.oracles import factor_model, scalar_cascade

# Unbiasedness


def relative_weights(
    proposal: proposals.Proposal, step_size: float = 1.2, n_distributions: int = 4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """w / p(x) forward and w p(x) in reverse, of one chain each for many points simulated from a linear cascade."""
    model, oracle = finite_variance_cascade()
    x, latents = model.simulate(10_000, generator=seeded(seed))
    exact = oracle.log_prob(x.numpy())
    there, back = both_ways(
        CascadePath(model, proposal), x, latents, linear_schedule(n_distributions), constant_steps(step_size, 2)
    )
    return np.exp(there.log_weights[0].numpy() - exact), np.exp(back.log_weights[0].numpy() + exact)


@pytest.mark.parametrize("proposal", [PAPER, GUIDED, proposals.Renoising()], ids=["paper", "guided", "renoising"])
def test_weights_average_to_the_density_and_reverse_weights_to_its_inverse(proposal):
    """E[w] = p(x) and E[w] = 1 / p(x), to 5 standard errors of at most 3%."""
    weights = relative_weights(proposal, step_size=0.9)
    assert_unbiased(*weights)
    assert all(w.std() < 0.03 * math.sqrt(len(w)) for w in weights)


def test_weights_average_to_the_density_at_each_point():
    """Two points of different density, many chains: pins the rows to their points and the columns of the result."""
    model, oracle = finite_variance_cascade()
    x = torch.tensor([[0.2, -0.4], [1.5, 1.0], [-2.0, 1.0]], dtype=torch.float64)
    annealed = forward(
        CascadePath(model, PAPER), x, linear_schedule(5), constant_steps(0.9, 2), n_chains=4_000, generator=seeded(3)
    )
    assert annealed.log_weights.shape == annealed.chain_acceptance.shape == (4_000, 3)
    assert_mean(np.exp(annealed.log_weights.numpy() - oracle.log_prob(x.numpy())), np.ones(3))


class Tanh(nn.Module):
    """A denoiser with two modes."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return 1.5 * torch.tanh(2.0 * x) + 0.2


def test_weights_of_a_nonlinear_cascade_average_to_its_density_by_quadrature():
    model = CDAE(
        Tanh(),
        NoiseSchedule((0.0, 0.4, 1.0)),
        data_mean=torch.tensor([0.3]).double(),
        data_std=torch.tensor([1.2]).double(),
    )
    model.reconstruction_std.copy_(torch.tensor([0.3, 0.5]))
    x, latents = model.simulate(10_000, generator=seeded(4))
    grid = np.linspace(-12.0, 12.0, 601)
    exact = scalar_cascade.log_prob(
        x[:, 0].numpy(),
        lambda state: 1.5 * np.tanh(2.0 * state) + 0.2,
        model.reconstruction_std.numpy(),
        model.prior_mean.item(),
        model.prior_std.item(),
        grid,
    )
    assert np.quantile(x.numpy(), [0.2, 0.8]) == pytest.approx([-1.3, 1.7], abs=0.4)
    there, back = both_ways(CascadePath(model, PAPER), x, latents, linear_schedule(8), constant_steps(0.5, 2))
    weights = np.exp(there.log_weights[0].numpy() - exact), np.exp(back.log_weights[0].numpy() + exact)
    assert_unbiased(*weights)
    assert all(w.std() < 0.05 * math.sqrt(len(w)) for w in weights)


# Mutants of the weights: each of them is seen by the check above


def start_dropped_from_the_increment(monkeypatch):
    monkeypatch.setattr(State, "log_ratio", property(lambda state: state.log_end))


def prior_dropped_from_the_joint(monkeypatch):
    def joint(model, x, latents, x_hat):
        return proposals.log_joint(model, x, latents, x_hat) - log_normal(
            latents[-1], model.prior_mean, model.prior_std
        )

    monkeypatch.setattr(paths, "log_joint", joint)


def top_level_of_the_start_dropped(monkeypatch):
    def start(model, proposal, x, latents, x_hat):
        whole = proposals.log_proposal(model, proposal, x, latents, x_hat)
        return whole - log_normal(latents[-1], x, model.corruption_std[-1])

    monkeypatch.setattr(paths, "log_proposal", start)


def no_metropolis_correction(monkeypatch):
    monkeypatch.setattr(hamiltonian, "accepts", lambda drop, *, generator: drop.isfinite())


def transitions_one_beta_late(monkeypatch):
    last = [0.0]

    def late(densities, state, *, beta, **arguments):
        last.append(beta)
        return transition(densities, state, beta=last[-2], **arguments)

    monkeypatch.setattr(annealing, "transition", late)


def reverse_not_reversed(monkeypatch):
    original = annealing._anneal
    monkeypatch.setattr(
        annealing,
        "_anneal",
        lambda path, x, h, betas, *rest, **more: original(path, x, h, betas.sort()[0], *rest, **more),
    )


def reverse_from_draws_of_the_start(monkeypatch):
    original = annealing._anneal

    def wrong_start(path, x, latents, betas, *rest, generator, **more):
        latents = path.draw_start(x, generator=generator)
        return original(path, x, latents, betas, *rest, generator=generator, **more)

    monkeypatch.setattr(annealing, "_anneal", wrong_start)


MUTANTS = [
    start_dropped_from_the_increment,
    prior_dropped_from_the_joint,
    top_level_of_the_start_dropped,
    no_metropolis_correction,
    transitions_one_beta_late,
    reverse_not_reversed,
    reverse_from_draws_of_the_start,
]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_are_biased(mutate, monkeypatch):
    mutate(monkeypatch)
    there, back = relative_weights(PAPER)
    with pytest.raises(AssertionError):
        assert_unbiased(there, back)


def test_the_wrong_sign_of_the_reverse_weights_is_biased():
    there, back = relative_weights(PAPER)
    assert_unbiased(there, back)
    with pytest.raises(AssertionError):
        assert_unbiased(1.0 / back)


# Bounds


def errors_of_both_bounds(
    path: AnnealingPath, x: Tensor, latents: Tensor, exact: np.ndarray, betas: Tensor, steps: StepSizes, n_chains: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lower bound minus exact, and upper bound minus exact, per point in nats."""
    there, back = both_ways(path, x, latents, betas, steps, n_chains)
    lower, upper = annealing.lower_bound(there.log_weights), annealing.upper_bound(back.log_weights)
    return lower.numpy() - exact, upper.numpy() - exact


def assert_sandwich(errors: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Both sides hold within 5 standard errors, visibly with the fewest distributions, and every gap beats the last."""
    for lower, upper in errors:
        assert_mean_above(-lower, 0.0, -5.0)
        assert_mean_above(upper, 0.0, -5.0)
    assert_mean_above(-errors[0][0], 0.0, 5.0)
    assert_mean_above(errors[0][1], 0.0, 5.0)
    for wide, narrow in pairwise(upper - lower for lower, upper in errors):
        assert_mean_above(wide - narrow, 0.0, 5.0)


def test_exact_density_of_a_small_cascade_lies_between_bounds_that_close():
    model, oracle = finite_variance_cascade()
    x, latents = model.simulate(600, generator=seeded(5))
    path, exact, steps = CascadePath(model, PAPER), oracle.log_prob(x.numpy()), constant_steps(0.9, 2)
    errors = [errors_of_both_bounds(path, x, latents, exact, linear_schedule(n), steps, 4) for n in (1, 4, 32)]
    assert_sandwich(errors)
    for error in errors[-1]:
        assert abs(error.mean()) < 0.05


def test_exact_density_of_a_larger_cascade_lies_between_bounds_that_close():
    """Eight dimensions, five levels, 40 latents; step sizes of a pilot on other points."""
    model, oracle = linear_cascade(1, dim=8, n_levels=5)
    path = CascadePath(model, PAPER)
    pilot_points, _ = model.simulate(60, generator=seeded(6))
    steps = pilot(path, pilot_points, linear_schedule(10), n_leapfrog=5, generator=seeded(7))
    x, latents = model.simulate(60, generator=seeded(8))
    exact = oracle.log_prob(x.numpy())
    errors = [errors_of_both_bounds(path, x, latents, exact, linear_schedule(n), steps, 2) for n in (8, 32, 128)]
    assert_sandwich(errors)
    assert (errors[-1][1] - errors[-1][0]).mean() < 4.0  # 24 nats with 8 distributions


def test_linear_decoder_reaches_its_exact_density_from_the_prior():
    """Ten latent dimensions, to half a nat from both sides."""
    model, weights, bias = linear_decoder(dim=30, latent_dim=10, std=1.0)
    path = PriorPath(model)
    pilot_points, _ = model.simulate(50, generator=seeded(9))
    steps = pilot(path, pilot_points, sigmoid_schedule(20), n_leapfrog=10, generator=seeded(10))
    x, z = model.simulate(12, generator=seeded(11))
    exact = factor_model.log_prob(x.numpy(), weights, bias, 1.0)
    lower, upper = errors_of_both_bounds(path, x, z, exact, sigmoid_schedule(600), steps, 64)
    assert -0.5 < lower.mean() < 0.5 and -0.5 < upper.mean() < 0.5
    assert_mean_above(upper - lower, 0.0, -5.0)


def test_several_chains_average_their_weights():
    """lower = log mean exp of the weights, upper = minus log mean exp of the reverse ones, over chains."""
    weights = torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([2.0, 2.0], dtype=torch.float64).log()
    torch.testing.assert_close(annealing.lower_bound(weights.log()), expected)
    torch.testing.assert_close(annealing.upper_bound(weights.log()), -expected)


# What a run does


def test_one_distribution_is_importance_sampling():
    """No transition: the weights are the inference model's, and the reverse ones their negatives at the truth."""
    model, _ = finite_variance_cascade()
    x, latents = model.simulate(5, generator=seeded(12))
    there, back = both_ways(CascadePath(model, GUIDED), x, latents, linear_schedule(1), constant_steps(0.9, 2), 3)
    expected = proposals.draw_log_weights(model, GUIDED, x.repeat(3, 1), generator=seeded(1)).reshape(3, 5)
    torch.testing.assert_close(there.log_weights, expected, rtol=1e-12, atol=1e-12)
    x_hat = model.denoise(latents)
    at_truth = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, GUIDED, x, latents, x_hat)
    torch.testing.assert_close(back.log_weights, -at_truth.expand(3, 5), rtol=1e-12, atol=1e-12)
    assert there.chain_acceptance.isnan().all() and len(there.beta_acceptance) == 0


def test_both_directions_make_the_same_transitions_in_opposite_order(monkeypatch):
    """One at each inner beta, with the step size that the pilot fixed for it."""
    visited = []

    def recorded(densities, state, *, beta, step_size, **arguments):
        visited.append((beta, step_size))
        return transition(densities, state, beta=beta, step_size=step_size, **arguments)

    monkeypatch.setattr(annealing, "transition", recorded)
    model, _ = finite_variance_cascade()
    x, latents = model.simulate(5, generator=seeded(13))
    betas, nan = sigmoid_schedule(7), torch.full((8,), torch.nan, dtype=torch.float64)
    steps = StepSizes(betas, torch.linspace(0.9, 0.2, 8, dtype=torch.float64), nan, 2)
    both_ways(CascadePath(model, PAPER), x, latents, betas, steps)
    expected = list(zip(betas.tolist(), steps.sizes.tolist(), strict=True))[1:-1]
    np.testing.assert_allclose(visited, expected + expected[::-1], rtol=1e-12)


class Counted:
    """A path that counts its evaluations."""

    def __init__(self, path: AnnealingPath):
        self.path, self.coordinate_std, self.n_evaluations = path, path.coordinate_std, 0

    def draw_start(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        return self.path.draw_start(x, generator=generator)

    def log_densities(self, x: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        self.n_evaluations += 1
        return self.path.log_densities(x, latents)


def test_a_run_evaluates_the_network_once_per_leapfrog_step():
    model, _ = finite_variance_cascade()
    path = Counted(CascadePath(model, PAPER))
    x, _ = model.simulate(5, generator=seeded(14))
    forward(path, x, linear_schedule(8), constant_steps(0.5, 3), n_chains=2, generator=seeded(0))
    assert path.n_evaluations == 1 + 3 * 7


def network_cascade() -> tuple[CDAE, Tensor, Tensor]:
    """In float32, as trained models are, and large enough for torch to share its work among threads."""
    network = mlp(64, [128], 64, generator=seeded(15))
    scale = DataScale(torch.zeros(64), 1.0, unit_interval=False)
    schedule = NoiseSchedule((0.0, 0.5, 1.0, 2.0))
    model = CDAE(BlindDenoiser(network, scale), schedule, data_mean=torch.zeros(64), data_std=torch.ones(64))
    return model, *model.simulate(100, generator=seeded(16))


def test_float32_chains_have_float64_weights_close_to_those_of_float64_densities():
    model, x, latents = network_cascade()
    assert x.dtype == latents.dtype == torch.float32
    path, generator = CascadePath(model, PAPER), seeded(17)
    state = evaluate(partial(path.log_densities, x), latents)
    state, _ = transition(
        partial(path.log_densities, x), state, beta=0.5, step_size=0.1, n_leapfrog=2,
        coordinate_std=path.coordinate_std, generator=generator,
    )  # fmt: skip
    assert state.latents.dtype == torch.float32 and state.log_end.dtype == torch.float64
    assert not any(tensor.requires_grad for tensor in vars(state).values())  # no graph is kept from step to step
    exact = CascadePath(model.double(), PAPER).log_densities(x.double(), state.latents.double())
    for rounded, density in zip((state.log_start, state.log_end), exact, strict=True):
        torch.testing.assert_close(rounded, density.detach(), rtol=0.0, atol=1e-3)


def test_results_depend_on_the_generator_alone():
    """The same seed gives the same weights on one thread and on two; another seed does not."""
    model, x, _ = network_cascade()
    run = partial(forward, CascadePath(model, PAPER), x, linear_schedule(3), constant_steps(0.1, 2), n_chains=3)
    one = run(generator=seeded(18)).log_weights
    assert not torch.equal(one, run(generator=seeded(19)).log_weights)
    torch.set_num_threads(2)
    try:
        two = run(generator=seeded(18)).log_weights
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one, two)


def test_progress_is_told_ten_times_and_memory_does_not_grow():
    """The number of living tensors is the same at every line."""
    model, _ = finite_variance_cascade()
    x, _ = model.simulate(5, generator=seeded(20))
    lines, tensors = [], []

    def progress(line: str) -> None:
        lines.append(line)
        tensors.append(sum(type(thing) is Tensor for thing in gc.get_objects()))

    path, steps = CascadePath(model, PAPER), constant_steps(0.5, 1)
    annealing.log_weights(path, x, linear_schedule(101), steps, n_chains=1, generator=seeded(0), progress=progress)
    assert len(lines) == 10 and "100 of 100" in lines[-1] and "acceptance" in lines[0]
    assert len(set(tensors)) == 1
    lines.clear()
    annealing.pilot(path, x, linear_schedule(19), n_leapfrog=1, generator=seeded(0), progress=progress)
    assert len(lines) == 10 and "20 of 20" in lines[-1]


# Refusals


@pytest.mark.parametrize(
    "betas", [[0.0], [0.0, 0.5], [0.1, 1.0], [0.0, 0.6, 0.4, 1.0], [1.0, 0.0], [0.0, math.nan, 1.0]]
)
def test_betas_that_do_not_increase_from_0_to_1_are_refused(betas):
    model, _ = finite_variance_cascade()
    path, x, betas = CascadePath(model, PAPER), torch.zeros(1, 2).double(), torch.tensor(betas, dtype=torch.float64)
    with pytest.raises(ValueError, match="expected numbers increasing from 0 to 1"):
        forward(path, x, betas, constant_steps(0.5, 1), n_chains=1, generator=seeded(0))
    with pytest.raises(ValueError, match="expected numbers increasing from 0 to 1"):
        pilot(path, x, betas, n_leapfrog=1, generator=seeded(0))
    with pytest.raises(ValueError, match="expected numbers increasing from 0 to 1"):
        StepSizes(betas, torch.ones_like(betas), torch.ones_like(betas), 1)


def test_runs_without_chains_or_with_other_latents_are_refused():
    model, _ = finite_variance_cascade()
    path, (x, latents) = CascadePath(model, PAPER), model.simulate(3, generator=seeded(26))
    rest = (linear_schedule(2), constant_steps(0.5, 1))
    with pytest.raises(ValueError, match="n_chains: got 0, expected at least 1"):
        forward(path, x, *rest, n_chains=0, generator=seeded(0))
    with pytest.raises(ValueError, match="n_chains: got 0, expected at least 1"):
        reverse(path, x, latents, *rest, n_chains=0, generator=seeded(0))
    with pytest.raises(ValueError, match="expected 3 rows"):
        reverse(path, x, latents[:, :2], *rest, n_chains=1, generator=seeded(0))
