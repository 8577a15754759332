"""A variational auto-encoder of black and white images, with a Bernoulli distribution of every pixel.

    p(z) = N(0, I),   p(x | z) = Bernoulli(sigmoid(f(z))),   q(z | x) = N(m(x), diag v(x))

Its encoder, its bound and its loss are those of `gaussian_code`: with M > 1 importance samples it is an importance
weighted auto-encoder. Training draws new black and white images in every step. Likelihoods are those of discrete
images, in nats. Not here: sample sets for Parzen windows, whose Gaussians are a density of real values.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.gaussian_code import GaussianCode
from cdae.bernoulli import log_bernoulli
from cdae.binary_images import binary, check_binarized, draw_binary
from cdae.data import TrainingSet
from cdae.denoiser import DataScale
from cdae.gaussian import standard_normal
from cdae.interfaces import BoundTerms

LEAST_STD = 1e-3  # that the encoder's input is divided by


class BernoulliVAE(GaussianCode):
    """A VAE whose encoder and decoder are multilayer perceptrons; the decoder's outputs are logits.

    Args:
        data_scale: standardises the encoder's input, and maps logits to probabilities.
        latent_dim: the number of dimensions of z.
        hidden_sizes: the sizes of the encoder's hidden layers; the decoder has them in reverse order.
        n_importance_samples: M, draws of z per example in the loss.
    """

    def __init__(
        self,
        data_scale: DataScale,
        *,
        latent_dim: int,
        hidden_sizes: Sequence[int],
        n_importance_samples: int = 1,
        generator: torch.Generator,
    ):
        super().__init__(
            data_scale,
            latent_dim=latent_dim,
            hidden_sizes=hidden_sizes,
            n_importance_samples=n_importance_samples,
            generator=generator,
        )

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "BernoulliVAE":
        """Build an untrained model from configuration options, for binarized images."""
        check_binarized(training_set)
        mean = training_set.summary().mean
        pooled_std = (mean * (1.0 - mean)).mean().sqrt().item()
        return cls(
            DataScale(mean, max(pooled_std, LEAST_STD), unit_interval=True),
            latent_dim=options["latent_dim"],
            hidden_sizes=options["hidden_sizes"],
            n_importance_samples=options.get("n_importance_samples", 1),
            generator=generator,
        )

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return log p(x | z) in nats per example, of black and white x."""
        return log_bernoulli(x, self.decoder(z))

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n latent"]:
        """Draw z from q(z | x), differentiable with respect to the encoder's parameters."""
        return super().infer(binary(x), generator=generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> BoundTerms:
        """Compute the terms of the lower bound in nats; see `GaussianCode.bound_terms`."""
        return super().bound_terms(binary(x), latents)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return the log importance weights at given latents, in nats; see `GaussianCode.log_weights`."""
        return super().log_weights(binary(x), latents)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute minus the lower bound, or minus IW-M, in nats, averaged over new black and white images of x."""
        return self.minus_bound(draw_binary(x, generator=generator), generator=generator)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Do nothing: no part is fitted in closed form."""

    @torch.no_grad()
    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n latent"]]:
        """Draw x from the model, and return it with its latent z."""
        z = standard_normal(self.data_scale.mean, n_samples, self.latent_dim, generator=generator)
        return torch.bernoulli(self.decode(z), generator=generator), z
