"""The course of an annealing run in whitened coordinates: which betas, and the angle of the rotations at each.

A pilot flies it before, on other points with other random numbers. Then it is the same for all runs and both
directions. The betas of a run lie at equal steps of the length

    integral of sd(phi) d beta,

with sd the standard deviation of phi under pi_beta, between chains of one point, of the median point. With chains that
mix perfectly, T such steps lose about length^2 / T nats between both bounds.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.estimators import rotation
from cdae.estimators.progress import Progress, to_stderr
from cdae.estimators.whitened import Base

ACCEPTANCE = 0.75
FIRST_ANGLE = 0.05
LARGEST_TURN = math.acos(0.0)  # of a whole trajectory: position and momentum have changed places
TRIALS = 10  # trajectories at each beta; the first half also lets the chains follow from the beta before
GAIN = 1.5  # of log angle per unit of acceptance
LENGTH_OF_STEP = 1.0  # between the pilot's own betas
LEAST_SPREAD = 1e-3  # nats; a base that is exact has none at all


@dataclass(frozen=True)
class Course:
    """What a pilot has fixed.

    Attributes:
        betas: increasing from 0 to 1.
        lengths: from beta = 0 up to each, increasing, in nats.
        angles: of one rotation, in radians.
        acceptance: the rate that the pilot saw.
        n_steps: rotations of a trajectory.
        force_precision: of the network in the trajectories' forces.

    Raises:
        ValueError: if betas does not increase from 0 to 1, lengths does not increase from 0, an angle is not positive
            and finite, or n_steps is less than 1.
    """

    betas: Float[Tensor, "betas"]
    lengths: Float[Tensor, "betas"]
    angles: Float[Tensor, "betas"]
    acceptance: Float[Tensor, "betas"]
    n_steps: int
    force_precision: str

    def __post_init__(self) -> None:
        if not (self.betas[0] == 0 and self.betas[-1] == 1 and (self.betas.diff() > 0).all()):
            raise ValueError(
                f"betas: got {self.betas.tolist()}, expected numbers increasing from 0 to 1; repeat the pilot"
            )
        if not (self.lengths[0] == 0 and (self.lengths.diff() > 0).all()):
            raise ValueError(
                f"lengths: got {self.lengths.tolist()}, expected numbers increasing from 0; repeat the pilot"
            )
        if not (self.angles.isfinite().all() and (self.angles > 0).all()):
            raise ValueError(f"angles: got {self.angles.tolist()}, expected positive, finite ones; repeat the pilot")
        if self.n_steps < 1:
            raise ValueError(f"n_steps: got {self.n_steps}, expected at least 1")

    def betas_of(self, n_distributions: int) -> Float[Tensor, "m"]:
        """n_distributions steps of equal length from 0 to 1.

        Raises:
            ValueError: if n_distributions is less than 1.
        """
        if n_distributions < 1:
            raise ValueError(f"n_distributions: got {n_distributions}, expected at least 1")
        shares = torch.linspace(0.0, 1.0, n_distributions + 1, dtype=torch.float64)
        betas = _interpolate(shares * self.lengths[-1], self.lengths, self.betas)
        betas[0], betas[-1] = 0.0, 1.0
        return betas

    def at(self, betas: Float[Tensor, "m"]) -> Float[Tensor, "m"]:
        """Angles at other betas, linear in between."""
        return _interpolate(betas.contiguous(), self.betas, self.angles)


def pilot(
    base: Base,
    *,
    n_chains: int,
    n_steps: int,
    force_precision: str,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Course:
    """Betas and angles for runs on other points.

    Args:
        base: fitted to points that no run will use.
        n_chains: at least 2 per point, whose phi are compared.
        n_steps: rotations of a trajectory, here and in the runs.
        progress: called with one line at every beta.

    Raises:
        ValueError: if n_chains is less than 2, or phi is not finite.
    """
    if n_chains < 2:
        raise ValueError(f"n_chains: got {n_chains}, expected at least 2, whose phi are compared")
    settings = {"n_steps": n_steps, "force_precision": force_precision, "generator": generator}
    with layers("highest"):
        state = rotation.evaluate(base.potential, base.draw_white(n_chains, generator=generator), force_precision)
        beta, length, angle, spread = 0.0, 0.0, FIRST_ANGLE, _spread(state.phi, n_chains)
        flown = []
        while beta < 1.0:
            step = min(LENGTH_OF_STEP / spread, 1.0 - beta)
            beta = beta + step if step < 1.0 - beta else 1.0
            state, (angle, acceptance, new_spread) = _settle(base, state, beta, angle, n_chains, settings)
            length, spread = length + 0.5 * step * (spread + new_spread), new_spread
            flown.append((beta, length, angle, acceptance))
            progress(f"pilot at beta {beta:.3g}, length {length:.3g}, angle {angle:.3g}, acceptance {acceptance:.2f}")
    start = (0.0, 0.0, flown[0][2], 1.0)  # at beta = 0 any angle is accepted
    betas, lengths, angles, rates = torch.tensor([start, *flown], dtype=torch.float64).T.contiguous()
    return Course(betas, lengths, angles, rates, n_steps, force_precision)


def _settle(
    base: Base, state: rotation.State, beta: float, angle: float, n_chains: int, settings: dict
) -> tuple[rotation.State, tuple[float, float, float]]:
    """The state after some trajectories at one beta, and the angle, acceptance rate and spread of the later ones."""
    trials = []
    for _ in range(TRIALS):
        state, accepted = rotation.transition(base.potential, state, beta=beta, step_size=angle, **settings)
        trials.append((math.log(angle), accepted.mean().item(), _spread(state.phi, n_chains)))
        angle = min(angle * math.exp(GAIN * (trials[-1][1] - ACCEPTANCE)), LARGEST_TURN / settings["n_steps"])
    log_angle, acceptance, spread = torch.tensor(trials[len(trials) // 2 :], dtype=torch.float64).mean(0).tolist()
    return state, (math.exp(log_angle), acceptance, spread)


def _spread(phi: Float[Tensor, "rows"], n_chains: int) -> float:
    """Standard deviation between the chains of a point, of the median point."""
    spread = phi.reshape(n_chains, -1).std(0).median().item()
    if not math.isfinite(spread):
        raise ValueError(
            f"phi: got a standard deviation of {spread}, expected a finite one; look at the model's weights"
        )
    return max(spread, LEAST_SPREAD)


def _interpolate(at: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    right = torch.searchsorted(xs, at).clamp(1, len(xs) - 1)
    fraction = (at - xs[right - 1]) / (xs[right] - xs[right - 1])
    return torch.lerp(ys[right - 1], ys[right], fraction)
