"""Annealing in whitened coordinates (`whitened`) along a pilot's course (`course`): bounds on log p(x) from both sides.

    pi_beta(z) ~ N(z; 0, I) exp(-beta phi(z)),        log w = -sum_t (beta_t - beta_{t-1}) phi(z_{t-1})

Chains start from z ~ N(0, I) and follow beta from 0 to 1. The chains of one point are particles: where their weights
have become unequal they are resampled, and the estimate is multiplied by their average weight. So a chain that sticks
is dropped, and the estimate of p(x) stays unbiased (P. Del Moral, A. Doucet, A. Jasra, "Sequential Monte Carlo
samplers", 2006). A single chain is annealed importance sampling (R. Neal, 2001).

The upper side needs an exact draw of p(h | x), such as the latents that x was generated from. From it one chain runs by
the same transitions in reverse order. Its states are then the first particle, which survives every resampling, and the
inverse of the estimate averages to 1 / p(x) (R. Grosse et al., "Sandwiching the marginal likelihood using bidirectional
Monte Carlo", 2015; C. Andrieu et al., "Particle Markov chain Monte Carlo methods", 2010).

Both hold for any base that does not depend on those latents, nor on the random numbers of the run.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.estimators import rotation
from cdae.estimators.course import Course
from cdae.estimators.importance import effective_sample_size
from cdae.estimators.progress import Progress, is_tenth, to_stderr
from cdae.estimators.resampling import RESAMPLE_BELOW, ancestors_of
from cdae.estimators.rotation import State
from cdae.estimators.whitened import Base
from cdae.gaussian import log_mean_exp


def lower_bound(
    base: Base,
    course: Course,
    *,
    n_distributions: int,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Float[Tensor, "n"]:
    """Return the log of an unbiased estimate of p(x) for every point of the base: a stochastic lower bound, in nats.

    Raises:
        ValueError: if n_distributions or n_chains is less than 1.
    """
    _check_chains(n_chains)
    run = _Run(base, course, n_distributions, generator, progress)
    z = base.draw_white(n_chains, generator=generator)
    with layers("highest", z.device):
        return run.forward(run.evaluate(z), n_chains)


def upper_bound(
    base: Base,
    latents: Float[Tensor, "*levels n dim"],
    course: Course,
    *,
    n_distributions: int,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Float[Tensor, "n"]:
    """Return a stochastic upper bound on log p(x) in nats, minus the log of an unbiased estimate of 1 / p(x).

    Args:
        latents: one exact draw of p(h | x) for each point of the base.

    Raises:
        ValueError: if n_distributions or n_chains is less than 1.
    """
    _check_chains(n_chains)
    run = _Run(base, course, n_distributions, generator, progress)
    with torch.no_grad():
        z = base.whiten(latents)
    with layers("highest", z.device):
        kept = run.backward(run.evaluate(z))
        others = base.draw_white(n_chains, generator=generator)[..., z.shape[-2] :, :]
        start = kept[0].joined_by(run.evaluate(others)) if n_chains > 1 else kept[0]
        return run.forward(start, n_chains, kept)


class _Run:
    """What all steps of one run share."""

    def __init__(
        self, base: Base, course: Course, n_distributions: int, generator: torch.Generator, progress: Progress
    ):
        self.betas = course.betas_of(n_distributions)
        self.angles = course.at(self.betas[1:-1])  # of the transitions at all betas but the first and the last
        self.n_distributions, self.generator, self.progress = n_distributions, generator, progress
        precision = course.force_precision
        self.evaluate = partial(rotation.evaluate, base.potential, force_precision=precision)
        self.transition = partial(
            rotation.transition,
            base.potential,
            n_steps=course.n_steps,
            force_precision=precision,
            generator=generator,
        )

    def move(self, state: State, t: int) -> State:
        """One transition at beta_t, t = 1 .. T - 1."""
        beta = self.betas[t].item()
        state, accepted = self.transition(state, beta=beta, step_size=self.angles[t - 1].item())
        if is_tenth(t - 1, self.n_distributions - 1):
            self.progress(
                f"{t} of {self.n_distributions - 1}, annealing at beta {beta:.3g}, acceptance {accepted.mean():.2f}"
            )
        return state

    def backward(self, state: State) -> list[State]:
        """States of chains from exact draws at beta = 1 down to the first beta above 0, in the order of beta."""
        states = [state]
        for t in range(self.n_distributions - 1, 0, -1):
            states.append(self.move(states[-1], t))
        return states[::-1]

    def forward(self, state: State, n_chains: int, kept: list[State] | None = None) -> Float[Tensor, "n"]:
        """Log of the estimate; where states are kept, these are the first chain of every point."""
        n, first = len(state.phi) // n_chains, 0 if kept is None else len(state.phi) // n_chains
        log_weights, log_estimate = state.phi.new_zeros(n_chains, n), state.phi.new_zeros(n)
        for t, step in enumerate(self.betas.diff().tolist(), 1):
            log_weights = log_weights + step * state.log_ratio.reshape(n_chains, n)
            if t == self.n_distributions:
                break  # the last increment needs no further move
            low = effective_sample_size(log_weights) < RESAMPLE_BELOW * n_chains
            log_estimate = torch.where(low, log_estimate + log_mean_exp(log_weights), log_estimate)
            ancestors = ancestors_of(log_weights, low, keep_first=kept is not None, generator=self.generator)
            log_weights = log_weights.masked_fill(low, 0.0)
            state = state.rows((ancestors * n + torch.arange(n, device=ancestors.device)).flatten())
            if kept is None:
                state = self.move(state, t)
            else:
                state = kept[t].joined_by(self.move(state.rows(slice(first, None)), t)) if n_chains > 1 else kept[t]
        return log_estimate + log_mean_exp(log_weights)


def _check_chains(n_chains: int) -> None:
    if n_chains < 1:
        raise ValueError(f"n_chains: got {n_chains}, expected at least 1")
