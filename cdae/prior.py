"""The prior of a cascade, p(x_k) = N(mu, S): its density, its KL divergence and its samples, in closed form.

For data of mean m and covariance C, and corruption N(x_0, c_k^2 I) at the top level, the third term of Eq. 6 averaged
over the data is least at mu = m and, among the covariances of each kind, at

    isotropic   S = (mean of diag C + c_k^2) I
    diagonal    S = diag C + c_k^2 I
    full        S = C + c_k^2 I

Not here: how the moments are estimated (`data`) and stored (`model`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import kl_normal, kl_normal_full, log_normal, log_normal_full, standard_normal

KINDS = ("isotropic", "diagonal", "full")


@dataclass(frozen=True)
class DiagonalPrior:
    """The Gaussian prior N(mean, diag std^2), with mean and std of shape (dim,) in float64, in data units."""

    mean: Float[Tensor, "dim"]
    std: Float[Tensor, "dim"]

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Return log p(x_k) at x_k = x, in nats."""
        return log_normal(x, self.mean, self.std)

    def kl_from(self, mean: Float[Tensor, "n dim"], std: Tensor) -> Float[Tensor, "n"]:
        """Return KL(N(mean, std^2), p(x_k)) in nats, for a std of shape () or (dim,)."""
        return kl_normal(mean, std, self.mean, self.std)

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw x_k from the prior."""
        return self.mean + self.std * standard_normal(self.mean, n_samples, len(self.mean), generator=generator)

    def largest_ratio(self, std: Tensor) -> Float[Tensor, ""]:
        """Return the prior's largest standard deviation, over all directions, after x_k is divided by std.

        The argument std has shape () or (dim,).
        """
        return (self.std / std).max()


@dataclass(frozen=True)
class FullPrior:
    """The Gaussian prior N(mean, factor factor^T), with a lower triangular factor; both in float64, in data units."""

    mean: Float[Tensor, "dim"]
    factor: Float[Tensor, "dim dim"]

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Return log p(x_k) at x_k = x, in nats."""
        return log_normal_full(x, self.mean, self.factor)

    def kl_from(self, mean: Float[Tensor, "n dim"], std: Tensor) -> Float[Tensor, "n"]:
        """Return KL(N(mean, std^2), p(x_k)) in nats, for a std of shape () or (dim,)."""
        return kl_normal_full(mean, std, self.mean, self.factor)

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw x_k from the prior."""
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        return self.mean + noise @ self.factor.mT

    def largest_ratio(self, std: Tensor) -> Float[Tensor, ""]:
        """Return the prior's largest standard deviation, over all directions, after x_k is divided by std.

        The argument std has shape () or (dim,).
        """
        return torch.linalg.matrix_norm(self.factor / std.expand_as(self.mean)[:, None], 2)
