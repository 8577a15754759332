"""One Hamiltonian Monte Carlo transition in whitened coordinates, where the start of the path is N(0, I).

    pi_beta(z) ~ N(z; 0, I) exp(-beta phi(z))

Positions and momenta rotate into one another, z cos delta + v sin delta, which is the exact motion under the Gaussian.
Between the rotations phi kicks the momentum by -2 tan(delta / 2) beta grad phi, half of that first and last. For a
linear phi the motion is exact, in however many dimensions. The end is accepted with probability
min(1, exp(energy before - energy after)), which leaves pi_beta invariant (A. Beskos et al., "Hybrid Monte Carlo on
Hilbert spaces", 2011). Forces may have a reduced precision, energies never.

All chains are one batch, (*levels, rows, dim), a chain a row. Not here: the sequence of beta and the weights
(`annealing`), phi (`whitened`), and the choice of delta (`course`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cdae.computing.precision import is_reduced
from cdae.gaussian import squared_norm, standard_normal

Potential = Callable[[Tensor, str], Tensor]  # (z, precision of the matrix products) -> phi of every row, in nats


@dataclass(frozen=True)
class State:
    """Whitened coordinates with phi there, in nats, and its gradient."""

    z: Float[Tensor, "*levels rows dim"]
    phi: Float[Tensor, "rows"]
    gradient: Float[Tensor, "*levels rows dim"]

    @property
    def log_ratio(self) -> Float[Tensor, "rows"]:
        """-phi: the derivative of log pi_beta with respect to beta."""
        return -self.phi

    def rows(self, chosen: slice | Int[Tensor, "chosen"]) -> "State":
        return State(self.z[..., chosen, :], self.phi[chosen], self.gradient[..., chosen, :])

    def joined_by(self, other: "State") -> "State":
        """These rows, and those of the other after them."""
        z, gradient = (torch.cat(pair, -2) for pair in ((self.z, other.z), (self.gradient, other.gradient)))
        return State(z, torch.cat([self.phi, other.phi]), gradient)


def evaluate(potential: Potential, z: Float[Tensor, "*levels rows dim"], force_precision: str = "highest") -> State:
    """phi at the highest precision, and its gradient at the given one."""
    phi, gradient = _value_and_gradient(potential, z, force_precision)
    if is_reduced(force_precision, z.device):
        with torch.no_grad():
            phi = potential(z, "highest")
    return State(z, phi, gradient)


def trajectory(
    potential: Potential,
    state: State,
    momentum: Float[Tensor, "*levels rows dim"],
    *,
    beta: float,
    angle: float | Tensor,
    n_steps: int,
    force_precision: str = "highest",
) -> tuple[State, Float[Tensor, "*levels rows dim"]]:
    """The state and momentum after n_steps rotations by an angle in radians, one for all or (rows, 1).

    One evaluation of phi and its gradient per step: those at the start are known.
    """
    angle = torch.as_tensor(angle, dtype=state.z.dtype, device=state.z.device)
    cos, sin, kick = angle.cos(), angle.sin(), 2.0 * beta * (0.5 * angle).tan()
    z, momentum = state.z, momentum - 0.5 * kick * state.gradient
    for _ in range(n_steps - 1):
        z, momentum = cos * z + sin * momentum, cos * momentum - sin * z
        momentum = momentum - kick * _value_and_gradient(potential, z, force_precision)[1]
    z, momentum = cos * z + sin * momentum, cos * momentum - sin * z
    end = evaluate(potential, z, force_precision)
    return end, momentum - 0.5 * kick * end.gradient


def energy(state: State, momentum: Float[Tensor, "*levels rows dim"], beta: float) -> Float[Tensor, "rows"]:
    """Minus log pi_beta, plus the kinetic energy of a unit mass, in nats."""
    both = squared_norm(state.z) + squared_norm(momentum)
    return 0.5 * both.reshape(-1, both.shape[-1]).sum(0) + beta * state.phi


def transition(
    potential: Potential,
    state: State,
    *,
    beta: float,
    step_size: float | Tensor,
    n_steps: int,
    generator: torch.Generator,
    force_precision: str = "highest",
) -> tuple[State, Float[Tensor, "rows"]]:
    """One trajectory with its Metropolis correction; a proposal whose energy is not finite is rejected.

    Args:
        step_size: the angle of a rotation in radians; a tensor of shape (rows, 1) gives every row its own.

    Returns:
        The next state, and per row the probability with which the proposal was accepted.
    """
    momentum = standard_normal(state.z, *state.z.shape, generator=generator)
    proposed, end_momentum = trajectory(
        potential, state, momentum, beta=beta, angle=step_size, n_steps=n_steps, force_precision=force_precision
    )
    after = energy(proposed, end_momentum, beta)
    drop = torch.where(after.isfinite(), energy(state, momentum, beta) - after, -torch.inf)
    return choose(accepts(drop, generator=generator), proposed, state), drop.clamp(max=0.0).exp()


def accepts(energy_drop: Float[Tensor, "rows"], *, generator: torch.Generator) -> Bool[Tensor, "rows"]:
    """Draw True with probability min(1, exp(energy_drop)) for each row, with the drop in nats."""
    uniform = torch.rand(energy_drop.shape, generator=generator, dtype=energy_drop.dtype, device=energy_drop.device)
    return uniform.log() < energy_drop


def choose(mask: Bool[Tensor, "rows"], a: State, b: State) -> State:
    """Rows of `a` where the mask is true, and of `b` elsewhere."""
    rows = mask[:, None]
    return State(
        torch.where(rows, a.z, b.z), torch.where(mask, a.phi, b.phi), torch.where(rows, a.gradient, b.gradient)
    )


def _value_and_gradient(potential: Potential, z: Tensor, precision: str) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        phi = potential(z, precision)
        (gradient,) = torch.autograd.grad(phi.sum(), z)
    return phi.detach(), gradient
