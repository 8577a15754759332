"""One transition of Hamiltonian Monte Carlo, for the geometric path between two densities of the same latents.

    pi_beta(h) ~ start(h)^(1 - beta) end(h)^beta

A momentum of unit mass is drawn, and the latents follow a leapfrog trajectory in coordinates divided by
`coordinate_std`. Its end is accepted with probability min(1, exp(energy before - energy after)), which leaves pi_beta
invariant (S. Duane et al., "Hybrid Monte Carlo", 1987; R. Neal, "MCMC using Hamiltonian dynamics", 2011). Any force
that is a function of the latents makes the trajectory reversible. So forces may have reduced precision (`precision`)
if energies have full precision: pi_beta stays invariant, and only the acceptance rate may fall.

The latents of all chains are one batch, (*levels, rows, dim), with one chain per row. Not here: the sequence of beta,
the weights and the choice of step sizes (`annealing`).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cdae.computing.precision import is_reduced, matmul_precision
from cdae.gaussian import squared_norm, standard_normal

Densities = Callable[[Tensor], tuple[Tensor, Tensor]]  # latents -> (log start, log end), one value per row, in nats


@dataclass(frozen=True)
class State:
    """Latents, with the log densities of both ends of the path there, in nats, and their gradients."""

    latents: Float[Tensor, "*levels rows dim"]
    log_start: Float[Tensor, "rows"]
    log_end: Float[Tensor, "rows"]
    start_gradient: Float[Tensor, "*levels rows dim"]
    end_gradient: Float[Tensor, "*levels rows dim"]

    @property
    def log_ratio(self) -> Float[Tensor, "rows"]:
        """The derivative of log pi_beta with respect to beta, log end - log start, in nats."""
        return self.log_end - self.log_start

    def log_density(self, beta: float) -> Float[Tensor, "rows"]:
        """Return log pi_beta without its normalising constant, in nats."""
        return (1.0 - beta) * self.log_start + beta * self.log_end

    def gradient(self, beta: float) -> Float[Tensor, "*levels rows dim"]:
        """Return the gradient of log pi_beta with respect to the latents."""
        return (1.0 - beta) * self.start_gradient + beta * self.end_gradient


def evaluate(
    densities: Densities, latents: Float[Tensor, "*levels rows dim"], force_precision: str = "highest"
) -> State:
    """Compute both log densities and their gradients at the latents.

    The two gradients are kept apart, so that the next trajectory can start from them at another beta.

    Args:
        force_precision: the precision of the gradients' matrix products, "highest" or "medium" (`precision`). The log
            densities always have "highest".
    """
    latents = latents.detach().requires_grad_()
    with torch.enable_grad(), matmul_precision(force_precision, latents.device):
        log_start, log_end = densities(latents)
        (start_gradient,) = torch.autograd.grad(log_start.sum(), latents, retain_graph=True)
        (end_gradient,) = torch.autograd.grad(log_end.sum(), latents)
    latents = latents.detach()
    if is_reduced(force_precision, latents.device):
        with torch.no_grad():
            log_start, log_end = densities(latents)
    return State(latents, log_start.detach(), log_end.detach(), start_gradient, end_gradient)


def gradient(
    densities: Densities, latents: Float[Tensor, "*levels rows dim"], beta: float, force_precision: str = "highest"
) -> Float[Tensor, "*levels rows dim"]:
    """Return only the gradient of log pi_beta with respect to the latents, from one backward pass."""
    latents = latents.detach().requires_grad_()
    with torch.enable_grad(), matmul_precision(force_precision, latents.device):
        log_start, log_end = densities(latents)
        log_density = (1.0 - beta) * log_start + beta * log_end
        return torch.autograd.grad(log_density.sum(), latents)[0]


def leapfrog(
    densities: Densities,
    state: State,
    momentum: Float[Tensor, "*levels rows dim"],
    *,
    beta: float,
    step: Tensor,
    n_leapfrog: int,
    force_precision: str = "highest",
) -> tuple[State, Float[Tensor, "*levels rows dim"]]:
    """Take n_leapfrog leapfrog steps, and return the state and the momentum at the end.

    Each step evaluates the densities once, because those of the starting state are known.

    Args:
        momentum: in coordinates divided by `coordinate_std`.
        step: the step size times `coordinate_std`; it broadcasts to the latents and has their unit.
    """
    latents, momentum = state.latents, momentum + 0.5 * step * state.gradient(beta)
    for _ in range(n_leapfrog - 1):
        latents = latents + step * momentum
        momentum = momentum + step * gradient(densities, latents, beta, force_precision)
    end = evaluate(densities, latents + step * momentum, force_precision)
    return end, momentum + 0.5 * step * end.gradient(beta)


def energy(state: State, momentum: Float[Tensor, "*levels rows dim"], beta: float) -> Float[Tensor, "rows"]:
    """Return minus log pi_beta plus the kinetic energy of a unit mass, in nats."""
    kinetic = 0.5 * squared_norm(momentum).reshape(-1, momentum.shape[-2]).sum(0)
    return kinetic - state.log_density(beta)


def transition(
    densities: Densities,
    state: State,
    *,
    beta: float,
    step_size: float | Tensor,
    n_leapfrog: int,
    coordinate_std: Tensor,
    generator: torch.Generator,
    force_precision: str = "highest",
) -> tuple[State, Float[Tensor, "rows"]]:
    """Run one trajectory, and accept or reject its end; an end whose energy is not finite is rejected.

    Args:
        densities: maps latents to log start and log end, one value per row, in nats.
        step_size: in units of coordinate_std; a tensor of shape (rows, 1) gives every row its own.
        n_leapfrog: the number of leapfrog steps, at least 1.
        coordinate_std: the distance that a step size of 1 and a momentum of 1 move each coordinate; it broadcasts to
            the latents.
        force_precision: see `evaluate`.

    Returns:
        The next state, and the acceptance probability of each row.
    """
    step = (step_size * coordinate_std).to(state.latents.dtype)
    momentum = standard_normal(state.latents, *state.latents.shape, generator=generator)
    proposed, end_momentum = leapfrog(
        densities, state, momentum, beta=beta, step=step, n_leapfrog=n_leapfrog, force_precision=force_precision
    )
    after = energy(proposed, end_momentum, beta)
    drop = torch.where(after.isfinite(), energy(state, momentum, beta) - after, -torch.inf)
    return choose(accepts(drop, generator=generator), proposed, state), drop.clamp(max=0.0).exp()


def accepts(energy_drop: Float[Tensor, "rows"], *, generator: torch.Generator) -> Bool[Tensor, "rows"]:
    """Draw True with probability min(1, exp(energy_drop)) for each row, with the drop in nats."""
    uniform = torch.rand(energy_drop.shape, generator=generator, dtype=energy_drop.dtype, device=energy_drop.device)
    return uniform.log() < energy_drop


def choose(mask: Bool[Tensor, "rows"], a: State, b: State) -> State:
    """Take the rows of `a` where the mask is true, and the rows of `b` elsewhere."""
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(State)]
    return State(*(torch.where(mask if old.dim() == 1 else mask[:, None], new, old) for new, old in pairs))
