"""A variational auto-encoder of black and white images, trained here, with its encoder.

    p(z) = N(0, I),   p(y | z) = Bernoulli(sigmoid(f(z))),   q(z | y) = N(m(y), s(y)^2)

The benchmark shows it dequantized levels, x = (y + u) / 2 with u uniform in [0, 1). Their density is that of the
levels, times 2 per dimension: log p(x | z) = log p(y | z) + d log 2. So nothing here is a density of gray values, and
bits per dimension are those of y. D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", 2014.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from cdae.interfaces import BoundTerms


class BernoulliVAE(nn.Module):
    """f, m and s are networks with one hidden layer each."""

    options_schema = {  # noqa: RUF012  read as it is written, before anything runs
        "type": "object",
        "additionalProperties": False,
        "required": ["dim", "latent_dim"],
        "properties": {
            "dim": {"description": "dimensions of x", "type": "integer", "minimum": 1},
            "latent_dim": {"description": "dimensions of z", "type": "integer", "minimum": 1},
            "n_hidden": {"description": "units of either hidden layer", "type": "integer", "minimum": 1},
        },
    }

    def __init__(self, dim: int, latent_dim: int, n_hidden: int = 64):
        super().__init__()
        self.dim, self.latent_dim = dim, latent_dim
        self.encoder = nn.Sequential(nn.Linear(dim, n_hidden), nn.Tanh(), nn.Linear(n_hidden, 2 * latent_dim))
        self.decoder = nn.Sequential(nn.Linear(latent_dim, n_hidden), nn.Tanh(), nn.Linear(n_hidden, dim))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, one value per example."""
        per_dimension = -binary_cross_entropy_with_logits(self.decoder(z), _levels(x), reduction="none")
        return (per_dimension + math.log(2.0)).sum(-1, dtype=torch.float64)

    def sample_x(self, z: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw x from p(x | z): levels, dequantized."""
        y = torch.bernoulli(self.decoder(z).sigmoid(), generator=generator)
        return (y + torch.rand(y.shape, generator=generator, device=y.device)) / 2.0

    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw z from q(z | y)."""
        mean, log_std = self._posterior(x)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + log_std.exp() * noise

    def log_weights(self, x: Tensor, latents: Tensor) -> Tensor:
        """log p(x, z) - log q(z | y) in nats, one value per example."""
        mean, log_std = self._posterior(x)
        log_ratio = -0.5 * latents.square() + 0.5 * ((latents - mean) / log_std.exp()).square() + log_std
        return self.log_likelihood(x, latents) + log_ratio.sum(-1, dtype=torch.float64)

    def bound_terms(self, x: Tensor, latents: Tensor) -> BoundTerms:
        """The evidence lower bound at one draw: log p(x | z), and KL(q, p) in closed form."""
        mean, log_std = self._posterior(x)
        kl = 0.5 * (mean.square() + (2.0 * log_std).exp() - 1.0) - log_std
        kl = kl.sum(-1, dtype=torch.float64)
        return BoundTerms(self.log_likelihood(x, latents), kl.new_zeros(0, len(x)), kl)

    def loss(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """The mean of minus the bound over a batch, in nats per dimension."""
        return -self.bound_terms(x, self.infer(x, generator=generator)).total.mean() / self.dim

    def refit(self, x: Tensor, *, generator: torch.Generator) -> None:
        """Nothing is fitted in closed form."""

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log standard deviation of q(z | y)."""
        mean, log_std = self.encoder(_levels(x) - 0.5).chunk(2, dim=-1)
        return mean, log_std.clamp(-7.0, 7.0)


def _levels(x: Tensor) -> Tensor:
    """y, 0 or 1, of x = (y + u) / 2."""
    return (x >= 0.5).to(x.dtype)
