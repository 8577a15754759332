"""A single denoising auto-encoder sampled by a Markov chain (Y. Bengio et al., 2013).

One step of the chain corrupts a state, x~ = x + c eps, and then denoises it. The sampling chain takes
x' = r(x~) + rho eps, where rho^2 is the denoiser's mean squared error. The mean-only chain takes x' = r(x~), and has
less variance than the data. Walkback training (Algorithm 1 of the source) also denoises states that the chain reaches
from each training example. The likelihood is not tractable, so the model only gives samples. One step from a training
image the state is almost a copy of it, so chains also start from noise, and the distance to the start is reported.

Source: Y. Bengio et al., "Generalized Denoising Auto-Encoders as Generative Models", 2013.
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

# Batches are padded to a multiple of this number of rows: walkback changes the number of rows, and bfloat16 products
# keep a buffer for every number of rows that occurs.
BATCH_MULTIPLE = 32
MAX_STARTS = 10_000
WALKBACK_CONTINUATION = 0.5  # probability of one more step back, as in Bengio et al.


class DAE(nn.Module):
    """A denoising auto-encoder with one corruption level, and its Markov chain.

    Args:
        denoiser: a module called as denoiser(x, level) with x (n, dim) and level (n,), which is always 1 here.
        corruption_std: c, in data units.
        starts: (s, dim), the training examples from which chains start; with more than s chains they are used again.
        n_walkback_steps: at most so many walkback steps from a training example in training; 0 trains the plain DAE.
        chain_steps: the numbers of chain steps, in increasing order, after which samples are taken.

    Raises:
        ValueError: if corruption_std is not positive and finite.
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
        """Build an untrained model from configuration options.

        The option corruption_std is in units of the data's pooled standard deviation.
        """
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
        """Return the reconstructions r(x) of corrupted data x."""
        padded = nn.functional.pad(x, (0, 0, 0, -len(x) % BATCH_MULTIPLE))
        level = torch.ones(len(padded), dtype=torch.long, device=x.device)
        return self.denoiser(padded, level)[: len(x)]

    def corrupt(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw x + c eps, one corrupted copy of each example."""
        return x + self.corruption_std * standard_normal(x, *x.shape, generator=generator)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set rho^2 to the mean squared error per dimension, over the examples `x` and one corruption of each.

        Raises:
            DivergenceError: if the denoiser's outputs are not finite.
        """
        chunks = x.split(EXAMPLES)
        with torch.no_grad():
            errors = [squared_norm(c - self.reconstruct(self.corrupt(c, generator=generator))) for c in chunks]
        mse = torch.cat(errors).sum() / x.numel()
        if not mse.isfinite():
            raise DivergenceError(f"mean squared error {mse.item()}")
        self.reconstruction_std.copy_(mse.sqrt())

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the squared error |x - r(x~)|^2 in squared data units.

        It is averaged over the examples of the batch and all states that walkback visits.
        """
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
        """Take one step of the sampling chain."""
        return self._sample_around(self.mean_step(x, generator=generator), generator=generator)

    @torch.no_grad()
    def mean_step(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Take one step of the mean-only chain."""
        corrupted = self.corrupt(x, generator=generator)
        return torch.cat([self.reconstruct(part) for part in corrupted.split(EXAMPLES)])

    def noise_starts(self, n: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw n starts far from the data: Gaussian noise with the corrupted data's mean and variance of each pixel."""
        std = (self.starts.var(0, correction=0) + self.corruption_std**2).sqrt()
        return self.starts.mean(0) + std * standard_normal(self.starts, n, self.starts.shape[1], generator=generator)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield the states of n_samples chains after each of `chain_steps`.

        There are four groups of chains: sampling and mean-only, each started from data and from noise.
        """
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
