"""Latents of a model as functions of z ~ N(0, I), one such base for each data point, and what it misses.

A base turns z into latents h with the density q(h | x), known exactly, and

    phi(z) = log q(h | x) - log p(x, h),        E[exp(-phi)] = p(x)

Of a cascade, the latents are drawn from the top down, a Gaussian of all levels: each has the density of its transition with
an affine function in the place of the denoiser, twisted by what is known of it from below (`twist`). Of a decoder, the
one latent vector has its prior, twisted in the same way.

Whatever the affine functions and twists are, q is a density. So estimates stay valid for those that were fitted to x,
by chance even, as long as they do not depend on the latents that a simulated x was made from. Not here: their fit
(`gaussian_base`).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import layers, matmul_precision
from cdae.estimators.proposals import n_levels
from cdae.estimators.twist import Affine, Twist
from cdae.gaussian import log_normal, squared_norm, standard_normal, whiten
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
    """Every latent state of a cascade in units of its own transition: u = x_i / rho_i, at the top (x_k - mean) / std."""

    model: Cascade

    def to_units(self, level: int, x: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        if level < n_levels(self.model):
            return x / self.model.reconstruction_std[level].to(x.dtype)
        prior = self.model.prior
        if isinstance(prior, FullPrior):
            return whiten(x.double(), prior.mean, prior.factor).to(x.dtype)
        return (x - self.model.prior_mean.to(x.dtype)) / self.model.prior_std.to(x.dtype)

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
        means: of x_1 .. x_{k-1} given the state above, both in units.
        twists: what is known from below of x_1 .. x_k, in units.
    """

    def __init__(self, model: Cascade, x: Float[Tensor, "n dim"], means: list[Affine], twists: list[Twist]):
        self.model, self.x, self.means, self.twists, self.units = model, x, means, twists, Units(model)

    def draw_white(self, n_chains: int, *, generator: torch.Generator) -> Float[Tensor, "k rows dim"]:
        n, dim = self.x.shape
        return standard_normal(self.x, n_levels(self.model), n_chains * n, dim, generator=generator)

    def latents(self, z: Float[Tensor, "k rows dim"]) -> Float[Tensor, "k rows dim"]:
        return torch.stack([self.units.from_units(i, u) for i, u in enumerate(self._walk_down(z)[0], 1)])

    def potential(self, z: Float[Tensor, "k rows dim"], precision: str = "highest") -> Float[Tensor, "rows"]:
        units, means, log_ratio = self._walk_down(z)
        latents = torch.stack([self.units.from_units(i, u) for i, u in enumerate(units, 1)])
        with matmul_precision(precision, z.device), layers(precision, z.device):
            x_hat = self.model.denoise(latents)
        for level, mean in enumerate(means, 1):
            exact = self.units.to_units(level, x_hat[level])
            log_ratio = log_ratio + 0.5 * ((mean - exact) * (2.0 * units[level - 1] - mean - exact)).sum(
                -1, dtype=torch.float64
            )
        copies = self.x.repeat(z.shape[1] // len(self.x), 1)
        return log_ratio - log_normal(copies, x_hat[0], self.model.last_step_std(latents[0]))

    def whiten(self, latents: Float[Tensor, "k rows dim"]) -> Float[Tensor, "k rows dim"]:
        units = [self.units.to_units(i, x) for i, x in enumerate(latents, 1)]
        means = [mean(above) for mean, above in zip(self.means, units[1:], strict=True)]
        return torch.stack([t.whiten(u, m) for t, u, m in zip(self.twists, units, [*means, None], strict=True)])

    def _walk_down(self, z: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """x_1 .. x_k in units, the means of x_1 .. x_{k-1}, and the log ratio of the twists."""
        u, log_ratio = self.twists[-1].draw(z[-1], None)
        units, means = [u], []
        for affine, twist, z_i in zip(self.means[::-1], self.twists[-2::-1], z[:-1].flip(0), strict=True):
            means.insert(0, affine(units[0]))
            u, one = twist.draw(z_i, means[0])
            units.insert(0, u)
            log_ratio = log_ratio + one
        return units, means, log_ratio


class DecoderBase:
    """Of a decoder: z and latents are (rows, latent).

    Args:
        x: the data points.
        twist: what x says of the latent vector, or nothing for a base that is the prior.
    """

    def __init__(self, model: Decoder, x: Float[Tensor, "n dim"], twist: Twist | None):
        self.model, self.x, self.twist = model, x, twist

    def draw_white(self, n_chains: int, *, generator: torch.Generator) -> Float[Tensor, "rows latent"]:
        return standard_normal(self.x, n_chains * len(self.x), self.model.latent_dim, generator=generator)

    def latents(self, z: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows latent"]:
        return z if self.twist is None else self.twist.draw(z, None)[0]

    def potential(self, z: Float[Tensor, "rows latent"], precision: str = "highest") -> Float[Tensor, "rows"]:
        latents, log_ratio = (z, 0.0) if self.twist is None else self.twist.draw(z, None)
        copies = self.x.repeat(len(z) // len(self.x), 1)
        with matmul_precision(precision, z.device), layers(precision, z.device):
            log_likelihood = self.model.log_likelihood(copies, latents)
        return log_ratio - log_likelihood

    def whiten(self, latents: Float[Tensor, "rows latent"]) -> Float[Tensor, "rows latent"]:
        return latents if self.twist is None else self.twist.whiten(latents, None)
