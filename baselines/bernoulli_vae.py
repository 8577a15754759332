"""A variational auto-encoder of black and white images, with a Bernoulli distribution of every pixel.

    p(z) = N(0, I),   p(x | z) = Bernoulli(sigmoid(f(z))),   q(z | x) = N(m(x), diag v(x))

Its encoder, its bound and its loss are those of `gaussian_code`: with M > 1 importance samples it is an importance
weighted auto-encoder. Training draws new black and white images in every step. Likelihoods are those of discrete
images, in nats. Not here: sample sets for Parzen windows, whose Gaussians are a density of real values.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.gaussian_code import GaussianCode
from cdae.bernoulli import log_bernoulli
from cdae.binary_images import binary, check_binarized, draw_binary, standardize
from cdae.data import TrainingSet
from cdae.gaussian import standard_normal


class BinaryScale(nn.Module):
    """The scale of black and white images: it standardises inputs of networks, and maps logits to probabilities.

    Args:
        mean: (dim,), the mean of the training images, gray or not.
    """

    mean: Tensor

    def __init__(self, mean: Float[Tensor, "dim"]):
        super().__init__()
        self.register_buffer("mean", mean.float())

    def standardize(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Standardise x in black and white (`binary`)."""
        return standardize(binary(x), self.mean)

    def to_data(self, output: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Map logits to probabilities of 1."""
        return torch.sigmoid(output)


class BernoulliVAE(GaussianCode):
    """A VAE whose encoder and decoder are multilayer perceptrons; the decoder's outputs are logits.

    Args:
        data_scale: standardises the encoder's input, and maps logits to probabilities.
        latent_dim: the number of dimensions of z.
        hidden_sizes: the sizes of the encoder's hidden layers; the decoder has them in reverse order.
        n_importance_samples: M, draws of z per example in the loss.
    """

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "BernoulliVAE":
        """Build an untrained model from configuration options, for binarized images."""
        check_binarized(training_set)
        return cls(
            BinaryScale(training_set.summary().mean),
            latent_dim=options["latent_dim"],
            hidden_sizes=options["hidden_sizes"],
            n_importance_samples=options.get("n_importance_samples", 1),
            generator=generator,
        )

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return log p(x | z) in nats per example, of x in black and white (`binary`)."""
        return log_bernoulli(binary(x), self.decoder(z))

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
