"""The course of an annealing run in whitened coordinates: which betas, and the angle of the rotations at each.

A pilot flies it before, on other points with other random numbers, and it is the same for all runs and both
directions. The betas of a run lie at equal steps of the length

    integral of sd(phi) d beta,

sd the standard deviation of phi between chains of one point under pi_beta. With chains that mix perfectly, T distributions then
lose length^2 / T nats between both bounds on average, which no other betas undercut (R. Neal, 2001).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators import rotation
from cdae.estimators.step_sizes import check_betas
from cdae.estimators.whitened import Base

ACCEPTANCE = 0.75
FIRST_ANGLE = 0.05
TRIALS = 10  # trajectories at each beta; the first half also lets the chains follow from the beta before
GAIN = 1.5  # of log angle per unit of acceptance
LENGTH_OF_STEP = 1.0  # of the pilot's own betas
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Course:
    """What a pilot has fixed.

    Attributes:
        betas: increasing from 0 to 1.
        lengths: from beta 0 up to each, in nats.
        angles: in radians.
        acceptance: the rate that the pilot saw.
        n_steps: rotations of a trajectory.
        force_precision: of the trajectories' forces.
    """

    betas: Float[Tensor, "betas"]
    lengths: Float[Tensor, "betas"]
    angles: Float[Tensor, "betas"]
    acceptance: Float[Tensor, "betas"]
    n_steps: int
    force_precision: str

    def __post_init__(self) -> None:
        check_betas(self.betas)

    def betas_of(self, n_distributions: int) -> Float[Tensor, "m"]:
        """n_distributions steps of equal length from 0 to 1."""
        at = torch.linspace(0.0, self.lengths[-1].item(), n_distributions + 1, dtype=torch.float64)
        betas = _interpolate(at, self.lengths, self.betas)
        betas[0], betas[-1] = 0.0, 1.0
        return betas

    def at(self, betas: Float[Tensor, "m"]) -> Float[Tensor, "m"]:
        """Angles at other betas, linear in between."""
        return _interpolate(betas, self.betas, self.angles)


def pilot(
    base: Base,
    *,
    n_chains: int,
    n_steps: int,
    force_precision: str,
    generator: torch.Generator,
    progress: Progress,
) -> Course:
    """Betas and angles for runs on other points.

    Args:
        base: fitted to points that no run will use.
        n_chains: at least 2 per point, whose phi are compared.
    """
    state = rotation.evaluate(base.potential, base.draw_white(n_chains, generator=generator), force_precision)
    beta, length, log_angle = 0.0, 0.0, math.log(FIRST_ANGLE)
    spread = _spread(state.phi, n_chains)
    flown = [(0.0, 0.0, FIRST_ANGLE, 1.0)]
    while beta < 1.0:
        step = min(LENGTH_OF_STEP / spread, 1.0 - beta)
        beta = 1.0 if step > 1.0 - beta - 1e-6 else beta + step
        trials = []
        for _ in range(TRIALS):
            state, accepted = rotation.transition(
                base.potential, state, beta=beta, step_size=math.exp(log_angle), n_steps=n_steps,
                force_precision=force_precision, generator=generator,
            )  # fmt: skip
            trials.append((log_angle, accepted.mean().item(), _spread(state.phi, n_chains) ** 2))
            log_angle = min(log_angle + GAIN * (trials[-1][1] - ACCEPTANCE), math.log(0.5 * math.pi / n_steps))
        settled = torch.tensor(trials[len(trials) // 2 :], dtype=torch.float64).mean(0)
        new = settled[2].sqrt().item()
        length += step * 0.5 * (spread + new)
        spread = new
        flown.append((beta, length, settled[0].exp().item(), settled[1].item()))
        progress(f"beta {beta:.3g} length {length:.2f} angle {flown[-1][2]:.3g} acc {flown[-1][3]:.2f} sd {spread:.2f} phi {state.phi.mean():.1f}")
    flown[0] = (0.0, 0.0, flown[1][2], 1.0)
    betas, lengths, angles, acceptance = torch.tensor(flown, dtype=torch.float64).T.contiguous()
    return Course(betas, lengths, angles, acceptance, n_steps, force_precision)


def _spread(phi: Float[Tensor, "rows"], n_chains: int) -> float:
    """Standard deviation between the chains of a point, root mean square over points."""
    return phi.reshape(n_chains, -1).var(0).mean().sqrt().item()


def _interpolate(at: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    right = torch.searchsorted(xs, at).clamp(1, len(xs) - 1)
    fraction = (at - xs[right - 1]) / (xs[right] - xs[right - 1])
    return torch.lerp(ys[right - 1], ys[right], fraction)
