"""One transition in whitened coordinates: its trajectory, and the density that it leaves invariant."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cdae.estimators import rotation
from cdae.estimators.rotation import choose, energy, evaluate, trajectory, transition
from tests.helpers import assert_mean, assert_moments, seeded

BETA = 0.6


@dataclass
class Quadratic:
    """phi(z) = 1/2 (z - mean)^T precision (z - mean) in 3 dimensions, so that pi_beta is Gaussian."""

    mean: np.ndarray
    precision: np.ndarray

    def __call__(self, z: Tensor, precision: str) -> Tensor:
        deviation = z - torch.from_numpy(self.mean)
        return 0.5 * ((deviation @ torch.from_numpy(self.precision)) * deviation).sum(-1)

    def moments(self, beta: float) -> tuple[np.ndarray, np.ndarray]:
        covariance = np.linalg.inv(np.eye(len(self.mean)) + beta * self.precision)
        return beta * covariance @ self.precision @ self.mean, covariance


def quadratic() -> Quadratic:
    root = np.random.default_rng(0).standard_normal((3, 3))
    return Quadratic(np.array([1.0, -0.5, 0.3]), root @ root.T + 0.5 * np.eye(3))


def quartic(z: Tensor, precision: str) -> Tensor:
    """Not Gaussian, over two levels that depend on one another: z (2, rows, 2)."""
    return 0.1 * z.pow(4).sum((0, -1)) + (z[0] - z[1].tanh()).square().sum(-1) + (z[1, :, 0] * z[0, :, 1]).sin()


def random_z(rows: int, seed: int) -> Tensor:
    return torch.randn(2, rows, 2, generator=seeded(seed), dtype=torch.float64)


def test_the_gradient_equals_central_differences():
    z, h = random_z(3, 0), 1e-5
    state = evaluate(quartic, z)
    assert torch.equal(state.phi, quartic(z, "highest")) and torch.equal(state.log_ratio, -state.phi)
    for row in range(3):
        for place in [(i, row, j) for i in range(2) for j in range(2)]:
            shift = torch.zeros_like(z)
            shift[place] = h
            slope = (quartic(z + shift, "highest") - quartic(z - shift, "highest"))[row] / (2 * h)
            assert state.gradient[place].item() == pytest.approx(slope.item(), abs=1e-8)


def return_error() -> float:
    """How far a trajectory ends from its start after going there and back."""
    state, momentum = evaluate(quartic, random_z(5, 1)), random_z(5, 2)
    settings = {"beta": BETA, "angle": 0.3, "n_steps": 5}
    there, end_momentum = trajectory(quartic, state, momentum, **settings)
    assert (there.z - state.z).abs().min() > 1e-3
    back, start_momentum = trajectory(quartic, there, -end_momentum, **settings)
    return max((back.z - state.z).abs().max().item(), (start_momentum + momentum).abs().max().item())


def log_volume_change() -> float:
    """log |det| of the Jacobian of (z, momentum) -> their end, by central differences, one row a direction."""
    h, directions = 1e-5, 1e-5 * torch.eye(8, dtype=torch.float64)
    start = torch.cat([random_z(1, 3), random_z(1, 4)]).reshape(8)

    def end(shifts: Tensor) -> Tensor:
        z, momentum = (start + shifts).reshape(8, 2, 2, 2).permute(1, 2, 0, 3)  # (8 rows, half, level, dim)
        state, momentum = trajectory(quartic, evaluate(quartic, z), momentum, beta=BETA, angle=0.3, n_steps=3)
        return torch.stack([state.z, momentum]).permute(2, 0, 1, 3).reshape(8, 8)

    return torch.linalg.slogdet((end(directions) - end(-directions)) / (2 * h))[1].item()


def test_a_trajectory_can_be_undone_and_keeps_volumes():
    assert return_error() < 1e-10
    assert abs(log_volume_change()) < 1e-8


def linear(z: Tensor, precision: str) -> Tensor:
    return z @ torch.tensor([1.5, -0.7], dtype=z.dtype)


@pytest.mark.parametrize("angle", [0.1, 1.0])
def test_the_motion_is_exact_where_phi_is_linear(angle):
    """A rotation about -beta grad phi by n_steps times the angle, which keeps the energy."""
    z, momentum = random_z(4, 5)[0], random_z(4, 6)[0]
    state = evaluate(linear, z)
    end, end_momentum = trajectory(linear, state, momentum, beta=BETA, angle=angle, n_steps=3)
    center, turn = -BETA * torch.tensor([1.5, -0.7], dtype=torch.float64), 3 * angle
    expected = center + (z - center) * math.cos(turn) + momentum * math.sin(turn)
    torch.testing.assert_close(end.z, expected, rtol=0.0, atol=1e-12)
    before, after = energy(state, momentum, BETA), energy(end, end_momentum, BETA)
    torch.testing.assert_close(before, after, rtol=0.0, atol=1e-12)


def moved(n_moves: int = 4, angle: float = 0.8) -> tuple[Quadratic, np.ndarray, float]:
    """Exact draws of pi_beta after some transitions, and the share of proposals that were accepted."""
    phi, generator = quadratic(), seeded(7)
    mean, covariance = phi.moments(BETA)
    start = np.random.default_rng(8).multivariate_normal(mean, covariance, 40_000)
    state, rates = evaluate(phi, torch.from_numpy(start)), []
    for _ in range(n_moves):
        state, accepted = transition(phi, state, beta=BETA, step_size=angle, n_steps=3, generator=generator)
        rates.append(accepted.mean().item())
    return phi, state.z.numpy(), float(np.mean(rates))


def test_a_transition_leaves_the_density_invariant():
    phi, z, rate = moved()
    assert 0.3 < rate < 0.9  # some are refused, so that the correction matters
    assert_moments(z, *phi.moments(BETA))


def test_transitions_forget_where_they_started():
    phi = quadratic()
    state, generator = evaluate(phi, torch.full((20_000, 3), 2.0, dtype=torch.float64)), seeded(9)
    for _ in range(40):
        state, _ = transition(phi, state, beta=BETA, step_size=0.4, n_steps=3, generator=generator)
    assert_moments(state.z.numpy(), *phi.moments(BETA))


# Mutants


def change_the_end(monkeypatch, change):
    original = rotation.trajectory

    def changed(potential, state, momentum, *, beta, angle, **settings):
        end, momentum = original(potential, state, momentum, beta=beta, angle=angle, **settings)
        return change(end, momentum, beta, angle)

    monkeypatch.setattr(rotation, "trajectory", changed)


def last_kick_twice(monkeypatch):
    change_the_end(monkeypatch, lambda end, v, beta, angle: (end, v - beta * math.tan(0.5 * angle) * end.gradient))


def last_kick_without_beta(monkeypatch):
    change_the_end(
        monkeypatch, lambda end, v, beta, angle: (end, v - (1 - beta) * math.tan(0.5 * angle) * end.gradient)
    )


def rotation_that_shrinks(monkeypatch):
    change_the_end(monkeypatch, lambda end, v, beta, angle: (evaluate(quadratic(), 0.95 * end.z), v))


def no_metropolis_correction(monkeypatch):
    monkeypatch.setattr(rotation, "accepts", lambda drop, *, generator: drop.isfinite())


def energy_without(name):
    def mutate(monkeypatch):
        original = rotation.energy

        def energy(state, momentum, beta):
            if name == "beta":
                return original(state, momentum, 1.0)
            gone = state.z if name == "position" else momentum
            return original(state, momentum, beta) - 0.5 * gone.square().sum(-1)

        monkeypatch.setattr(rotation, "energy", energy)

    mutate.__name__ = f"energy_without_{name}"
    return mutate


MUTANTS = [
    last_kick_twice,
    last_kick_without_beta,
    rotation_that_shrinks,
    no_metropolis_correction,
    energy_without("beta"),
    energy_without("position"),
    energy_without("momentum"),
]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_change_the_density(mutate, monkeypatch):
    mutate(monkeypatch)
    phi, z, _ = moved()
    with pytest.raises(AssertionError):
        assert_moments(z, *phi.moments(BETA))


# Adaptation inside a run


WELLS = ((1.0, 0.05, 20.0), (-1.0, 1.0, 1.0))  # middle, width and depth of the two terms of exp(-phi)


def wells(z: Tensor, precision: str) -> Tensor:
    """A narrow well and a wide one."""
    terms = [math.log(depth) - 0.5 * ((z[:, 0] - middle) / width).square() for middle, width, depth in WELLS]
    return -torch.logaddexp(*terms)


def mean_of_wells() -> float:
    """E[exp(-phi)] over z ~ N(0, 1)."""
    wide = [(middle, width, depth, 1.0 + width**2) for middle, width, depth in WELLS]
    return sum(d * w / math.sqrt(v) * math.exp(-0.5 * m**2 / v) for m, w, d, v in wide)


def relative_weights(move) -> np.ndarray:
    """Annealed weights over their exact mean."""
    z = torch.randn(40_000, 1, generator=seeded(10), dtype=torch.float64)
    betas = torch.linspace(0.0, 1.0, 61, dtype=torch.float64)
    state, log_weights, transition_at = evaluate(wells, z), torch.zeros(len(z), dtype=torch.float64), move(wells)
    for t, step in enumerate(betas.diff().tolist(), 1):
        log_weights -= step * state.phi
        if t < len(betas) - 1:
            state, _ = transition_at(state, beta=betas[t].item(), step_size=0.3)
    return np.exp(log_weights.numpy()) / mean_of_wells()


def frozen(phi):
    generator = seeded(11)
    return lambda state, *, beta, step_size: transition(
        phi, state, beta=beta, step_size=step_size, n_steps=2, generator=generator
    )


def adapted(phi):
    """The angle of each chain depends on what it has accepted so far."""
    generator, angles = seeded(11), torch.full((40_000, 1), 0.3, dtype=torch.float64)

    def move(state, *, beta, step_size):
        nonlocal angles
        state, accepted = transition(phi, state, beta=beta, step_size=angles, n_steps=2, generator=generator)
        angles = (angles * torch.where(accepted[:, None] < 0.9, 0.1, 2.0)).clamp(1e-3, 1.5)
        return state, accepted

    return move


def test_a_frozen_angle_gives_unbiased_weights_and_an_adapted_one_does_not():
    assert_mean(relative_weights(frozen), 1.0)
    with pytest.raises(AssertionError):
        assert_mean(relative_weights(adapted), 1.0)


# What a transition does with rows


def test_proposals_with_an_infinite_energy_are_refused():
    def walled(z: Tensor, precision: str) -> Tensor:
        return torch.where(z[:, 0] > 0.0, 0.0 * z[:, 0], torch.inf)

    state = evaluate(walled, torch.full((100, 2), 0.1, dtype=torch.float64))
    after, accepted = transition(walled, state, beta=1.0, step_size=0.5, n_steps=2, generator=seeded(12))
    assert (after.z[:, 0] > 0.0).all() and (accepted == 0.0).any() and (accepted == 1.0).any()


def test_every_row_can_have_an_angle_of_its_own():
    state, momentum = evaluate(quartic, random_z(3, 13)), random_z(3, 14)
    angles = [0.1, 0.2, 0.3]
    settings = {"beta": BETA, "n_steps": 2}
    together, _ = trajectory(
        quartic, state, momentum, angle=torch.tensor(angles, dtype=torch.float64)[:, None], **settings
    )
    for row, angle in enumerate(angles):
        alone, _ = trajectory(quartic, state, momentum, angle=angle, **settings)
        torch.testing.assert_close(together.z[:, row], alone.z[:, row], rtol=1e-12, atol=1e-12)


def test_choose_takes_whole_rows():
    a, b = evaluate(quartic, random_z(3, 15)), evaluate(quartic, random_z(3, 16))
    chosen = choose(torch.tensor([True, False, True]), a, b)
    for name in ("z", "phi", "gradient"):
        got, left, right = (getattr(state, name) for state in (chosen, a, b))
        axis = 0 if got.dim() == 1 else 1
        for row, source in enumerate((left, right, left)):
            assert torch.equal(got.select(axis, row), source.select(axis, row))
    assert replace(chosen, phi=b.phi).phi is b.phi
