"""A variational auto-encoder in plain PyTorch, trained elsewhere: its decoder alone is shown to the benchmark.

    p(z) = N(0, I),   p(x | z) = N(f(z), s^2 I)

It imports nothing of the benchmark. `log_likelihood`, `sample_x` and `latent_dim` are all that annealing and its gap
need. The encoder was used in training only. `python examples/gaussian_vae.py OUTPUT.pt` trains it anew.
"""

import math
import sys

import torch
from torch import Tensor, nn


class GaussianDecoder(nn.Module):
    """f and s of p(x | z)."""

    options_schema = {  # noqa: RUF012  read as it is written, before anything runs
        "type": "object",
        "additionalProperties": False,
        "required": ["dim", "latent_dim"],
        "properties": {
            "dim": {"description": "dimensions of x", "type": "integer", "minimum": 1},
            "latent_dim": {"description": "dimensions of z", "type": "integer", "minimum": 1},
            "n_hidden": {"description": "units of the hidden layer", "type": "integer", "minimum": 1},
        },
    }

    def __init__(self, dim: int, latent_dim: int, n_hidden: int = 32):
        super().__init__()
        self.latent_dim = latent_dim
        self.mean = nn.Sequential(nn.Linear(latent_dim, n_hidden), nn.Tanh(), nn.Linear(n_hidden, dim))
        self.log_std = nn.Parameter(torch.zeros(()))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, one value per example, summed in double precision."""
        residual = (x - self.mean(z)) / self.log_std.exp()
        per_dimension = -0.5 * residual.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)
        return per_dimension.sum(-1, dtype=torch.float64)

    def sample_x(self, z: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw x from p(x | z), with its noise."""
        mean = self.mean(z)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + self.log_std.exp() * noise


def train(decoder: GaussianDecoder, x: Tensor, *, n_updates: int, generator: torch.Generator) -> None:
    """Train the decoder in place, with an encoder that is thrown away."""
    n_hidden, dim = decoder.mean[0].out_features, x.shape[1]
    encoder = nn.Sequential(nn.Linear(dim, n_hidden), nn.Tanh(), nn.Linear(n_hidden, 2 * decoder.latent_dim))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.005)
    for _ in range(n_updates):
        batch = x[torch.randint(len(x), (256,), generator=generator)]
        mean, log_var = encoder(batch).chunk(2, dim=-1)
        z = mean + (0.5 * log_var).exp() * torch.randn(mean.shape, generator=generator)
        kl = 0.5 * (mean.square() + log_var.exp() - log_var - 1.0).sum(-1)
        loss = (kl - decoder.log_likelihood(batch, z)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    from cdae.datasets.registry import loader  # the training split of the benchmark's own data

    torch.manual_seed(0)
    trained = GaussianDecoder(dim=2, latent_dim=2)
    x = torch.from_numpy(loader("mixture_2d")().train)
    train(trained, x, n_updates=4_000, generator=torch.Generator().manual_seed(0))
    torch.save(trained.state_dict(), sys.argv[1])
