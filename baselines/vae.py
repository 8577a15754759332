"""The variational auto-encoder (Kingma and Welling 2014, "Auto-Encoding Variational Bayes").

p(z) = N(0, I), p(x | z) = N(f(z), s^2 I) with one learned s, or one for every pixel, q(z | x) = N(m(x), diag v(x)).
Without hidden layers it is linear, and at its optimum it equals probabilistic principal component analysis; with an s
for every pixel, factor analysis.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet
from cdae.denoiser import DataScale, mlp
from cdae.gaussian import kl_normal, log_normal, standard_normal
from cdae.interfaces import BoundTerms, DivergenceError, SampleSet, SampleVariant

RECONSTRUCTIONS = ("isotropic", "per_pixel")


class VAE(nn.Module):
    """Encoder and decoder are multilayer perceptrons with the same hidden sizes, the decoder's in reverse.

    Args:
        data_scale: standardises the encoder's input and maps the decoder's output to the data.
        latent_dim: dimension of z.
        hidden_sizes: hidden layers of the encoder; none makes a linear VAE (with a linear data_scale).
        reconstruction: "isotropic", one s for all pixels, log_std (); or "per_pixel", log_std (dim,).
        variance_floor: the least value of s^2, in squared data units; see `data.DataSummary`.

    Raises:
        ValueError: for an unknown reconstruction.
    """

    def __init__(
        self,
        data_scale: DataScale,
        *,
        latent_dim: int,
        hidden_sizes: Sequence[int],
        reconstruction: str = "isotropic",
        variance_floor: float = 0.0,
        generator: torch.Generator,
    ):
        super().__init__()
        if reconstruction not in RECONSTRUCTIONS:
            raise ValueError(f"reconstruction: got {reconstruction!r}, expected one of {', '.join(RECONSTRUCTIONS)}")
        dim = len(data_scale.mean)
        self.data_scale, self.latent_dim = data_scale, latent_dim
        self.encoder = mlp(dim, hidden_sizes, 2 * latent_dim, generator=generator)
        self.decoder = mlp(latent_dim, hidden_sizes[::-1], dim, generator=generator)
        self.per_pixel = reconstruction == "per_pixel"
        log_std = data_scale.std.log()
        self.log_std = nn.Parameter(log_std.repeat(dim) if self.per_pixel else log_std)
        self.min_log_std = 0.5 * math.log(variance_floor) if variance_floor > 0.0 else -math.inf

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "VAE":
        """An untrained model from configuration options."""
        data = training_set.summary()
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        reconstruction = options.get("reconstruction", "isotropic")
        return cls(
            scale,
            latent_dim=options["latent_dim"],
            hidden_sizes=options["hidden_sizes"],
            reconstruction=reconstruction,
            variance_floor=data.variance_floor if reconstruction == "per_pixel" else 0.0,
            generator=generator,
        )

    def std(self) -> Float[Tensor, "*pixels"]:
        """s, the standard deviation of p(x | z), () or (dim,), nowhere below the floor."""
        return self.log_std.clamp(min=self.min_log_std).exp()

    def encode(self, x: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Mean and standard deviation of q(z | x)."""
        mean, log_var = self.encoder(self.data_scale.standardize(x)).chunk(2, dim=-1)
        return mean, torch.exp(0.5 * log_var)

    def decode(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n dim"]:
        """Mean of p(x | z)."""
        return self.data_scale.to_data(self.decoder(z))

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """log p(x | z)."""
        return log_normal(x, self.decode(z), self.std())

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
        """Set s per pixel to the maximiser of the bound, s_j^2 = E (x - f(z))_j^2 with z ~ q(z | x), or to its floor.

        Gradients move it between refits; alone they would take too long from the data's variance to that of a constant
        pixel. A single s is left to them, and nothing changes.

        Raises:
            DivergenceError: if the decoder's answers are not finite.
        """
        if not self.per_pixel:
            return
        mse = self.pixel_mse(x, generator=generator)
        if not mse.isfinite().all():
            raise DivergenceError(f"mean squared error {mse.mean().item()} of the decoder")
        with torch.no_grad():
            self.log_std.copy_((0.5 * mse.log()).clamp(min=self.min_log_std))

    @torch.no_grad()
    def pixel_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "dim"]:
        """E (x - f(z))_j^2 of every pixel j, over the examples and one z ~ q(z | x) of each."""
        total = x.new_zeros(x.shape[1], dtype=torch.float64)
        for chunk in x.split(EXAMPLES):
            residual = chunk - self.decode(self.infer(chunk, generator=generator))
            total += residual.square().sum(0, dtype=torch.float64)
        return total / len(x)

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
        return mean + self.std() * standard_normal(mean, *mean.shape, generator=generator), z

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The same latents decoded to the mean of p(x | z), and to a sample of it."""
        z = standard_normal(self.log_std, n_samples, self.latent_dim, generator=generator)
        with torch.no_grad():
            mean = torch.cat([self.decode(part) for part in z.split(EXAMPLES)])
        yield SampleSet(SampleVariant("mean"), mean)
        noise = standard_normal(mean, *mean.shape, generator=generator)
        yield SampleSet(SampleVariant("sample"), mean + self.std().detach() * noise)
