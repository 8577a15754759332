"""One transition on a geometric path: its gradient, its trajectory, and the density that it leaves invariant."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from cdae.estimators import hamiltonian
from cdae.estimators.hamiltonian import State, choose, energy, evaluate, gradient, leapfrog, transition
from tests.helpers import assert_moments, seeded

ONE = torch.ones((), dtype=torch.float64)
LARGE = 0.8


@dataclass
class Gaussians:
    """Two Gaussian ends of a path in `dim` dimensions, with full covariances and known normalisers."""

    means: np.ndarray  # (2, dim), start and end
    precisions: np.ndarray  # (2, dim, dim)

    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        means, precisions = torch.from_numpy(self.means), torch.from_numpy(self.precisions)
        start, end = (
            -0.5 * (((latents - m) @ p) * (latents - m)).sum(-1) for m, p in zip(means, precisions, strict=True)
        )
        return start, end

    def moments(self, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of pi_beta: precisions add up with weights 1 - beta and beta."""
        weights = np.array([1.0 - beta, beta])
        covariance = np.linalg.inv(np.tensordot(weights, self.precisions, 1))
        return covariance @ np.einsum("i,ijk,ik", weights, self.precisions, self.means), covariance


def gaussians(dim: int) -> Gaussians:
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((2, dim, dim))
    return Gaussians(2.0 * rng.standard_normal((2, dim)), factors @ factors.transpose(0, 2, 1) + np.eye(dim))


def quartic(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Ends that are not Gaussian, and levels that depend on one another: latents (2, rows, 2)."""
    upper, lower = latents[1], latents[0]
    start = -0.5 * latents.square().sum((0, -1)) - (upper[:, 0] * lower[:, 1]).sin()
    return start, -0.1 * latents.pow(4).sum((0, -1)) - (lower - upper.tanh()).square().sum(-1)


def random_latents(rows: int, seed: int) -> Tensor:
    return torch.randn(2, rows, 2, generator=seeded(seed), dtype=torch.float64)


def test_gradients_equal_central_differences():
    """Of both ends, and of their mixture at one beta, in every coordinate of every row."""
    latents, beta, h = random_latents(3, 0), 0.3, 1e-5
    state = evaluate(quartic, latents)
    for row in range(3):
        for place in [(i, row, j) for i in range(2) for j in range(2)]:
            shift = torch.zeros_like(latents)
            shift[place] = h
            right, left = quartic(latents + shift), quartic(latents - shift)
            ends = [(a - b)[row] / (2 * h) for a, b in zip(right, left, strict=True)]
            assert state.start_gradient[place].item() == pytest.approx(ends[0].item(), abs=1e-8)
            assert state.end_gradient[place].item() == pytest.approx(ends[1].item(), abs=1e-8)
            mixture = (1 - beta) * ends[0] + beta * ends[1]
            assert gradient(quartic, latents, beta)[place].item() == pytest.approx(mixture.item(), abs=1e-8)
    torch.testing.assert_close(state.gradient(beta), gradient(quartic, latents, beta), rtol=1e-12, atol=1e-12)


def trajectory(state: State, momentum: Tensor, step: float, n_leapfrog: int) -> tuple[State, Tensor]:
    return hamiltonian.leapfrog(quartic, state, momentum, beta=0.4, step=step * ONE, n_leapfrog=n_leapfrog)


def return_error() -> float:
    """How far a trajectory ends from its start after going there and back."""
    state, momentum = evaluate(quartic, random_latents(5, 1)), random_latents(5, 2)
    there, end_momentum = trajectory(state, momentum, 0.2, 7)
    assert (there.latents - state.latents).abs().min() > 1e-3
    back, start_momentum = trajectory(there, -end_momentum, 0.2, 7)
    return max((back.latents - state.latents).abs().max().item(), (start_momentum + momentum).abs().max().item())


def log_volume_change() -> float:
    """log |det| of the Jacobian of (latents, momentum) -> their end, by central differences, one row a direction."""
    h, directions = 1e-5, 1e-5 * torch.eye(8, dtype=torch.float64)
    start = torch.cat([random_latents(1, 3), random_latents(1, 4)]).reshape(8)

    def end(shifts: Tensor) -> Tensor:
        latents, momentum = (start + shifts).reshape(8, 2, 2, 2).permute(1, 2, 0, 3)  # (8 rows, half, level, dim)
        state, momentum = trajectory(evaluate(quartic, latents), momentum, 0.2, 3)
        return torch.stack([state.latents, momentum]).permute(2, 0, 1, 3).reshape(8, 8)

    return torch.linalg.slogdet((end(directions) - end(-directions)) / (2 * h))[1].item()


def test_leapfrog_is_reversible():
    assert return_error() < 1e-12


def test_leapfrog_preserves_volume():
    assert abs(log_volume_change()) < 1e-8


def euler(densities, state, momentum, *, beta, step, n_leapfrog):
    """Position and momentum moved at once."""
    for _ in range(n_leapfrog):
        latents = state.latents + step * momentum
        momentum = momentum + step * state.gradient(beta)
        state = evaluate(densities, latents)
    return state, momentum


def no_last_half_step(densities, state, momentum, *, beta, step, n_leapfrog):
    end, momentum = leapfrog(densities, state, momentum, beta=beta, step=step, n_leapfrog=n_leapfrog)
    return end, momentum - 0.5 * step * end.gradient(beta)


def test_other_integrators_are_seen(monkeypatch):
    monkeypatch.setattr(hamiltonian, "leapfrog", euler)
    assert return_error() > 1e-2 and abs(log_volume_change()) > 1e-2
    monkeypatch.setattr(hamiltonian, "leapfrog", no_last_half_step)
    assert return_error() > 1e-2


def test_energy_error_falls_with_the_square_of_the_step():
    """At equal length of the trajectory: a quarter for half the step."""
    state, momentum = evaluate(quartic, random_latents(200, 5)), random_latents(200, 6)
    before = energy(state, momentum, 0.4)
    errors = []
    for n_leapfrog in (20, 40, 80):
        end, end_momentum = trajectory(state, momentum, 1.0 / n_leapfrog, n_leapfrog)
        errors.append((energy(end, end_momentum, 0.4) - before).square().mean().sqrt().item())
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.02)


def exact_draws(target: Gaussians, beta: float, n: int) -> Tensor:
    mean, covariance = target.moments(beta)
    return torch.from_numpy(np.random.default_rng(1).multivariate_normal(mean, covariance, n))


def move(target, latents: Tensor, *, beta: float, step_size: float, n: int, coordinate_std=ONE) -> tuple[Tensor, float]:
    """Latents after n transitions, and the mean acceptance rate."""
    state, generator, rates = evaluate(target, latents), seeded(2), []
    for _ in range(n):
        state, accepted = transition(
            target,
            state,
            beta=beta,
            step_size=step_size,
            n_leapfrog=3,
            coordinate_std=coordinate_std,
            generator=generator,
        )
        rates.append(accepted.mean().item())
    return state.latents, sum(rates) / n


def assert_invariant(beta_of_the_transition: float) -> float:
    """Exact draws of pi_0.3 keep its moments under large steps; returns their acceptance rate."""
    target = gaussians(dim=3)
    latents, rate = move(target, exact_draws(target, 0.3, 20_000), beta=beta_of_the_transition, step_size=LARGE, n=4)
    assert_moments(latents.numpy(), *target.moments(0.3))
    return rate


def test_transition_leaves_its_density_invariant():
    """With a step so large that the correction matters."""
    assert 0.3 < assert_invariant(0.3) < 0.7


def test_transition_at_another_beta_does_not():
    with pytest.raises(AssertionError):
        assert_invariant(0.35)


def test_without_the_metropolis_correction_it_does_not(monkeypatch):
    monkeypatch.setattr(hamiltonian, "accepts", lambda drop, *, generator: drop.isfinite())
    with pytest.raises(AssertionError):
        assert_invariant(0.3)


def test_kinetic_energy_of_another_mass_is_seen(monkeypatch):
    monkeypatch.setattr(hamiltonian, "squared_norm", lambda p: 0.5 * p.square().sum(-1))
    with pytest.raises(AssertionError):
        assert_invariant(0.3)


def test_transition_reaches_its_density_from_elsewhere():
    """Ergodic as well as invariant."""
    target = gaussians(dim=3)
    latents, _ = move(target, torch.zeros(20_000, 3, dtype=torch.float64), beta=0.3, step_size=0.4, n=40)
    assert_moments(latents.numpy(), *target.moments(0.3))


def test_accepts_with_the_probability_of_the_energy_drop():
    drop = torch.tensor([math.log(0.3), 0.0, 2.0, -torch.inf], dtype=torch.float64).repeat(20_000)
    rates = hamiltonian.accepts(drop, generator=seeded(7)).double().reshape(-1, 4).mean(0)
    assert rates.tolist() == [pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 20_000)), 1.0, 1.0, 0.0]


def test_steps_are_measured_in_the_coordinates_own_lengths():
    """Stretched coordinates with coordinate_std stretched alike: the same trajectories, stretched."""
    target, stretch = gaussians(dim=3), torch.tensor([0.1, 2.0, 30.0], dtype=torch.float64)
    latents = exact_draws(target, 0.5, 10)
    plain, rate = move(target, latents, beta=0.5, step_size=0.5, n=3)
    stretched, same_rate = move(
        lambda h: target(h / stretch), latents * stretch, beta=0.5, step_size=0.5, n=3, coordinate_std=stretch
    )
    torch.testing.assert_close(stretched, plain * stretch, rtol=1e-9, atol=1e-9)
    assert same_rate == pytest.approx(rate, rel=1e-9) and not torch.equal(plain, latents)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_proposal_without_finite_energy_is_rejected(value):
    """Chains start below 0 and may not cross it; the others go on."""

    def walled(latents: Tensor) -> tuple[Tensor, Tensor]:
        inside = -0.5 * latents.square().sum(-1)
        return inside, torch.where(latents[:, 0] < 0.0, inside, value)

    state = evaluate(walled, -torch.rand(2_000, 1, generator=seeded(8), dtype=torch.float64))
    after, accepted = transition(
        walled, state, beta=0.5, step_size=0.5, n_leapfrog=1, coordinate_std=ONE, generator=seeded(9)
    )
    assert (after.latents < 0.0).all() and after.log_end.isfinite().all()
    rejected = accepted == 0.0
    assert 100 < rejected.sum() < 1_900
    assert torch.equal(after.latents[rejected], state.latents[rejected])
    assert (after.latents != state.latents)[~rejected].double().mean() > 0.9


def test_rows_are_chosen_with_everything_that_belongs_to_them():
    a, b = evaluate(quartic, random_latents(4, 10)), evaluate(quartic, random_latents(4, 11))
    mask = torch.tensor([True, False, False, True])
    expected = evaluate(quartic, torch.where(mask[:, None], a.latents, b.latents))
    chosen = choose(mask, a, b)
    for name in ("latents", "log_start", "log_end", "start_gradient", "end_gradient"):
        assert torch.equal(getattr(chosen, name), getattr(expected, name)), name


@pytest.mark.parametrize("n_leapfrog", [1, 5])
def test_a_transition_costs_one_evaluation_per_leapfrog_step(n_leapfrog):
    calls = []

    def counted(latents: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(latents))
        return quartic(latents)

    state = evaluate(counted, random_latents(3, 12))
    move_once = partial(transition, beta=0.5, step_size=0.1, n_leapfrog=n_leapfrog, coordinate_std=ONE)
    for _ in range(3):
        state, _ = move_once(counted, state, generator=seeded(13))
    assert len(calls) == 1 + 3 * n_leapfrog


def test_every_row_may_have_its_own_step():
    """Rows with a step of nearly nothing stay, and the others do not."""
    state = evaluate(quartic, random_latents(4, 14))
    steps = torch.tensor([[1e-12], [0.3], [1e-12], [0.3]], dtype=torch.float64)
    proposed, _ = leapfrog(quartic, state, random_latents(4, 15), beta=0.5, step=steps, n_leapfrog=2)
    moved = (proposed.latents - state.latents).abs().amax((0, 2))
    assert (moved[[0, 2]] < 1e-10).all() and (moved[[1, 3]] > 1e-2).all()
