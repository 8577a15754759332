"""One Hamiltonian Monte Carlo transition on the geometric path between two densities of the same latents.

    pi_beta(h) ~ start(h)^(1 - beta) end(h)^beta

A momentum of unit mass is drawn, the latents follow a leapfrog trajectory in coordinates divided by `coordinate_std`,
and its end is accepted with probability min(1, exp(energy before - energy after)), which leaves pi_beta invariant
(S. Duane et al., "Hybrid Monte Carlo", 1987; R. Neal, "MCMC using Hamiltonian dynamics", 2011). Any force that is a
function of the latents makes the trajectory reversible, so forces may be computed with reduced precision
(`precision`) as long as energies are not: the invariance is exact, and only the acceptance rate can suffer.

The latents of all chains are one batch, (*levels, rows, dim), a chain a row. Not here: the sequence of beta, the
weights and the choice of step sizes (`annealing`).
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
    """Latents with both log densities there, in nats, and their gradients."""

    latents: Float[Tensor, "*levels rows dim"]
    log_start: Float[Tensor, "rows"]
    log_end: Float[Tensor, "rows"]
    start_gradient: Float[Tensor, "*levels rows dim"]
    end_gradient: Float[Tensor, "*levels rows dim"]

    @property
    def log_ratio(self) -> Float[Tensor, "rows"]:
        """log end - log start: the derivative of log pi_beta with respect to beta."""
        return self.log_end - self.log_start

    def log_density(self, beta: float) -> Float[Tensor, "rows"]:
        """log pi_beta, without its normaliser."""
        return (1.0 - beta) * self.log_start + beta * self.log_end

    def gradient(self, beta: float) -> Float[Tensor, "*levels rows dim"]:
        return (1.0 - beta) * self.start_gradient + beta * self.end_gradient


def evaluate(
    densities: Densities, latents: Float[Tensor, "*levels rows dim"], force_precision: str = "highest"
) -> State:
    """Both gradients apart, so that the next trajectory can start from them at another beta.

    Args:
        force_precision: of the matrix products of the gradients, "highest" or "medium"; the densities have the highest.
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
    """Gradient of log pi_beta alone: one backward pass."""
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
    """The state and momentum after n_leapfrog steps; a step (broadcastable to the latents) is in their own units.

    One evaluation of the densities per step: those at the start are known.
    """
    latents, momentum = state.latents, momentum + 0.5 * step * state.gradient(beta)
    for _ in range(n_leapfrog - 1):
        latents = latents + step * momentum
        momentum = momentum + step * gradient(densities, latents, beta, force_precision)
    end = evaluate(densities, latents + step * momentum, force_precision)
    return end, momentum + 0.5 * step * end.gradient(beta)


def energy(state: State, momentum: Float[Tensor, "*levels rows dim"], beta: float) -> Float[Tensor, "rows"]:
    """Minus log pi_beta, plus the kinetic energy of a unit mass, in nats."""
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
    """One trajectory with its Metropolis correction; a proposal whose energy is not finite is rejected.

    Args:
        densities: at latents, log start and log end per row.
        step_size: in units of coordinate_std; a tensor of shape (rows, 1) gives every row its own.
        coordinate_std: broadcastable to the latents; what a step of 1 and a momentum of 1 move each coordinate by.

    Returns:
        The next state, and per row the probability with which the proposal was accepted.
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
    """True with probability min(1, exp(energy_drop))."""
    uniform = torch.rand(energy_drop.shape, generator=generator, dtype=energy_drop.dtype, device=energy_drop.device)
    return uniform.log() < energy_drop


def choose(mask: Bool[Tensor, "rows"], a: State, b: State) -> State:
    """Rows of `a` where the mask is true, and of `b` elsewhere."""
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(State)]
    return State(*(torch.where(mask if old.dim() == 1 else mask[:, None], new, old) for new, old in pairs))
