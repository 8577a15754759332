"""A diffusion model with a cascade's levels, denoiser and prior, trained on its own bound.

    q(x_{i+1} | x_i) = N(x_i, c_{i+1}^2 - c_i^2)                  with c_0 = 0, so that q(x_i | x_0) = N(x_0, c_i^2)
    p(x_i | x_{i+1}) = N(r + g_i (x_{i+1} - r), v_i),  r = r(x_{i+1}),  g_i = c_i^2 / c_{i+1}^2
    v_i = c_i^2 (1 - g_i) + (1 - g_i)^2 MSE_{i+1},     p(x_k) as of a cascade

The corruption is a Markov chain, and the mean of a transition keeps a share g_i of the state above. At the last step
g_0 = 0: p(x_0 | x_1) is that of a cascade. The variances v_i maximise the bound, and they follow from the same errors
as those of Eq. 9 (`cdae.estimators.markov`, which has the bound too). The joint density of all states is that of a
cascade whose denoiser returns the transitions' means, so estimators of cascades that ask for no more hold for it
(`Transitions`). Sampling is ancestral.

Sources: J. Sohl-Dickstein et al., "Deep Unsupervised Learning using Nonequilibrium Thermodynamics", 2015; J. Ho, A.
Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models", 2020. Unlike the latter, states are not scaled down, the
loss is the bound without reweighting, and the variances are fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae import ancestral, markov_path
from cdae.data import TrainingSet
from cdae.estimators.markov import error_std, kept_share, markov_bound_terms, transition_std
from cdae.estimators.proposals import log_joint
from cdae.interfaces import BoundTerms, Prior, SampleSet
from cdae.model import CDAE, LOSSES
from cdae.pixel_density import PixelDensity


@dataclass(frozen=True)
class Transitions:
    """The model as a cascade (`interfaces.Cascade`): its "denoiser" returns means of transitions, its rho is sqrt(v).

    What takes `denoise` for an estimate of x_0, or rho^2 - c^2 for its error, is not for it.

    Attributes:
        parts: the denoiser, the levels, the prior, and rho of Eq. 9.
    """

    parts: CDAE

    @property
    def corruption_std(self) -> Float[Tensor, "levels"]:
        """c_0 .. c_k."""
        return self.parts.corruption_std

    @property
    def reconstruction_std(self) -> Float[Tensor, "k *pixels"]:
        """sqrt(v_0) .. sqrt(v_{k-1})."""
        return transition_std(self.parts.corruption_std, self.parts.reconstruction_std)

    @property
    def prior_mean(self) -> Float[Tensor, "dim"]:
        """The mean of x_k."""
        return self.parts.prior_mean

    @property
    def prior_std(self) -> Float[Tensor, "dim"]:
        """The standard deviation of x_k per pixel."""
        return self.parts.prior_std

    @property
    def prior(self) -> Prior:
        """p(x_k)."""
        return self.parts.prior

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]:
        """Return the means of x_0 .. x_{k-1}, where noisy[i-1] is x_i."""
        share = kept_share(self.corruption_std).to(noisy.dtype)
        return torch.lerp(self.parts.denoise(noisy), noisy, share[:, None, None])

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]:
        """Return the means of x_{level-1} for states x that are all at one level in 1 .. k."""
        share = kept_share(self.corruption_std)[level - 1].to(x.dtype)
        return torch.lerp(self.parts.denoise_level(x, level), x, share)

    def last_step(self, x_1: Float[Tensor, "*batch dim"]) -> PixelDensity:
        """Return p(x_0 | x_1) around its mean."""
        return self.parts.last_step(x_1)


class Diffusion(nn.Module):
    """A diffusion model of k steps.

    Args:
        parts: a cascade, whose denoiser, levels, prior, last step, kind of variances and name of a loss the model has.
            Its rho are those of Eq. 9, from which v follows.

    Raises:
        ValueError: for a cascade whose variances are learned.
    """

    losses = LOSSES

    def __init__(self, parts: CDAE):
        super().__init__()
        if parts.log_reconstruction_std is not None:
            raise ValueError("parts: got a cascade with learned variances, expected closed_form; v follows from Eq. 9")
        self.parts = parts

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "Diffusion":
        """Build an untrained model from configuration options, those of a cascade; the denoiser sees the level."""
        return cls(CDAE.build({"denoiser": "conditioned", **options}, training_set, generator=generator))

    @property
    def n_levels(self) -> int:
        """The number k of levels."""
        return self.parts.n_levels

    @property
    def corruption_std(self) -> Float[Tensor, "levels"]:
        """c_0 .. c_k."""
        return self.parts.corruption_std

    @property
    def pooled_reconstruction_std(self) -> Float[Tensor, "k"]:
        """rho_0 .. rho_{k-1} of Eq. 9, from which v follows: the root mean square over pixels."""
        return self.parts.pooled_reconstruction_std

    @property
    def transitions(self) -> Transitions:
        """The model as a cascade."""
        return Transitions(self.parts)

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]:
        """Return the reconstructions r(x_1) .. r(x_k), where noisy[i-1] is x_i."""
        return self.parts.denoise(noisy)

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]:
        """Draw a path x_1 .. x_k of the forward process from x_0 = x."""
        return markov_path.walk(x, self.corruption_std, generator=generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> BoundTerms:
        """Compute the terms of the bound at given latents, in nats per example."""
        return markov_bound_terms(self.parts, x, latents)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> Float[Tensor, "n"]:
        """Return log p(x_0, x_1 .. x_k) - log q(x_1 .. x_k | x_0) at a given path, in nats per example."""
        joint = self.transitions
        log_p = log_joint(joint, x, latents, joint.denoise(latents))
        return log_p - markov_path.log_prob(x, latents, self.corruption_std)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the loss named at construction, in nats, averaged over the batch."""
        return self.named_loss(self.parts.loss_name, x, generator=generator)

    def named_loss(self, name: str, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute one of `losses`, in nats, averaged over the batch: terms of minus the bound that have gradients.

        The terms of the bound see one level each. So a loss may draw levels as it does for a cascade.
        """
        std = error_std(self.corruption_std, self.parts.reconstruction_std)
        return self.parts.denoising_loss(name, x, std, generator=generator)

    def level_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k"]:
        """Estimate MSE_i = E |x_0 - r(x_i)|^2 / dim at levels 1 .. k."""
        return self.parts.level_mse(x, generator=generator)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set the errors that every v_i is made of, with expectations over the examples `x`; see `CDAE.refit`."""
        self.parts.refit(x, generator=generator)

    def ancestral_path(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "states n dim"]:
        """Return the k + 1 states of ancestral sampling: x_k from the prior, x_{k-1}, ..., x_1, and the mean r(x_1)."""
        x_k = self.parts.sample_prior(n_samples, generator=generator)
        return torch.stack(list(ancestral.path(self.transitions, x_k, generator=generator)))

    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "k n dim"]]:
        """Draw x_0 from the model, and return it with its latents x_1 .. x_k, where latents[i-1] is x_i."""
        path = self.ancestral_path(n_samples, generator=generator)
        x = ancestral.sample_around(self.transitions, path[-1], path[-2], generator=generator)
        return x, path[:-1].flip(0)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield the same ancestral paths with two last steps: the mean r(x_1), and a sample of p(x_0 | x_1)."""
        x_k = self.parts.sample_prior(n_samples, generator=generator)
        return ancestral.sample_sets(self.transitions, x_k, generator=generator)
