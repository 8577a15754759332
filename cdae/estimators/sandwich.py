"""Lower and upper bounds on log p(x) by every estimator that averages weights (bidirectional Monte Carlo).

The weights have E[w] = p(x), so the log of their average is a stochastic lower bound on log p(x). An upper bound needs
data that the model has generated, whose true latents are known. The true latents replace one draw at every level, or
start the chains in reverse, and then E[1 / estimate] = 1 / p(x). The gap between the two bounds on such data is
reported beside a lower bound on test data (R. Grosse et al., 2015; Y. Wu et al., 2017).

Not here: the estimators themselves (`importance`, `proposals`, `all_pairs`, `sequential`, `annealing`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cdae import ancestral
from cdae.estimators import all_pairs, annealing, sequential
from cdae.estimators.course import Course
from cdae.estimators.progress import Progress, to_stderr
from cdae.estimators.proposals import Proposal, draw_log_weights, log_joint, log_proposal
from cdae.estimators.two_sided import BothSides
from cdae.estimators.whitened import Base
from cdae.gaussian import log_mean_exp, standard_normal
from cdae.interfaces import Cascade, Decoder, PairsLevels, Weighted

BASE_POINTS = 25  # whose bases are held together: up to 4 MB per point and level
BLOCK_ROWS = 2_000  # rows (draws times examples) of a block; a constant, because draws depend on it


@dataclass(frozen=True)
class ImportanceSampling:
    """Importance sampling with M draws (Eq. 11).

    Attributes:
        draw: (x, generator) -> log weights (n,), in nats, at one draw of the latents per example.
        at: (x, latents) -> log weights (n,), in nats, at the given latents.
        n_draws: M.
    """

    draw: Callable[[Tensor, torch.Generator], Tensor]
    at: Callable[[Tensor, Tensor], Tensor]
    n_draws: int

    @torch.no_grad()
    def log_weights(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "rows n"]:
        """Return M log weights per example, in nats."""
        at_once = max(1, BLOCK_ROWS // len(x))
        blocks = [min(at_once, self.n_draws - start) for start in range(0, self.n_draws, at_once)]
        return torch.cat([self.draw(x.repeat(rows, 1), generator).reshape(rows, -1) for rows in blocks])

    @torch.no_grad()
    def both_sides(self, x: Float[Tensor, "n dim"], latents: Tensor, *, generator: torch.Generator) -> BothSides:
        """Above is the log of the average weight where the true latents replace the first draw."""
        log_weights = self.log_weights(x, generator=generator)
        return BothSides(log_weights, log_mean_exp(torch.cat([self.at(x, latents)[None], log_weights[1:]])))


def cascade_sampling(model: Cascade, proposal: Proposal, n_draws: int) -> ImportanceSampling:
    """Build importance sampling of a cascade with the given inference model."""

    def draw(x: Tensor, generator: torch.Generator) -> Tensor:
        return draw_log_weights(model, proposal, x, generator=generator)

    def at(x: Tensor, latents: Tensor) -> Tensor:
        x_hat = model.denoise(latents)
        return log_joint(model, x, latents, x_hat) - log_proposal(model, proposal, x, latents, x_hat)

    return ImportanceSampling(draw, at, n_draws)


def encoder_sampling(model: Weighted, n_draws: int) -> ImportanceSampling:
    """Build importance sampling of a model with its own inference model."""

    def draw(x: Tensor, generator: torch.Generator) -> Tensor:
        return model.log_weights(x, model.infer(x, generator=generator))

    return ImportanceSampling(draw, model.log_weights, n_draws)


def prior_sampling_of_cascade(model: Cascade, n_draws: int) -> ImportanceSampling:
    """Build importance sampling with latents drawn from the cascade itself, top-down; the weight is p(x_0 | x_1).

    It is blind to x, and so it goes where an inference model never goes. In many dimensions it hardly ever hits x.
    """

    def draw(x: Tensor, generator: torch.Generator) -> Tensor:
        x_k = model.prior.sample(len(x), generator=generator).to(x.dtype)
        *_, x_1, mean = ancestral.path(model, x_k, generator=generator)
        return model.last_step(x_1).log_prob(x, mean)

    def at(x: Tensor, latents: Tensor) -> Tensor:
        x_1 = latents[0]
        return model.last_step(x_1).log_prob(x, model.denoise_level(x_1, 1))

    return ImportanceSampling(draw, at, n_draws)


def prior_sampling_of_decoder(model: Decoder, n_draws: int) -> ImportanceSampling:
    """Build importance sampling with z drawn from N(0, I), blind to x; the weight is p(x | z)."""

    def draw(x: Tensor, generator: torch.Generator) -> Tensor:
        return model.log_likelihood(x, standard_normal(x, len(x), model.latent_dim, generator=generator))

    return ImportanceSampling(draw, model.log_likelihood, n_draws)


@dataclass(frozen=True)
class Repeated:
    """Independent repeats of an estimator whose weights are averages over many paths.

    Attributes:
        estimate: (x, generator=, true_latents=) -> log of an unbiased estimate of p(x), (n,), in nats.
        n_repeats: the number of repeats.
    """

    estimate: Callable[..., Tensor]
    n_repeats: int

    def log_weights(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "rows n"]:
        """Return n_repeats log estimates of p(x) per example, in nats."""
        return self.estimate(x.repeat(self.n_repeats, 1), generator=generator).reshape(self.n_repeats, -1)

    def both_sides(self, x: Float[Tensor, "n dim"], latents: Tensor, *, generator: torch.Generator) -> BothSides:
        """Above is the log of the average over repeats, where another one with the true latents replaces the first."""
        log_weights = self.log_weights(x, generator=generator)
        with_truth = self.estimate(x, true_latents=latents, generator=generator)
        return BothSides(log_weights, log_mean_exp(torch.cat([with_truth[None], log_weights[1:]])))


def repeated_all_pairs(model: Cascade, proposal: Proposal, *, n_draws: int, n_repeats: int) -> Repeated:
    """Build independent repeats of `all_pairs.log_likelihood`."""
    return Repeated(partial(all_pairs.log_likelihood, model, proposal=proposal, n_draws=n_draws), n_repeats)


def repeated_own_all_pairs(model: PairsLevels, *, n_draws: int, n_repeats: int) -> Repeated:
    """Build independent repeats of the model's own all pairs."""
    return Repeated(partial(model.all_pairs, n_draws=n_draws), n_repeats)


def repeated_sequential(model: Cascade, proposal: Proposal, *, n_particles: int, n_repeats: int) -> Repeated:
    """Build independent repeats of `sequential.log_likelihood`."""
    return Repeated(partial(sequential.log_likelihood, model, proposal=proposal, n_particles=n_particles), n_repeats)


@dataclass(frozen=True)
class Annealing:
    """Annealing in coordinates that are fitted to each point, along the course of a pilot.

    Both sides go from and to one base, which is fitted with x and random numbers alone. It does not know the latents.

    Attributes:
        fit: (x, generator=) -> base of these points, a `gaussian_base.CascadeFit` or `DecoderFit`.
        course: of a pilot on other points with other random numbers.
        n_distributions: steps of beta from 0 to 1.
        n_chains: per point, which are resampled among themselves.
        progress: called with one line at a time.
    """

    fit: Callable[..., Base]
    course: Course
    n_distributions: int
    n_chains: int
    progress: Progress = to_stderr

    def log_weights(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "1 n"]:
        """Return the log of one estimate of p(x) per example, from all of its chains, in nats."""
        parts = x.tensor_split(_n_parts(x))
        return torch.cat([self._lower(self.fit(part, generator=generator), generator) for part in parts])[None]

    def both_sides(self, x: Float[Tensor, "n dim"], latents: Tensor, *, generator: torch.Generator) -> BothSides:
        """Above, one chain has come from the true latents.

        Raises:
            ValueError: if the number of latents differs from the number of points.
        """
        if latents.shape[-2] != len(x):
            raise ValueError(
                f"latents: got shape {tuple(latents.shape)}, expected {len(x)} rows in the last but one axis"
            )
        n, lower, upper = _n_parts(x), [], []
        for part, truth in zip(x.tensor_split(n), latents.tensor_split(n, dim=-2), strict=True):
            base = self.fit(part, generator=generator)
            lower.append(self._lower(base, generator))
            upper.append(annealing.upper_bound(base, truth, self.course, **self._size(), generator=generator))
        return BothSides(torch.cat(lower)[None], torch.cat(upper))

    def _lower(self, base: Base, generator: torch.Generator) -> Float[Tensor, "n"]:
        return annealing.lower_bound(base, self.course, **self._size(), generator=generator)

    def _size(self) -> dict[str, Any]:
        return {"n_distributions": self.n_distributions, "n_chains": self.n_chains, "progress": self.progress}


def _n_parts(x: Float[Tensor, "n dim"]) -> int:
    """How many parts of about equal size keep to `BASE_POINTS`."""
    return -(-len(x) // BASE_POINTS)
