"""The variational auto-encoder (Kingma and Welling 2014, "Auto-Encoding Variational Bayes").

p(z) = N(0, I), p(x | z) = N(f(z), s^2 I) with one learned s, q(z | x) = N(m(x), diag v(x)). Without hidden layers it
is linear, and at its optimum it equals probabilistic principal component analysis.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.denoiser import DataScale, mlp
from cdae.gaussian import kl_normal, log_normal, standard_normal
from cdae.interfaces import BoundTerms, SampleSet

CHUNK_ROWS = 1_000


class VAE(nn.Module):
    """Encoder and decoder are multilayer perceptrons with the same hidden sizes, the decoder's in reverse.

    Args:
        data_scale: standardises the encoder's input and maps the decoder's output to the data.
        latent_dim: dimension of z.
        hidden_sizes: hidden layers of the encoder; none makes a linear VAE (with a linear data_scale).
    """

    def __init__(
        self,
        data_scale: DataScale,
        *,
        latent_dim: int,
        hidden_sizes: Sequence[int],
        generator: torch.Generator,
    ):
        super().__init__()
        dim = len(data_scale.mean)
        self.data_scale, self.latent_dim = data_scale, latent_dim
        self.encoder = mlp(dim, hidden_sizes, 2 * latent_dim, generator=generator)
        self.decoder = mlp(latent_dim, hidden_sizes[::-1], dim, generator=generator)
        self.log_std = nn.Parameter(data_scale.std.log())

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "VAE":
        """An untrained model from configuration options."""
        data = training_set.summary()
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        return cls(scale, latent_dim=options["latent_dim"], hidden_sizes=options["hidden_sizes"], generator=generator)

    def encode(self, x: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Mean and standard deviation of q(z | x)."""
        mean, log_var = self.encoder(self.data_scale.standardize(x)).chunk(2, dim=-1)
        return mean, torch.exp(0.5 * log_var)

    def decode(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n dim"]:
        """Mean of p(x | z)."""
        return self.data_scale.to_data(self.decoder(z))

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """log p(x | z)."""
        return log_normal(x, self.decode(z), self.log_std.exp())

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n latent"]:
        """z drawn from q(z | x), differentiable in the encoder's parameters."""
        mean, std = self.encode(x)
        return mean + std * standard_normal(mean, *mean.shape, generator=generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> BoundTerms:
        """The bound with its divergence in closed form; there are no inner levels."""
        mean, std = self.encode(x)
        prior_kl = kl_normal(mean, std, torch.zeros_like(mean), torch.ones_like(std))
        return BoundTerms(self.log_likelihood(x, latents), prior_kl.new_zeros(0, len(x)), prior_kl)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """log p(x | z) p(z) / q(z | x)."""
        mean, std = self.encode(x)
        log_prior = log_normal(latents, torch.zeros_like(mean), torch.ones_like(std))
        return self.log_likelihood(x, latents) + log_prior - log_normal(latents, mean, std)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Nothing: every parameter of a VAE is learned by gradients."""

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Minus the bound, a mean over the batch in nats."""
        return -self.bound_terms(x, self.infer(x, generator=generator)).total.mean()

    @torch.no_grad()
    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n latent"]]:
        """x drawn from the model, and the z that it was drawn from."""
        z = standard_normal(self.log_std, n_samples, self.latent_dim, generator=generator)
        mean = self.decode(z)
        return mean + self.log_std.exp() * standard_normal(mean, *mean.shape, generator=generator), z

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The same latents decoded to the mean of p(x | z), and to a sample of it."""
        z = standard_normal(self.log_std, n_samples, self.latent_dim, generator=generator)
        with torch.no_grad():
            mean = torch.cat([self.decode(part) for part in z.split(CHUNK_ROWS)])
        yield SampleSet("last step mean", mean)
        noise = standard_normal(mean, *mean.shape, generator=generator)
        yield SampleSet("last step sample", mean + self.log_std.detach().exp() * noise)
