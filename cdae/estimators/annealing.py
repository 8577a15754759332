"""Annealed importance sampling and bidirectional Monte Carlo: bounds on log p(x) from both sides.

    pi_beta(h) ~ q(h | x)^(1 - beta) p(x, h)^beta,    0 = beta_0 < beta_1 < ... < beta_T = 1
    log w = sum_{t=1}^{T} (beta_t - beta_{t-1}) [log p(x, h_{t-1}) - log q(h_{t-1} | x)]

Forward: h_0 is drawn from q, and h_t follows from h_{t-1} by one Hamiltonian Monte Carlo trajectory that leaves
pi_{beta_t} invariant (`hamiltonian`). Then E[w] = p(x) (R. Neal, "Annealed importance sampling", 2001), and the log of
the average weight is a stochastic lower bound on log p(x).

Reverse: the chain starts from an exact draw of p(h | x), and takes the same transitions in reverse order. The latents
of simulated data are such draws. The expected weight is then 1 / p(x), and minus the log of the average weight is a
stochastic upper bound (R. Grosse et al., "Sandwiching the marginal likelihood using bidirectional Monte Carlo", 2015).

Both bounds hold only if no transition depends on the chain's past. A step size adapted inside the run depends on it,
and biases the weights. So `pilot` fixes the step sizes on other points with other random numbers, and both directions
use them unchanged. Not here: the choice of points, their chunks, and interrupted runs.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators import rotation
from cdae.estimators.hamiltonian import State, evaluate, transition
from cdae.estimators.paths import AnnealingPath
from cdae.estimators.step_sizes import StepSizes, check_betas
from cdae.gaussian import log_mean_exp

PILOT_ACCEPTANCE = 0.72
PILOT_FIRST_SIZE = 1.0
PILOT_FIRST_TRIALS = 30  # trajectories at beta = 0, where no earlier step size is known
PILOT_TRIALS = 10  # trajectories at every other beta; during the first half the chains also adapt to the new beta
PILOT_GAIN = 1.5  # change of the log step size per unit of acceptance: about a Newton step in many dimensions

Progress = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Print a line of progress to stderr."""
    print(line, file=sys.stderr)


@dataclass(frozen=True)
class Annealed:
    """The result of a run in one direction.

    Attributes:
        log_weights: (chains, n), the log weights of the chains of each point, in nats.
        chain_acceptance: (chains, n), the acceptance rate of each chain; NaN if there is no transition (T = 1).
        beta_acceptance: (transitions,), the acceptance rate at each beta, in the order of the run.
    """

    log_weights: Float[Tensor, "chains n"]
    chain_acceptance: Float[Tensor, "chains n"]
    beta_acceptance: Float[Tensor, "transitions"]


def pilot(
    path: AnnealingPath,
    x: Float[Tensor, "n dim"],
    betas: Float[Tensor, "betas"],
    *,
    n_leapfrog: int,
    force_precision: str = "highest",
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> StepSizes:
    """Find step sizes for runs on other points, adapted at each beta towards an acceptance rate of 0.72.

    Args:
        path: the geometric path from q(h | x) to p(x, h).
        x: points that no run uses, with one chain each; more points give less variable acceptance rates.
        betas: increasing from 0 to 1; they may be fewer than those of the runs.
        n_leapfrog: the number of leapfrog steps of a trajectory.
        force_precision: the precision of the gradients, "highest" or "medium" (`precision`).
        progress: receives a line of text about ten times.

    Raises:
        ValueError: if betas does not increase from 0 to 1, or n_leapfrog is less than 1.
    """
    check_betas(betas)
    move = _transitions(path, x, n_leapfrog=n_leapfrog, force_precision=force_precision, generator=generator)
    state = evaluate(partial(path.log_densities, x), path.draw_start(x, generator=generator), force_precision)
    log_size, log_sizes, rates = math.log(PILOT_FIRST_SIZE), [], []
    for t, beta in enumerate(betas.tolist()):
        trials = []
        for _ in range(PILOT_TRIALS if t > 0 else PILOT_FIRST_TRIALS):
            state, accepted = move(state, beta=beta, step_size=math.exp(log_size))
            trials.append((log_size, accepted.mean().item()))
            log_size += PILOT_GAIN * (trials[-1][1] - PILOT_ACCEPTANCE)
        settled = torch.tensor(trials[len(trials) // 2 :], dtype=torch.float64).mean(0)
        log_sizes.append(settled[0])
        rates.append(settled[1])
        size = math.exp(settled[0])
        if _is_tenth(t, len(betas)):
            line = f"pilot at beta {beta:.3g}, step size {size:.3g}, acceptance {rates[-1]:.2f}"
            progress(f"{t + 1} of {len(betas)}, {line}")
    return StepSizes(betas, torch.stack(log_sizes).exp(), torch.stack(rates), n_leapfrog, force_precision)


def log_weights(
    path: AnnealingPath,
    x: Float[Tensor, "n dim"],
    betas: Float[Tensor, "betas"],
    steps: StepSizes,
    *,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Annealed:
    """Run forward, from draws of q to the joint density; `lower_bound` turns the weights into a bound.

    Args:
        path: the geometric path from q(h | x) to p(x, h).
        x: the points.
        betas: (T + 1,), increasing from 0 to 1; there are T - 1 transitions.
        steps: the step sizes of a pilot on other points.
        n_chains: the number of independent chains per point; all chains run as one batch.
        progress: receives a line of text about ten times.

    Raises:
        ValueError: if betas does not increase from 0 to 1, or n_chains is less than 1.
    """
    check_betas(betas)
    _check_chains(n_chains)
    copies = x.repeat(n_chains, 1)
    latents = path.draw_start(copies, generator=generator)
    return _anneal(path, copies, latents, betas, steps, n_chains=n_chains, generator=generator, progress=progress)


def reverse_log_weights(
    path: AnnealingPath,
    x: Float[Tensor, "n dim"],
    latents: Tensor,
    betas: Float[Tensor, "betas"],
    steps: StepSizes,
    *,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress = to_stderr,
) -> Annealed:
    """Run in reverse, from exact draws of p(h | x) to q, by the transitions of `log_weights` in reverse order.

    E[exp(log weight)] = 1 / p(x), and `upper_bound` turns the weights into a bound. All chains of a point start from
    its one exact draw, with independent random numbers.

    Args:
        path: the geometric path from q(h | x) to p(x, h).
        x: data simulated from the model.
        latents: (*levels, n, dim_of_latents), the latents from which each row of x was generated.
        betas: (T + 1,), increasing from 0 to 1, as in the forward run.
        steps: the step sizes of the forward run.
        n_chains: the number of chains per point.
        progress: receives a line of text about ten times.

    Raises:
        ValueError: if betas does not increase from 0 to 1, n_chains is less than 1, or the number of latents differs
            from the number of points.
    """
    check_betas(betas)
    _check_chains(n_chains)
    if latents.shape[-2] != len(x):
        raise ValueError(f"latents: got shape {tuple(latents.shape)}, expected {len(x)} rows in the last but one axis")
    copies = x.repeat(n_chains, 1)
    latents = latents.repeat(*[1] * (latents.dim() - 2), n_chains, 1)
    backwards = betas.flip(0)
    return _anneal(path, copies, latents, backwards, steps, n_chains=n_chains, generator=generator, progress=progress)


def lower_bound(forward: Float[Tensor, "chains n"]) -> Float[Tensor, "n"]:
    """Return the log of the average forward weight, in nats; its expectation is at most log p(x)."""
    return log_mean_exp(forward)


def upper_bound(reverse: Float[Tensor, "chains n"]) -> Float[Tensor, "n"]:
    """Return minus the log of the average reverse weight, in nats; its expectation is at least log p(x)."""
    return -log_mean_exp(reverse)


def _anneal(
    path: AnnealingPath,
    x: Float[Tensor, "rows dim"],
    latents: Tensor,
    betas: Float[Tensor, "betas"],
    steps: StepSizes,
    *,
    n_chains: int,
    generator: torch.Generator,
    progress: Progress,
) -> Annealed:
    """Run along betas in the given order, from latents drawn at the first of them; row i belongs to point i mod n."""
    move = _transitions(
        path, x, n_leapfrog=steps.n_leapfrog, force_precision=steps.force_precision, generator=generator
    )
    state = evaluate(partial(path.log_densities, x), latents, steps.force_precision)
    return anneal(state, move, betas, steps.at(betas[1:-1]), n_chains=n_chains, progress=progress)


def anneal(
    state: State | rotation.State,
    move: Callable[..., tuple[State | rotation.State, Tensor]],
    betas: Float[Tensor, "betas"],
    sizes: Float[Tensor, "transitions"],
    *,
    n_chains: int,
    progress: Progress,
) -> Annealed:
    """Along betas in the order given, whatever the coordinates.

    Args:
        state: drawn at the first of the betas; row i belongs to point i mod n.
        move: (state, beta=, step_size=) -> the next state and acceptance probabilities, leaving pi_beta invariant.
        sizes: of the moves at all betas but the first and the last.
    """
    log_weight = torch.zeros_like(state.log_ratio)
    chain_acceptance, beta_acceptance = torch.zeros_like(log_weight), log_weight.new_zeros(len(sizes))
    for t, (before, beta) in enumerate(pairwise(betas.tolist())):
        log_weight = log_weight + (beta - before) * state.log_ratio
        if t == len(sizes):
            break  # the last increment needs no further move
        state, accepted = move(state, beta=beta, step_size=sizes[t].item())
        chain_acceptance = chain_acceptance + accepted
        beta_acceptance[t] = accepted.mean()
        if _is_tenth(t, len(sizes)):
            progress(f"{t + 1} of {len(sizes)}, annealing at beta {beta:.3g}, acceptance {beta_acceptance[t]:.2f}")
    return Annealed(
        log_weight.reshape(n_chains, -1), (chain_acceptance / len(sizes)).reshape(n_chains, -1), beta_acceptance
    )


def _transitions(
    path: AnnealingPath, x: Tensor, *, n_leapfrog: int, force_precision: str, generator: torch.Generator
) -> Callable[..., tuple[State, Tensor]]:
    densities, std = partial(path.log_densities, x), path.coordinate_std
    settings = {"n_leapfrog": n_leapfrog, "force_precision": force_precision, "coordinate_std": std}
    return partial(transition, densities, **settings, generator=generator)


def _is_tenth(done_before: int, total: int) -> bool:
    """Tell whether the next step completes another tenth of the run."""
    return 10 * done_before // total < 10 * (done_before + 1) // total


def _check_chains(n_chains: int) -> None:
    if n_chains < 1:
        raise ValueError(f"n_chains: got {n_chains}, expected at least 1")
