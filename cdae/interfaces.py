"""What the parts of the suite promise one another: Protocols, result records and one error.

Estimators see these Protocols and never a concrete model, so which estimator runs on which model follows from the
methods that the model has. Not here: any computation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.pixel_density import PixelDensity


class DivergenceError(ArithmeticError):
    """Training reached a number that is not finite."""

    def __init__(self, what: str):
        super().__init__(f"training diverged: {what}, expected finite; lower learning_rate or raise first_std")


class InputWarning(UserWarning):
    """A user's input is taken as it is, though it looks odd; tables repeat the warning."""


@dataclass(frozen=True)
class BoundTerms:
    """One evaluation of the evidence lower bound per example, in nats, by its named terms (Eq. 4)."""

    reconstruction: Float[Tensor, "n"]  # log p(x_0 | x_1), or log p(x | z)
    level_kl: Float[Tensor, "inner n"]  # row i-1: KL(q(x_i | x_0), p(x_i | x_{i+1})), i = 1 .. k-1; no rows for a VAE
    prior_kl: Float[Tensor, "n"]  # KL(q(x_k | x_0), p(x_k))

    @property
    def total(self) -> Float[Tensor, "n"]:
        return self.reconstruction - self.level_kl.sum(0) - self.prior_kl


@dataclass(frozen=True)
class SampleVariant:
    """Which of the samples that a model can give these are.

    Attributes:
        last_step: "mean" if the last step, or every step of a chain, shows the mean of its distribution; "sample" if it
            draws from it.
        chain_start: "data" or "noise" for states of a Markov chain; None for direct sampling.
        n_chain_steps: steps from the start of the chain; None for direct sampling.
        source: where samples come from that no sampler made, such as "training examples".
    """

    last_step: Literal["mean", "sample"] = "sample"
    chain_start: Literal["data", "noise"] | None = None
    n_chain_steps: int | None = None
    source: str | None = None

    @property
    def words(self) -> str:
        """The variant in a few words, as tables name it."""
        if self.source is not None:
            return self.source
        if self.chain_start is not None:
            kind = "mean-only" if self.last_step == "mean" else "sampling"
            return f"{kind} from {self.chain_start}, {self.n_chain_steps} steps"
        return f"last step {self.last_step}"


@dataclass(frozen=True)
class SampleSet:
    """Samples of one variant of a model's sampler."""

    variant: SampleVariant
    values: Float[Tensor, "n dim"]
    rms_distance_to_start: float | None = None  # root mean square over pixels and chains; None without a start


@dataclass(frozen=True)
class Estimate:
    """Per-example values of one estimator, in nats, and the examples (by index) that they belong to.

    Attributes:
        samples: which of the model's samples the values were made from; None where they were made from none.
        converged: whether importance weights agree; None where there are none.
        mean_terms: the mean of every term of a bound, in nats, by its name.
        diagnostics: what else the estimator says of itself.
    """

    values: Float[Tensor, "n"]
    indices: Int[Tensor, "n"]
    samples: SampleVariant | None = None
    n_importance_samples: int | None = None
    converged: bool | None = None
    mean_terms: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, float] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """What tells this estimate from the estimator's others, in words; empty where it is the only one."""
        return "" if self.samples is None else self.samples.words


@runtime_checkable
class Prior(Protocol):
    """p(x_k) of a cascade, a Gaussian."""

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]: ...

    def kl_from(self, mean: Float[Tensor, "n dim"], std: Tensor) -> Float[Tensor, "n"]: ...

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]: ...

    def largest_ratio(self, std: Tensor) -> Float[Tensor, ""]: ...


@runtime_checkable
class Cascade(Protocol):
    """The numbers and the network that Eqs. 4 to 11 are written in."""

    corruption_std: Tensor  # (k+1,), first entry 0
    reconstruction_std: Tensor  # (k,), or (k, dim) with a variance per pixel
    prior_mean: Tensor  # (dim,)
    prior_std: Tensor  # (dim,), per pixel, whatever the correlations

    @property
    def prior(self) -> Prior: ...

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]: ...

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]: ...

    def last_step(self, x_1: Float[Tensor, "*batch dim"]) -> PixelDensity: ...  # p(x_0 | x_1), around any mean


@runtime_checkable
class Denoises(Protocol):
    """Has one denoiser for all of its levels (a `Cascade`), so that other inference models can be tried on it."""

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]: ...

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]: ...


@runtime_checkable
class SaysBounded(Protocol):
    """Says whether its denoiser stays in [0, 1] for every input; else no ratio of variances tells that of weights."""

    @property
    def has_bounded_denoiser(self) -> bool: ...


@runtime_checkable
class Chain(Protocol):
    """Is generated as a cascade whose transitions have other means than reconstructions (a diffusion model)."""

    @property
    def transitions(self) -> Cascade: ...  # its `denoise` gives these means: the joint density is this cascade's


@runtime_checkable
class PairsLevels(Protocol):
    """Combines M draws of every level in all M^k ways by itself, for latents that are no Gaussian states."""

    def all_pairs(
        self,
        x: Float[Tensor, "n dim"],
        *,
        n_draws: int,
        generator: torch.Generator,
        true_latents: Float[Tensor, "k n dim"] | None = None,
    ) -> Float[Tensor, "n"]: ...  # the log of the average weight, in nats; with the true latents it is an upper bound


@runtime_checkable
class Leveled(Protocol):
    """Passes every example through its network once per level."""

    @property
    def n_levels(self) -> int: ...


@runtime_checkable
class Decoder(Protocol):
    """One latent vector z ~ N(0, I), and p(x | z)."""

    latent_dim: int

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]: ...


@runtime_checkable
class Trainable(Protocol):
    """Can be trained by stochastic gradients, with closed-form parts refitted between epochs."""

    def parameters(self) -> Iterator[torch.nn.Parameter]: ...

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None: ...

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]: ...


@runtime_checkable
class ManyLosses(Protocol):
    """Has several losses with the same gradient in expectation, of which one trains it."""

    losses: tuple[str, ...]

    def named_loss(self, name: str, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]: ...


@runtime_checkable
class Fitted(Protocol):
    """Is fitted to the training data in one call, in place of gradient training; before it, its buffers are NaN."""

    def fit_closed_form(self, training_set: Any, *, generator: torch.Generator) -> None: ...  # a cdae.data.TrainingSet


@runtime_checkable
class Bounded(Protocol):
    """Has an evidence lower bound."""

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor: ...

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Tensor) -> BoundTerms: ...


@runtime_checkable
class Weighted(Protocol):
    """Has importance weights p(x, latents) / q(latents | x)."""

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor: ...

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Tensor) -> Float[Tensor, "n"]: ...


@runtime_checkable
class Samples(Protocol):
    """Can be sampled, possibly in several labelled variants."""

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]: ...


@runtime_checkable
class Chained(Protocol):
    """Is sampled by a Markov chain that starts from data or from noise."""

    def step(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]: ...

    def noise_starts(self, n: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]: ...


@runtime_checkable
class Simulates(Protocol):
    """Gives examples together with the latents that made them, so that upper bounds can be computed too."""

    def simulate(self, n_samples: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]: ...


@runtime_checkable
class Tractable(Protocol):
    """Its own log density is known in closed form."""

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]: ...


@runtime_checkable
class Layered(Protocol):
    """Has corruption levels that can be shown one by one."""

    corruption_std: Tensor  # (k+1,)

    @property
    def pooled_reconstruction_std(self) -> Float[Tensor, "k"]: ...

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor: ...

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]: ...

    def level_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k"]: ...

    def ancestral_path(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "states n dim"]: ...
