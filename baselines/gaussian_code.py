"""What every auto-encoder with a Gaussian code has: an encoder, a bound, importance weights, and a loss of either.

    p(z) = N(0, I),   q(z | x) = N(m(x), diag v(x)),   p(x | z) as the model says

With one draw the loss is minus the evidence lower bound, its divergence in closed form (D. Kingma and M. Welling,
"Auto-Encoding Variational Bayes", 2014). With M > 1 draws it is minus IW-M,

    -log 1/M sum_m p(x | z_m) p(z_m) / q(z_m | x)

and the model is an importance weighted auto-encoder (Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted
Autoencoders", 2016). In expectation IW-M grows with M towards log p(x), and IW-1 is the evidence lower bound.
Not here: p(x | z), and sampling.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.denoiser import mlp
from cdae.gaussian import kl_normal, log_mean_exp, log_normal, standard_normal
from cdae.interfaces import BoundTerms


class GaussianCode(nn.Module, ABC):
    """An encoder and a decoder, both multilayer perceptrons.

    Args:
        data_scale: standardises the encoder's input, and maps the decoder's output to data units; it has the methods of
            a `DataScale`.
        latent_dim: the number of dimensions of z.
        hidden_sizes: the sizes of the encoder's hidden layers; the decoder has them in reverse order.
        n_importance_samples: M, draws of z per example in the loss.

    Raises:
        ValueError: if n_importance_samples is below 1.
    """

    def __init__(
        self,
        data_scale: Any,
        *,
        latent_dim: int,
        hidden_sizes: Sequence[int],
        n_importance_samples: int = 1,
        generator: torch.Generator,
    ):
        super().__init__()
        if n_importance_samples < 1:
            raise ValueError(f"n_importance_samples: got {n_importance_samples}, expected at least 1")
        dim = len(data_scale.mean)
        self.data_scale, self.latent_dim, self.n_importance_samples = data_scale, latent_dim, n_importance_samples
        self.encoder = mlp(dim, hidden_sizes, 2 * latent_dim, generator=generator)
        self.decoder = mlp(latent_dim, hidden_sizes[::-1], dim, generator=generator)

    @abstractmethod
    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return log p(x | z) in nats per example."""

    def encode(self, x: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Return the mean and the standard deviation of q(z | x)."""
        mean, log_var = self.encoder(self.data_scale.standardize(x)).chunk(2, dim=-1)
        return mean, torch.exp(0.5 * log_var)

    def decode(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n dim"]:
        """Return the mean of p(x | z), in data units."""
        return self.data_scale.to_data(self.decoder(z))

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n latent"]:
        """Draw z from q(z | x), differentiable with respect to the encoder's parameters."""
        return _draw(*self.encode(x), generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> BoundTerms:
        """Compute the terms of the lower bound in nats, with KL(q(z | x), p(z)) in closed form and no inner levels."""
        mean, std = self.encode(x)
        prior_kl = kl_normal(mean, std, torch.zeros_like(mean), torch.ones_like(std))
        return BoundTerms(self.log_likelihood(x, latents), prior_kl.new_zeros(0, len(x)), prior_kl)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return the log importance weights log p(x | z) + log p(z) - log q(z | x) at given latents, in nats."""
        return self._log_weights(x, latents, *self.encode(x))

    def _log_weights(self, x: Tensor, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """The same with the mean and the standard deviation of q(z | x)."""
        log_prior = log_normal(z, torch.zeros_like(mean), torch.ones_like(std))
        return self.log_likelihood(x, z) + log_prior - log_normal(z, mean, std)

    def minus_bound(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute minus the lower bound, or minus IW-M with M > 1 draws, in nats, averaged over the batch."""
        if self.n_importance_samples == 1:
            return -self.bound_terms(x, self.infer(x, generator=generator)).total.mean()
        mean, std = self.encode(x)
        draws = [_draw(mean, std, generator) for _ in range(self.n_importance_samples)]
        copies = [part.repeat(len(draws), 1) for part in (x, mean, std)]
        log_weights = self._log_weights(copies[0], torch.cat(draws), *copies[1:])
        return -log_mean_exp(log_weights.reshape(len(draws), len(x))).mean()


def _draw(mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
    return mean + std * standard_normal(mean, *mean.shape, generator=generator)
