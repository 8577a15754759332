"""The Cascading Denoising Auto-Encoder: p(x_k) prod_{i=0}^{k-1} p(x_i | x_{i+1}) (Eqs. 1, 3, 5).

The prior is N(mu, s^2) per pixel and every transition is N(r(x_{i+1}), rho_i^2 I), with one denoiser r shared by all
levels. The inference side is plain corruption (`corruption`). k = 1 is the paper's single DAE as a directed model.
Not here: the bound, the importance weights and the losses, which are pure functions of a cascade in modules of their
own; this class ties them to one set of parameters.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae import bound, importance, objective
from cdae.corruption import SCHEDULES, NoiseSchedule, corrupt
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, ConditionedDenoiser, DataScale, mlp
from cdae.gaussian import squared_norm, standard_normal
from cdae.interfaces import BoundTerms, DivergenceError, SampleSet

CHUNK_ROWS = 1_000  # examples per forward pass; a constant, because results depend on it in their last bits
LOSSES = ("shrunk", "shrunk_uniform", "full")


class CDAE(nn.Module):
    """A cascade of k denoising steps.

    Args:
        denoiser: any module called as denoiser(x, level) with x (n, dim) and level (n,) in 1 .. k; returns (n, dim).
        schedule: the corruption levels c_1 < ... < c_k, in data units.
        data_mean, data_std: (dim,), moments of the training data; they fix the prior in closed form,
            mu = mean and s^2 = std^2 + c_k^2, which is the minimiser of the third term of Eq. 6.
        loss: "shrunk" (Eqs. 7-8), "shrunk_uniform" or "full" (Eq. 6); see `objective`.

    Raises:
        ValueError: for an unknown loss, or a data_std that is negative or not finite.
    """

    corruption_std: Tensor
    reconstruction_std: Tensor
    prior_mean: Tensor
    prior_std: Tensor

    def __init__(
        self,
        denoiser: nn.Module,
        schedule: NoiseSchedule,
        *,
        data_mean: Float[Tensor, "dim"],
        data_std: Float[Tensor, "dim"],
        loss: str = "shrunk",
    ):
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"loss: got {loss!r}, expected one of {', '.join(LOSSES)}")
        if not (data_std.isfinite().all() and (data_std >= 0).all()):
            raise ValueError("data_std: got a negative or infinite entry, expected standard deviations of the data")
        self.denoiser, self.loss_name = denoiser, loss
        c = torch.tensor(schedule.corruption_std, dtype=torch.float64)
        data_variance = data_std.double().square()
        self.register_buffer("corruption_std", c)
        self.register_buffer("prior_mean", data_mean.double())
        self.register_buffer("prior_std", (data_variance + c[-1] ** 2).sqrt())
        # Until the first refit: the error of a denoiser that always answers the data's mean.
        mse = data_variance.mean().expand(schedule.n_levels)
        self.register_buffer("reconstruction_std", objective.optimal_reconstruction_std(c, mse))

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "CDAE":
        """An untrained model from configuration options; schedule ends are in units of the data's pooled std."""
        data = training_set.summary()
        make_schedule = SCHEDULES[options["schedule"]]
        ends = (options["first_std"] * data.pooled_std, options["last_std"] * data.pooled_std)
        schedule = make_schedule(options["n_levels"], *ends)
        dim, k = len(data.mean), schedule.n_levels
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        denoiser: nn.Module
        if options["conditioned"]:
            network = mlp(dim + k, options["hidden_sizes"], dim, generator=generator)
            denoiser = ConditionedDenoiser(network, scale, k)
        else:
            denoiser = BlindDenoiser(mlp(dim, options["hidden_sizes"], dim, generator=generator), scale)
        return cls(denoiser, schedule, data_mean=data.mean, data_std=data.std, loss=options["loss"])

    @property
    def n_levels(self) -> int:
        return len(self.reconstruction_std)

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]:
        """r(x_i) of one copy at each level 1 .. k, in a single pass through the network."""
        k, n, dim = noisy.shape
        level = torch.arange(1, k + 1, device=noisy.device).repeat_interleave(n)
        return self.denoiser(noisy.reshape(k * n, dim), level).reshape(k, n, dim)

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]:
        """x_1 .. x_k drawn from q given x_0 = x."""
        return corrupt(x, self.corruption_std, generator=generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> BoundTerms:
        return bound.bound_terms(self, x, latents)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> Float[Tensor, "n"]:
        return importance.log_weights(self, x, latents)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """The training loss chosen at construction, a mean over the batch in nats."""
        if self.loss_name == "full":
            return objective.full_loss(self, x, self.infer(x, generator=generator))
        if self.loss_name == "shrunk":
            probability = objective.level_weights(self.reconstruction_std)
        else:
            probability = torch.full_like(self.reconstruction_std, 1.0 / self.n_levels)
        level = objective.draw_levels(probability, len(x), generator=generator)
        x_hat = self.denoiser(objective.corrupt_at(x, level, self.corruption_std, generator=generator), level)
        return objective.one_level_loss(squared_norm(x - x_hat), level, probability, self.reconstruction_std)

    @torch.no_grad()
    def level_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k"]:
        """MSE_i = E |x_0 - r(x_i)|^2 / dim at every level 1 .. k, over the examples and one corruption of each."""
        total = torch.zeros_like(self.reconstruction_std)
        for chunk in x.split(CHUNK_ROWS):
            total += squared_norm(chunk - self.denoise(self.infer(chunk, generator=generator))).sum(1)
        return total / x.numel()

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set every rho_i by Eq. 9, its expectation taken over `x` and one corruption of each example.

        Raises:
            DivergenceError: if the denoiser's answers are not finite.
        """
        mse = self.level_mse(x, generator=generator)
        if not mse.isfinite().all():
            raise DivergenceError(f"mean squared errors {mse.tolist()} of the levels")
        self.reconstruction_std.copy_(objective.optimal_reconstruction_std(self.corruption_std, mse))

    def ancestral_path(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "states n dim"]:
        """Ancestral sampling, every state of it: x_k from the prior, x_{k-1}, ..., x_1, then the mean r(x_1)."""
        path = [self._sample_prior(n_samples, generator=generator)]
        for level in range(self.n_levels, 0, -1):
            path.append(self._step_down(path[-1], level, generator=generator))
        return torch.stack(path)

    def _sample_prior(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        like, shape = next(self.denoiser.parameters(), self.prior_mean), (n_samples, len(self.prior_mean))
        x = self.prior_mean + self.prior_std * standard_normal(self.prior_mean, *shape, generator=generator)
        return x.to(like.dtype)

    @torch.no_grad()
    def _step_down(
        self, x: Float[Tensor, "n dim"], level: int, *, generator: torch.Generator
    ) -> Float[Tensor, "n dim"]:
        """x_{level-1} drawn given x_level = x; the mean where level is 1."""
        mean = self.denoise_level(x, level)
        if level == 1:
            return mean
        return mean + self.reconstruction_std[level - 1] * standard_normal(mean, *mean.shape, generator=generator)

    @torch.no_grad()
    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "k n dim"]]:
        """x_0 drawn from the model, and the latents x_1 .. x_k that it was drawn from (latents[i-1] is x_i)."""
        path = self.ancestral_path(n_samples, generator=generator)
        noise = standard_normal(path, *path.shape[1:], generator=generator)
        return path[-1] + self.reconstruction_std[0] * noise, path[:-1].flip(0)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The same ancestral draws with the last step as its mean r(x_1), and as a sample r(x_1) + rho_0 eps."""
        mean = self._sample_prior(n_samples, generator=generator)
        for level in range(self.n_levels, 0, -1):  # without keeping the path, which would fill the memory
            mean = self._step_down(mean, level, generator=generator)
        yield SampleSet("last step mean", mean)
        noise = standard_normal(mean, *mean.shape, generator=generator)
        yield SampleSet("last step sample", mean + self.reconstruction_std[0] * noise)

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]:
        """r(x) of states that are all at one level."""
        parts = [self.denoiser(part, torch.full((len(part),), level, device=x.device)) for part in x.split(CHUNK_ROWS)]
        return torch.cat(parts)
