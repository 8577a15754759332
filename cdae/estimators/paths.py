"""Geometric paths from a density that can be sampled to the joint density of data and latents (`annealing`).

    pi_beta(h) ~ q(h | x)^(1 - beta) p(x, h)^beta

A path gives both log densities, draws from its start q(h | x), and a unit of length for each latent coordinate. A
schedule is the sequence of beta from 0 to 1. The latents of a batch have shape (*levels, n, dim_of_latents).
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.proposals import Proposal, log_joint, log_proposal, propose
from cdae.gaussian import log_normal, standard_normal
from cdae.interfaces import Cascade, Decoder

SIGMOID_RANGE = 4.0


@runtime_checkable
class AnnealingPath(Protocol):
    """The two ends of a geometric path, given data."""

    coordinate_std: Tensor  # the length of a step size of 1; broadcasts to the latents

    def draw_start(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor:
        """Draw latents from q(h | x)."""
        ...

    def log_densities(
        self, x: Float[Tensor, "n dim"], latents: Tensor
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """Return log q(h | x) and log p(x, h) in nats, from one pass through the network."""
        ...


class CascadePath:
    """The path from an inference model of a cascade to the cascade's joint density, with latents (k, n, dim)."""

    def __init__(self, model: Cascade, proposal: Proposal):
        self.model, self.proposal = model, proposal
        self.coordinate_std = model.corruption_std[1:, None, None]

    @torch.no_grad()
    def draw_start(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]:
        """Draw x_1 .. x_k from the inference model."""
        return propose(self.model, self.proposal, x, generator=generator)[0]

    def log_densities(
        self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """Return log q(x_1 .. x_k | x_0) and log p(x_0, ..., x_k) in nats, from one pass through the network."""
        x_hat = self.model.denoise(latents)  # x_hat[i] = r(x_{i+1})
        start = log_proposal(self.model, self.proposal, x, latents, x_hat)
        return start, log_joint(self.model, x, latents, x_hat)


class PriorPath:
    """The path from the prior N(0, I) of one latent vector z to prior times likelihood, with latents (n, latent).

    Each increment of the log weight is the step in beta times log p(x | z), as in Y. Wu et al., "On the quantitative
    analysis of decoder-based generative models", 2017.
    """

    def __init__(self, model: Decoder):
        self.model = model
        self.coordinate_std = torch.ones(())

    def draw_start(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n latent"]:
        """Draw z from the prior."""
        return standard_normal(x, len(x), self.model.latent_dim, generator=generator)

    def log_densities(
        self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """Return log p(z) and log p(x, z) in nats, from one pass through the decoder."""
        prior = log_normal(latents, torch.zeros_like(latents[0]), torch.ones_like(latents[0]))
        return prior, prior + self.model.log_likelihood(x, latents)


def linear_schedule(n_distributions: int) -> Float[Tensor, "betas"]:
    """Return n_distributions + 1 equally spaced numbers from 0 to 1.

    Raises:
        ValueError: if n_distributions is less than 1.
    """
    if n_distributions < 1:
        raise ValueError(f"n_distributions: got {n_distributions}, expected at least 1")
    return torch.linspace(0.0, 1.0, n_distributions + 1, dtype=torch.float64)


def sigmoid_schedule(n_distributions: int) -> Float[Tensor, "betas"]:
    """Return n_distributions + 1 numbers from 0 to 1 along a sigmoid over (-4, 4), with small steps at both ends.

    The source is Y. Wu et al., 2017.

    Raises:
        ValueError: if n_distributions is less than 1.
    """
    curve = torch.sigmoid(SIGMOID_RANGE * (2.0 * linear_schedule(n_distributions) - 1.0))
    return (curve - curve[0]) / (curve[-1] - curve[0])


SCHEDULES = {"linear": linear_schedule, "sigmoid": sigmoid_schedule}
