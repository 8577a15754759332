"""Latents of a model as functions of z ~ N(0, I), one such base for each data point, and what it misses.

A base turns z into latents h with the density q(h | x), known exactly, and

    phi(z) = log q(h | x) - log p(x, h),        E[exp(-phi)] = p(x)

Of a cascade, the latents are drawn from the top down, and all of them are one Gaussian: each has the density of its
transition with an affine function in the place of the denoiser, times what is known of it from below (`conditional`,
`twist`). Of a decoder, the one latent vector has its prior, times what the data point says.

Whatever these functions are, q is a density. So estimates stay valid for those that were fitted to x,
by chance even, as long as they do not depend on the latents that a simulated x was made from. Not here: their fit
(`gaussian_base`).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import is_reduced, layers, matmul_precision
from cdae.estimators.conditional import Conditional
from cdae.estimators.proposals import n_levels
from cdae.gaussian import squared_norm, standard_normal, whiten
from cdae.interfaces import Cascade, Decoder
from cdae.prior import FullPrior


@runtime_checkable
class Base(Protocol):
    """An invertible map from z to latents, fitted to n data points; rows of z: row i belongs to point i mod n."""

    def draw_white(self, n_chains: int, *, generator: torch.Generator) -> Tensor:
        """z ~ N(0, I), n_chains of every point."""
        ...

    def latents(self, z: Tensor) -> Tensor:
        """h of the same shape as z."""
        ...

    def whiten(self, latents: Tensor) -> Tensor:
        """z of the same shape as the latents: the inverse."""
        ...

    def potential(self, z: Tensor, precision: str = "highest") -> Float[Tensor, "rows"]:
        """phi in nats, with the network at a given precision (`cdae.computing.precision`)."""
        ...


@dataclass(frozen=True)
class Units:
    """Latent states of a cascade in units of their own transition: x_i / rho_i, and at the top (x_k - mean) / std."""

    model: Cascade

    def to_units(self, level: int, x: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        if level < n_levels(self.model):
            return x / self.model.reconstruction_std[level].to(x.dtype)
        prior = self.model.prior
        if isinstance(prior, FullPrior):
            return whiten(x.double(), prior.mean, prior.factor).to(x.dtype)
        return (x - self.model.prior_mean.to(x.dtype)) / self.model.prior_std.to(x.dtype)

    def below(self, level: int, x_hat: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        """r(x_level) in the units of the state that it is the mean of; x_0 has none."""
        return x_hat if level == 1 else self.to_units(level - 1, x_hat)

    def from_units(self, level: int, u: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        moved = self.scaled(level, u)
        return moved if level < n_levels(self.model) else self.model.prior_mean.to(u.dtype) + moved

    def scaled(self, level: int, u: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """A difference of two states, from their difference in units."""
        if level < n_levels(self.model):
            return u * self.model.reconstruction_std[level].to(u.dtype)
        prior = self.model.prior
        return u @ prior.factor.mT.to(u.dtype) if isinstance(prior, FullPrior) else u * self.model.prior_std.to(u.dtype)

    def pulled_back(self, level: int, rows: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Linear forms on states as forms on states in units: the transpose of `scaled`."""
        prior = self.model.prior
        if level == n_levels(self.model) and isinstance(prior, FullPrior):
            return rows @ prior.factor.to(rows.dtype)
        return self.scaled(level, rows)


class CascadeBase:
    """Of a cascade: z and latents are (k, rows, dim).

    Args:
        x: the data points.
        conditionals: of x_1 .. x_k, in units, each given the state above.
    """

    def __init__(self, model: Cascade, x: Float[Tensor, "n dim"], conditionals: list[Conditional]):
        self.model, self.x, self.units, self.conditionals = model, x, Units(model), conditionals
        self._reduced = [conditional.reduced() for conditional in conditionals]
        self._log_volume = torch.stack([conditional.log_volume for conditional in conditionals]).sum(0)

    def draw_white(self, n_chains: int, *, generator: torch.Generator) -> Float[Tensor, "k rows dim"]:
        n, dim = self.x.shape
        return standard_normal(self.x, n_levels(self.model), n_chains * n, dim, generator=generator)

    def latents(self, z: Float[Tensor, "k rows dim"]) -> Float[Tensor, "k rows dim"]:
        return self._from_units(self._draw(self.conditionals, z))

    def potential(self, z: Float[Tensor, "k rows dim"], precision: str = "highest") -> Float[Tensor, "rows"]:
        reduced = precision == "bfloat16" and is_reduced(precision, z.device)
        u = self._draw(self._reduced if reduced else self.conditionals, z)
        latents = self._from_units(u)
        with matmul_precision(precision, z.device), layers(precision, z.device):
            x_hat = self.model.denoise(latents)
        residuals = [u_i - self.units.to_units(i, y) for i, (u_i, y) in enumerate(zip(u, x_hat[1:], strict=False), 1)]
        quadratic = squared_norm(torch.stack([*residuals, u[-1]])) - squared_norm(z)
        n_copies = z.shape[1] // len(self.x)
        log_likelihood = self.model.last_step(latents[0]).log_prob(self.x.repeat(n_copies, 1), x_hat[0])
        return 0.5 * quadratic.sum(0) - self._log_volume.repeat(n_copies) - log_likelihood

    def whiten(self, latents: Float[Tensor, "k rows dim"]) -> Float[Tensor, "k rows dim"]:
        u = [self.units.to_units(i, x) for i, x in enumerate(latents, 1)]
        levels = zip(self.conditionals, u, [*u[1:], None], strict=True)
        return torch.stack([conditional.whiten(u_i, above) for conditional, u_i, above in levels])

    def _draw(self, conditionals: list[Conditional], z: Float[Tensor, "k rows dim"]) -> list[Tensor]:
        """x_1 .. x_k in units."""
        states: list[Tensor] = []
        for conditional, z_i in zip(conditionals[::-1], z.flip(0), strict=True):
            states.insert(0, conditional.draw(z_i, states[0] if states else None))
        return states

    def _from_units(self, u: list[Tensor]) -> Float[Tensor, "k rows dim"]:
        return torch.stack([self.units.from_units(i, u_i) for i, u_i in enumerate(u, 1)])


class DecoderBase:
    """Of a decoder: z and latents are (rows, latent).

    Args:
        x: the data points.
        conditional: of the latent vector, or nothing for a base that is the prior.
    """

    def __init__(self, model: Decoder, x: Float[Tensor, "n dim"], conditional: Conditional | None):
        self.model, self.x, self.conditional = model, x, conditional

    def draw_white(self, n_chains: int, *, generator: torch.Generator) -> Float[Tensor, "rows latent"]:
        return standard_normal(self.x, n_chains * len(self.x), self.model.latent_dim, generator=generator)

    def latents(self, z: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows latent"]:
        return z if self.conditional is None else self.conditional.draw(z, None)

    def potential(self, z: Float[Tensor, "rows latent"], precision: str = "highest") -> Float[Tensor, "rows"]:
        latents, n_copies = self.latents(z), len(z) // len(self.x)
        with matmul_precision(precision, z.device), layers(precision, z.device):
            log_likelihood = self.model.log_likelihood(self.x.repeat(n_copies, 1), latents)
        if self.conditional is None:
            return -log_likelihood
        quadratic = 0.5 * (squared_norm(latents) - squared_norm(z))
        return quadratic - self.conditional.log_volume.repeat(n_copies) - log_likelihood

    def whiten(self, latents: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows latent"]:
        return latents if self.conditional is None else self.conditional.whiten(latents, None)
