"""Annealed importance sampling in whitened coordinates (`whitened`), from both ends, along a pilot's course (`course`).

    pi_beta(z) ~ N(z; 0, I) exp(-beta phi(z)),        log w = -sum_t (beta_t - beta_{t-1}) phi(z_{t-1})

Forward from z ~ N(0, I), E[w] = p(x). Backward from the z of latents that x was generated from, E[w] = 1 / p(x). Both
hold for any base that does not depend on those latents, nor on the random numbers of the run; each direction may have
a base of its own. Not here: what is made of the weights (`annealing.lower_bound`, `annealing.upper_bound`).
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.estimators import rotation
from cdae.estimators.annealing import Annealed, Progress, anneal, to_stderr
from cdae.estimators.course import Course
from cdae.estimators.whitened import Base


def log_weights(
    base: Base,
    course: Course,
    *,
    n_distributions: int,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Annealed:
    """Forward: from draws of the base to the joint density.

    Raises:
        ValueError: if n_distributions or n_chains is less than 1.
    """
    _check_chains(n_chains)
    z = base.draw_white(n_chains, generator=generator)
    return _anneal(base, z, course, course.betas_of(n_distributions), n_chains, generator, progress)


def reverse_log_weights(
    base: Base,
    latents: Float[Tensor, "*levels n dim"],
    course: Course,
    *,
    n_distributions: int,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Annealed:
    """Backward: from exact draws of p(h | x), one for each point of the base, by the same transitions in reverse order.

    Raises:
        ValueError: if n_distributions or n_chains is less than 1.
    """
    _check_chains(n_chains)
    with torch.no_grad():
        z = base.whiten(latents)
    z = z.repeat(*[1] * (z.dim() - 2), n_chains, 1)
    return _anneal(base, z, course, course.betas_of(n_distributions).flip(0), n_chains, generator, progress)


def _anneal(
    base: Base,
    z: Tensor,
    course: Course,
    betas: Float[Tensor, "betas"],
    n_chains: int,
    generator: torch.Generator,
    progress: Progress,
) -> Annealed:
    precision = course.force_precision
    move = partial(
        rotation.transition,
        base.potential,
        n_steps=course.n_steps,
        force_precision=precision,
        generator=generator,
    )
    with layers("highest", z.device):  # keeps reduced copies of the weights until the end
        state = rotation.evaluate(base.potential, z, precision)
        return anneal(state, move, betas, course.at(betas[1:-1]), n_chains=n_chains, progress=progress)


def _check_chains(n_chains: int) -> None:
    if n_chains < 1:
        raise ValueError(f"n_chains: got {n_chains}, expected at least 1")
