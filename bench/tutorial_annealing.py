"""Annealed importance sampling of a decoder, as tutorials and public code have it: from the prior, in plain PyTorch.

    log pi_beta(z) = log p(z) + beta log p(x | z),        log w = sum_t (beta_t - beta_{t-1}) log p(x | z_{t-1})

Betas are sigmoidal. At each of them every chain makes one trajectory of Hamiltonian Monte Carlo. All chains have one
step size, which follows their acceptance rate inside the run. So the weights are not exactly unbiased, as those of a
constant step size are, and a bound may fail.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

N_LEAPFROG = 10
FIRST_STEP_SIZE, LEAST_STEP_SIZE, LARGEST_STEP_SIZE = 0.1, 1e-4, 0.5
ACCEPTANCE, FASTER, SLOWER = 0.65, 1.02, 0.98  # the rate aimed at, and what a step size is multiplied by
MEMORY = 0.9  # of the running average of acceptances, per move


def sigmoidal_schedule(n_temperatures: int, delta: float = 4.0) -> list[float]:
    """n_temperatures + 1 betas from 0 to 1."""
    betas = torch.linspace(-delta, delta, n_temperatures + 1, dtype=torch.float64).sigmoid()
    return ((betas - betas[0]) / (betas[-1] - betas[0])).tolist()


class Chains:
    """Chains of every data point, a row each; row i belongs to point i mod n.

    Args:
        x: (rows, dim), the data point of each row.
        z: (rows, latent), where the chains start.
    """

    def __init__(self, model: Any, x: Tensor, z: Tensor, *, generator: torch.Generator):
        self.model, self.x, self.z, self.generator = model, x, z, generator
        self.std = model.std().detach()
        self.log_constant = -(self.std.log() + 0.5 * math.log(2.0 * math.pi)).expand(x.shape[1]).sum()
        self.step_size, self.acceptance = FIRST_STEP_SIZE, ACCEPTANCE

    def log_likelihood(self, z: Tensor) -> Tensor:
        return -0.5 * ((self.x - self.model.decode(z)) / self.std).pow(2).sum(1) + self.log_constant

    def potential(self, z: Tensor, beta: float) -> Tensor:
        """-log pi_beta, but for a constant."""
        return 0.5 * z.pow(2).sum(1) - beta * self.log_likelihood(z)

    def gradient(self, z: Tensor, beta: float) -> Tensor:
        z = z.detach().requires_grad_()
        return torch.autograd.grad(self.potential(z, beta).sum(), z)[0]

    def run(self, betas: list[float]) -> Tensor:
        """Log weights (rows,) of a run over the betas, in their order."""
        log_weights = torch.zeros(len(self.z))
        for before, beta in pairwise(betas):
            with torch.no_grad():
                log_weights += (beta - before) * self.log_likelihood(self.z)
            self.move(beta)
        return log_weights

    def move(self, beta: float) -> None:
        """One trajectory with its acceptance step, after which the step size adapts."""
        start = torch.randn(self.z.shape, generator=self.generator)
        z, v = self.leapfrog(self.z, start, beta)
        with torch.no_grad():
            before = self.potential(self.z, beta) + 0.5 * start.pow(2).sum(1)
            after = self.potential(z, beta) + 0.5 * v.pow(2).sum(1)
        uniform = torch.rand(before.shape, generator=self.generator)
        accepted = uniform < (before - after).exp()
        self.z = torch.where(accepted[:, None], z, self.z)
        self.adapt(accepted.float().mean().item())

    def leapfrog(self, z: Tensor, v: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """Positions and velocities at the end of a trajectory."""
        v = v - 0.5 * self.step_size * self.gradient(z, beta)
        for step in range(1, N_LEAPFROG + 1):
            z = z + self.step_size * v
            v = v - (1.0 if step < N_LEAPFROG else 0.5) * self.step_size * self.gradient(z, beta)
        return z, v

    def adapt(self, accepted: float) -> None:
        """Follow the share of chains whose move was accepted."""
        self.acceptance = MEMORY * self.acceptance + (1.0 - MEMORY) * accepted
        step_size = self.step_size * (FASTER if self.acceptance > ACCEPTANCE else SLOWER)
        self.step_size = min(max(step_size, LEAST_STEP_SIZE), LARGEST_STEP_SIZE)


def both_bounds(
    model: Any, x: Tensor, latents: Tensor, *, n_temperatures: int, n_chains: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A lower and an upper estimate of log p(x) for every point, in nats, each (n,).

    Args:
        latents: (n, latent), one exact draw of p(z | x) for each point, where all reverse chains start.
    """
    betas, rows = sigmoidal_schedule(n_temperatures), x.repeat(n_chains, 1)
    z = torch.randn(len(rows), latents.shape[1], generator=generator)
    forward = Chains(model, rows, z, generator=generator).run(betas)
    reverse = Chains(model, rows, latents.repeat(n_chains, 1), generator=generator).run(betas[::-1])
    return log_average(forward, n_chains), -log_average(reverse, n_chains)


def log_average(log_weights: Tensor, n_chains: int) -> Tensor:
    """Log of the average weight of every point's chains."""
    return torch.logsumexp(log_weights.reshape(n_chains, -1), 0) - math.log(n_chains)
