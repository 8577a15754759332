"""A single denoising auto-encoder sampled by a Markov chain (Bengio et al. 2013, "Generalized Denoising Auto-Encoders
as Generative Models").

One step corrupts, x~ = x + c eps, and denoises: with sampling, x' = r(x~) + rho eps with rho^2 the denoiser's mean
squared error; in the mean-only variant x' = r(x~), whose chain has less variance than the data. Walkback training
(their Algorithm 1) also denoises states that the chain reaches from each training example. There is no tractable
likelihood: the model offers samples only. A chain one step from its training image is a copy of it, so chains are also
started from noise, and the distance to the start is reported.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.gaussian import squared_norm, standard_normal
from cdae.interfaces import DivergenceError, SampleSet, SampleVariant

# Rows of a batch: walkback's vary in number, and bfloat16 products keep buffers of every size that they have seen.
BATCH_MULTIPLE = 32
MAX_STARTS = 10_000
WALKBACK_CONTINUATION = 0.5  # probability of one more step back, as in Bengio et al.


class DAE(nn.Module):
    """Denoiser, corruption level and the chain made of them.

    Args:
        denoiser: a module called as denoiser(x, level); the level is always 1 here.
        corruption_std: c, in data units.
        starts: (s, dim), training examples from which chains start; chains beyond s start from them again.
        n_walkback_steps: most steps back from a training example in training; 0 trains the plain DAE.
        chain_steps: increasing numbers of chain steps after which samples are taken.

    Raises:
        ValueError: for a corruption_std that is not positive.
    """

    starts: Tensor
    reconstruction_std: Tensor

    def __init__(
        self,
        denoiser: nn.Module,
        *,
        corruption_std: float,
        starts: Float[Tensor, "s dim"],
        n_walkback_steps: int = 0,
        chain_steps: tuple[int, ...] = (1, 10, 100),
    ):
        super().__init__()
        if not 0.0 < corruption_std < float("inf"):
            raise ValueError(f"corruption_std: got {corruption_std}, expected a number above 0")
        self.denoiser, self.corruption_std = denoiser, corruption_std
        self.n_walkback_steps, self.chain_steps = n_walkback_steps, chain_steps
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("reconstruction_std", torch.tensor(1.0, dtype=torch.float64))

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "DAE":
        """An untrained model from configuration options; corruption_std is in units of the data's pooled std."""
        data = training_set.summary()
        dim = len(data.mean)
        network = mlp(dim, options["hidden_sizes"], dim, generator=generator)
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        return cls(
            BlindDenoiser(network, scale),
            corruption_std=options["corruption_std"] * data.pooled_std,
            starts=training_set.draw(generator=generator)[:MAX_STARTS],
            n_walkback_steps=options["n_walkback_steps"],
            chain_steps=tuple(options["chain_steps"]),
        )

    def reconstruct(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """r(x) of corrupted data."""
        padded = nn.functional.pad(x, (0, 0, 0, -len(x) % BATCH_MULTIPLE))
        level = torch.ones(len(padded), dtype=torch.long, device=x.device)
        return self.denoiser(padded, level)[: len(x)]

    def corrupt(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        return x + self.corruption_std * standard_normal(x, *x.shape, generator=generator)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set rho^2 to the mean squared error per dimension, over `x` and one corruption of each example.

        Raises:
            DivergenceError: if the denoiser's answers are not finite.
        """
        chunks = x.split(EXAMPLES)
        with torch.no_grad():
            errors = [squared_norm(c - self.reconstruct(self.corrupt(c, generator=generator))) for c in chunks]
        mse = torch.cat(errors).sum() / x.numel()
        if not mse.isfinite():
            raise DivergenceError(f"mean squared error {mse.item()}")
        self.reconstruction_std.copy_(mse.sqrt())

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Squared error per example, averaged over the batch and over every state that walkback visits."""
        target, state, errors = x, x, []
        for step in range(self.n_walkback_steps + 1):
            x_hat = self.reconstruct(self.corrupt(state, generator=generator))
            errors.append(squared_norm(target - x_hat))
            if step == self.n_walkback_steps:
                break
            goes_on = torch.rand(len(target), generator=generator, device=target.device) < WALKBACK_CONTINUATION
            target = target[goes_on]
            if len(target) == 0:
                break
            state = self._sample_around(x_hat.detach()[goes_on], generator=generator)
        return torch.cat(errors).mean()

    @torch.no_grad()
    def step(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """One step of the sampling chain."""
        return self._sample_around(self.mean_step(x, generator=generator), generator=generator)

    @torch.no_grad()
    def mean_step(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """One step of the mean-only chain."""
        corrupted = self.corrupt(x, generator=generator)
        return torch.cat([self.reconstruct(part) for part in corrupted.split(EXAMPLES)])

    def noise_starts(self, n: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Starts far from the data: Gaussian noise with the mean and variance per pixel of the corrupted data."""
        std = (self.starts.var(0, correction=0) + self.corruption_std**2).sqrt()
        return self.starts.mean(0) + std * standard_normal(self.starts, n, self.starts.shape[1], generator=generator)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """States of n_samples chains after each of `chain_steps`, by start (data, noise) and by kind of chain."""
        for last_step, step in [("sample", self.step), ("mean", self.mean_step)]:
            for origin in ("data", "noise"):
                if origin == "data":
                    start = self.starts[torch.arange(n_samples, device=self.starts.device) % len(self.starts)]
                else:
                    start = self.noise_starts(n_samples, generator=generator)
                x = start
                for n_steps in range(1, max(self.chain_steps) + 1):
                    x = step(x, generator=generator)
                    if n_steps in self.chain_steps:
                        distance = (squared_norm(x - start).mean() / x.shape[1]).sqrt().item()
                        yield SampleSet(SampleVariant(last_step, origin, n_steps), x, distance)

    def _sample_around(self, mean: Tensor, *, generator: torch.Generator) -> Tensor:
        return mean + self.reconstruction_std * standard_normal(mean, *mean.shape, generator=generator)
