"""The prior of a cascade, p(x_k) = N(mu, S), as closed forms: density, divergence and draws.

For data of mean m and covariance C, and corruption N(x_0, c_k^2 I) at the top level, the third term of Eq. 6 averaged
over the data is least at mu = m and, among the covariances of each kind, at

    isotropic   S = (mean of diag C + c_k^2) I
    diagonal    S = diag C + c_k^2 I
    full        S = C + c_k^2 I

Not here: where the moments come from, and where they are kept (`model`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import kl_normal, kl_normal_full, log_normal, log_normal_full, standard_normal

KINDS = ("isotropic", "diagonal", "full")


@dataclass(frozen=True)
class DiagonalPrior:
    """N(mean, diag std^2)."""

    mean: Float[Tensor, "dim"]
    std: Float[Tensor, "dim"]

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """log p(x_k) in nats."""
        return log_normal(x, self.mean, self.std)

    def kl_from(self, mean: Float[Tensor, "n dim"], std: Tensor) -> Float[Tensor, "n"]:
        """KL(N(mean, std^2), p) in nats, with std of shape () or (dim,)."""
        return kl_normal(mean, std, self.mean, self.std)

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        return self.mean + self.std * standard_normal(self.mean, n_samples, len(self.mean), generator=generator)

    def largest_ratio(self, std: Tensor) -> Float[Tensor, ""]:
        """Largest standard deviation in any direction, in coordinates divided by std, of shape () or (dim,)."""
        return (self.std / std).max()


@dataclass(frozen=True)
class FullPrior:
    """N(mean, factor factor^T), factor lower triangular."""

    mean: Float[Tensor, "dim"]
    factor: Float[Tensor, "dim dim"]

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """log p(x_k) in nats."""
        return log_normal_full(x, self.mean, self.factor)

    def kl_from(self, mean: Float[Tensor, "n dim"], std: Tensor) -> Float[Tensor, "n"]:
        """KL(N(mean, std^2), p) in nats, with std of shape () or (dim,)."""
        return kl_normal_full(mean, std, self.mean, self.factor)

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        return self.mean + noise @ self.factor.mT

    def largest_ratio(self, std: Tensor) -> Float[Tensor, ""]:
        """Largest standard deviation in any direction, in coordinates divided by std, of shape () or (dim,)."""
        return torch.linalg.matrix_norm(self.factor / std.expand_as(self.mean)[:, None], 2)
