"""The cascading denoising auto-encoder of black and white images, whose corruption flips pixels.

    q(x_i | x_0) flips every pixel of x_0 with probability f_i,   0 < f_1 < .. < f_k <= 1/2
    p(x_i | x_{i+1}) = Bernoulli(r (1 - f_i) + (1 - r) f_i),   r = r(x_{i+1}),   f_0 = 0
    p(x_k) = Bernoulli(m (1 - f_k) + (1 - m) f_k)

Eqs. 3, 4 and 11 hold as they are, with Bernoulli distributions in place of the Gaussians of Eq. 5, and the divergences
of Eq. 4 are exact. One denoiser r is shared by all levels, and it does not see the level; it says with what probability
each pixel of x_0 is 1. The prior, with the mean m of the training data, is the closed-form minimiser of its own term.
There are no variances, so nothing is refitted (Eq. 9), and the weights of Eq. 8 have no counterpart: the loss of one
level per example draws levels uniformly. Likelihoods are those of discrete images, in nats. Not here: sample sets for
Parzen windows, whose Gaussians are a density of real values.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines import flip_pairs
from cdae.bernoulli import LogBernoulli, flipped, from_probabilities, log_flips
from cdae.binary_images import binary, check_binarized, draw_binary, standardize
from cdae.data import TrainingSet
from cdae.denoiser import mlp
from cdae.interfaces import BoundTerms

LOSSES = ("shrunk_uniform", "full")


class BitFlipCDAE(nn.Module):
    """A cascade of k levels of flipped pixels.

    Args:
        network: (n, dim) -> (n, dim), the logits of r; its input has mean 0 and pooled variance 1 on training data.
        flip_probability: f_1 .. f_k, increasing, above 0 and at most 1/2.
        data_mean: m, (dim,), in [0, 1].
        loss: "shrunk_uniform", one level per example, or "full", all of them.

    Raises:
        ValueError: for flip probabilities that are no such sequence, or an unknown loss.
    """

    flip_probability: Tensor
    data_mean: Tensor

    def __init__(
        self,
        network: nn.Module,
        flip_probability: Sequence[float],
        data_mean: Float[Tensor, "dim"],
        *,
        loss: str = "shrunk_uniform",
    ):
        super().__init__()
        _check_flips(flip_probability)
        if loss not in LOSSES:
            raise ValueError(f"loss: got {loss!r}, expected one of {', '.join(LOSSES)}")
        self.network, self.loss_name = network, loss
        self.register_buffer("flip_probability", torch.tensor(flip_probability, dtype=torch.float32))
        self.register_buffer("data_mean", data_mean.float())

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "BitFlipCDAE":
        """Build an untrained model from configuration options, for binarized images."""
        check_binarized(training_set)
        mean = training_set.summary().mean
        network = mlp(len(mean), options["hidden_sizes"], len(mean), generator=generator)
        flips = geometric_flips(options["n_levels"], options["first_flip"], options["last_flip"])
        return cls(network, flips, mean, loss=options["loss"])

    @property
    def n_levels(self) -> int:
        """The number k of levels."""
        return len(self.flip_probability)

    @property
    def prior(self) -> LogBernoulli:
        """p(x_k), in float64."""
        mean, flip = self.data_mean.double(), self.flip_probability[-1].double()
        return from_probabilities(mean * (1.0 - flip) + (1.0 - mean) * flip)

    def logits(self, noisy: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the logits of r at states of any levels."""
        standardized = standardize(noisy, self.data_mean)
        return self.network(standardized.reshape(-1, noisy.shape[-1])).reshape(noisy.shape)

    def below(self) -> Float[Tensor, "k"]:
        """Return f_0 = 0, f_1 .. f_{k-1}, the flips of the state that the transition from each level leads to."""
        return torch.cat([torch.zeros_like(self.flip_probability[:1]), self.flip_probability[:-1]])

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]:
        """Draw x_1 .. x_k, independently of one another given x_0 = x (Eq. 3)."""
        flip = self.flip_probability[:, None, None].expand(-1, *x.shape)
        return (binary(x) - torch.bernoulli(flip.to(x.dtype), generator=generator)).abs()

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> BoundTerms:
        """Compute the terms of Eq. 4 at given latents, in nats per example, where latents[i-1] is x_i."""
        x, below = binary(x), self.below()[:, None, None]
        step_kl = flipped(self.logits(latents), below).kl_from_flips(x.expand_as(latents), below)
        return BoundTerms(-step_kl[0], step_kl[1:], self.prior_kl(x))

    def prior_kl(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Return KL(q(x_k | x_0), p(x_k)) in nats per example, of black and white x."""
        return self.prior.kl_from_flips(x, self.flip_probability[-1])

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> Float[Tensor, "n"]:
        """Return the log importance weights of Eq. 11 at given latents, in nats per example."""
        x = binary(x)
        transitions = flipped(self.logits(latents), self.below()[:, None, None])
        steps = transitions.log_prob(torch.cat([x[None], latents[:-1]])).sum(0)
        return self.prior.log_prob(latents[-1]) + steps - log_flips(x, latents, self.flip_probability).sum(0)

    def all_pairs(
        self,
        x: Float[Tensor, "n dim"],
        *,
        n_draws: int,
        generator: torch.Generator,
        true_latents: Float[Tensor, "k n dim"] | None = None,
    ) -> Float[Tensor, "n"]:
        """Return the log of the average weight of all M^k paths, in nats per example: see `baselines.flip_pairs`."""
        return flip_pairs.log_likelihood(self, x, n_draws=n_draws, generator=generator, true_latents=true_latents)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the loss named at construction, in nats, averaged over new black and white images of x.

        Both losses are minus the bound in expectation over the corruption.
        """
        x = draw_binary(x, generator=generator)
        if self.loss_name == "full":
            return -self.bound_terms(x, self.infer(x, generator=generator)).total.mean()
        chosen = torch.randint(self.n_levels, (len(x),), generator=generator, device=x.device)
        flip, below = (values[chosen, None] for values in (self.flip_probability, self.below()))
        noisy = (x - torch.bernoulli(flip.expand_as(x), generator=generator)).abs()
        step_kl = flipped(self.logits(noisy), below).kl_from_flips(x, below)
        return (self.n_levels * step_kl + self.prior_kl(x)).mean()

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Do nothing: no part is fitted in closed form during training."""

    @torch.no_grad()
    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "k n dim"]]:
        """Draw x_0 by ancestral sampling, and return it with its latents x_1 .. x_k, where latents[i-1] is x_i."""
        states = [self.prior.expand(n_samples).sample(generator=generator).to(self.data_mean.dtype)]
        for below in self.below().flip(0):
            states.append(flipped(self.logits(states[-1]), below).sample(generator=generator))
        return states[-1], torch.stack(states[-2::-1])


def geometric_flips(n_levels: int, first: float, last: float) -> list[float]:
    """Return f_1 .. f_k with a constant ratio between both ends; a single level is midway in this sense."""
    if n_levels == 1:
        return [(first * last) ** 0.5]
    return [first * (last / first) ** (i / (n_levels - 1)) for i in range(n_levels)]


def _check_flips(flips: Sequence[float]) -> None:
    increases = all(low < high for low, high in pairwise([0.0, *flips]))
    if not flips or not increases or flips[-1] > 0.5:
        raise ValueError(
            f"flip_probability: got {list(flips)}, expected one or more that increase, above 0 and at most 0.5"
        )
