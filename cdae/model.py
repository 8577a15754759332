"""The Cascading Denoising Auto-Encoder: p(x_k) prod_{i=0}^{k-1} p(x_i | x_{i+1}) (Eqs. 1, 3, 5).

The prior is Gaussian (`prior`) and every transition is N(r(x_{i+1}), rho_i^2 I), with one denoiser r shared by all
levels. Options change the variances: every pixel has its own rho_i, the rho_i are learned by gradients in place of
Eq. 9, or a network predicts the density of the last step (`density_predictor`). The inference model is the corruption
of the data (`corruption`). The case k = 1 is the paper's single DAE as a directed model.
Not here: the bound, the importance weights, the losses and ancestral sampling. They are pure functions of a cascade in
their own modules; this class calls them with its parameters.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae import ancestral, bound, objective
from cdae.computing.chunks import EXAMPLES, examples_at_once
from cdae.corruption import NoiseSchedule, corrupt, from_options
from cdae.data import TrainingSet
from cdae.denoiser import DataScale, make_denoiser
from cdae.density_predictor import DensityPredictor, Standardized
from cdae.estimators import importance
from cdae.gaussian import squared_norm
from cdae.interfaces import BoundTerms, DivergenceError, SampleSet
from cdae.network import MLP, make_network
from cdae.pixel_density import PixelDensity
from cdae.prior import KINDS, DiagonalPrior, FullPrior

LOSSES = ("shrunk", "shrunk_uniform", "full")
RECONSTRUCTIONS = ("isotropic", "per_pixel")
VARIANCES = ("closed_form", "learned")
LOG_STD_GAIN = 10.0  # Adam moves a parameter by about its learning rate, and log rho has further to go than weights
CLOSED_FORM, ROBUST = "closed_form", "robust"  # last steps in a configuration; the third is "predicted"


class CDAE(nn.Module):
    """A cascade of k denoising steps.

    Args:
        denoiser: any module called as denoiser(x, level) with x (n, dim) and level (n,) in 1 .. k; returns (n, dim).
        schedule: the corruption levels c_1 < ... < c_k, in data units.
        data_mean, data_std: (dim,), moments of the training data. They set the prior in closed form, mu = mean and
            s^2 = std^2 + c_k^2 (of the kind that `prior` names); it minimises the third term of Eq. 6.
        loss: "shrunk" (Eqs. 7-8), "shrunk_uniform" or "full" (Eq. 6); see `objective`.
        reconstruction: "isotropic", one rho_i for all pixels, reconstruction_std (k,); or "per_pixel", (k, dim).
        variance_floor: the least value of rho_i^2, in squared data units; see `data.DataSummary`.
        variances: "closed_form" (Eq. 9), or "learned" by the gradients of Eq. 6, without a density_predictor.
        density_predictor: any module called with x_1 that returns the `PixelDensity` of p(x_0 | x_1); without it, it is
            Gaussian with the standard deviation rho_0.
        prior: "diagonal", "isotropic" (std^2 is pooled over pixels) or "full"; see `prior`.
        data_covariance: (dim, dim), the covariance of the training data; given if and only if the prior is "full".

    Raises:
        ValueError: for an unknown loss, reconstruction, prior or variances, a full prior without data_covariance,
            another prior with it, learned variances with a density_predictor (rho_0 would have no optimum), or a
            data_std that is negative or not finite.
    """

    losses = LOSSES
    corruption_std: Tensor
    reconstruction_std: Tensor
    prior_mean: Tensor
    prior_std: Tensor
    prior_factor: Tensor  # only with a full prior

    def __init__(
        self,
        denoiser: nn.Module,
        schedule: NoiseSchedule,
        *,
        data_mean: Float[Tensor, "dim"],
        data_std: Float[Tensor, "dim"],
        loss: str = "shrunk",
        reconstruction: str = "isotropic",
        variance_floor: float = 0.0,
        variances: str = CLOSED_FORM,
        density_predictor: nn.Module | None = None,
        prior: str = "diagonal",
        data_covariance: Float[Tensor, "dim dim"] | None = None,
    ):
        super().__init__()
        _check_known("loss", loss, LOSSES)
        _check_known("reconstruction", reconstruction, RECONSTRUCTIONS)
        _check_known("prior", prior, KINDS)
        _check_known("variances", variances, VARIANCES)
        if variances == "learned" and density_predictor is not None:
            raise ValueError("variances: got 'learned' with a predicted last step, which has no rho_0; use closed_form")
        if (prior == "full") != (data_covariance is not None):
            raise ValueError(f"data_covariance: expected for a full prior, and for no other; the prior is {prior!r}")
        if not (data_std.isfinite().all() and (data_std >= 0).all()):
            raise ValueError("data_std: got a negative or infinite entry, expected standard deviations of the data")
        self.denoiser, self.density_predictor, self.loss_name = denoiser, density_predictor, loss
        self.per_pixel, self.variance_floor = reconstruction == "per_pixel", variance_floor
        c = torch.tensor(schedule.corruption_std, dtype=torch.float64)
        data_variance = data_std.double().square()
        self.register_buffer("corruption_std", c)
        self.register_buffer("prior_mean", data_mean.double())
        prior_variance = data_variance.mean().expand_as(data_variance) if prior == "isotropic" else data_variance
        self.register_buffer("prior_std", (prior_variance + c[-1] ** 2).sqrt())
        self.has_full_prior = data_covariance is not None
        if data_covariance is not None:
            corrupted = data_covariance.double() + c[-1] ** 2 * torch.eye(len(data_std), dtype=torch.float64)
            self.register_buffer("prior_factor", torch.linalg.cholesky(corrupted))
        # Until the first refit, the error is that of a denoiser that always returns the data's mean.
        mse = data_variance if self.per_pixel else data_variance.mean()
        self.register_buffer("reconstruction_std", self._optimal_std(mse.expand(schedule.n_levels, *mse.shape)))
        first = self.reconstruction_std.log().float() / LOG_STD_GAIN
        self.learned = nn.Parameter(first) if variances == "learned" else None

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "CDAE":
        """Build an untrained model from configuration options.

        The levels of the schedule are in units of the data's pooled standard deviation (`corruption.from_options`).
        """
        data = training_set.summary()
        schedule = from_options(options, data.pooled_std)
        dim, k = len(data.mean), schedule.n_levels
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        shape = training_set.image_shape
        network = partial(
            make_network, options.get("network", MLP), dim, shape, options["hidden_sizes"], generator=generator
        )
        denoiser = make_denoiser(options["denoiser"], scale, network, n_levels=k)
        reconstruction, prior = options.get("reconstruction", "isotropic"), options.get("prior", "diagonal")
        predictor, last_step = None, options.get("last_step", CLOSED_FORM)
        if last_step != CLOSED_FORM:
            predictor = DensityPredictor(
                Standardized(network(), scale), scale, data.variance_floor, robust=last_step == ROBUST
            )
        return cls(
            denoiser,
            schedule,
            data_mean=data.mean,
            data_std=data.std,
            loss=options["loss"],
            reconstruction=reconstruction,
            variance_floor=data.variance_floor if reconstruction == "per_pixel" else 0.0,
            variances=options.get("variances", CLOSED_FORM),
            density_predictor=predictor,
            prior=prior,
            data_covariance=training_set.covariance() if prior == "full" else None,
        )

    @property
    def n_levels(self) -> int:
        """The number k of corruption levels."""
        return len(self.reconstruction_std)

    @property
    def log_reconstruction_std(self) -> Float[Tensor, "k *pixels"] | None:
        """The logarithms of rho_0 .. rho_{k-1} where they are learned; None where they are not."""
        return None if self.learned is None else LOG_STD_GAIN * self.learned

    @property
    def prior(self) -> DiagonalPrior | FullPrior:
        """The prior p(x_k)."""
        if self.has_full_prior:
            return FullPrior(self.prior_mean, self.prior_factor)
        return DiagonalPrior(self.prior_mean, self.prior_std)

    @property
    def pooled_reconstruction_std(self) -> Float[Tensor, "k"]:
        """One standard deviation rho_0 .. rho_{k-1} per level: the root mean square over pixels."""
        return objective.pooled_std(self.reconstruction_std)

    @property
    def has_bounded_denoiser(self) -> bool:
        """Whether reconstructions stay in [0, 1] wherever they start; not of a denoiser that does not say its scale."""
        scale = getattr(self.denoiser, "data_scale", None)
        return scale is not None and scale.unit_interval

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]:
        """Return r(x_1) .. r(x_k), where noisy[i-1] is x_i, from one pass through the network."""
        k, n, dim = noisy.shape
        level = torch.arange(1, k + 1, device=noisy.device).repeat_interleave(n)
        return self.denoiser(noisy.reshape(k * n, dim), level).reshape(k, n, dim)

    def last_step(self, x_1: Float[Tensor, "*batch dim"]) -> PixelDensity:
        """Return p(x_0 | x_1) around r(x_1): a Gaussian with the standard deviation rho_0, or what is predicted."""
        return self._own_last_step(x_1) or PixelDensity(self.reconstruction_std[0])

    def _own_last_step(self, x_1: Tensor) -> PixelDensity | None:
        return None if self.density_predictor is None else self.density_predictor(x_1)

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]:
        """Draw x_1 .. x_k from q given x_0 = x (Eq. 3)."""
        return corrupt(x, self.corruption_std, generator=generator)

    def bound_terms(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> BoundTerms:
        """Compute the terms of Eq. 4 at given latents, in nats per example."""
        return bound.bound_terms(self, x, latents)

    def log_weights(self, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"]) -> Float[Tensor, "n"]:
        """Return the log importance weights of Eq. 11 at given latents, in nats per example."""
        return importance.log_weights(self, x, latents)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the loss named at construction, in nats, averaged over the batch."""
        return self.named_loss(self.loss_name, x, generator=generator)

    def named_loss(self, name: str, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute one of `losses`, in nats, averaged over the batch; all have the same gradient in expectation."""
        if self.log_reconstruction_std is None:
            return self.denoising_loss(name, x, self.reconstruction_std, generator=generator)
        std = self.log_reconstruction_std.double().exp()
        terms = objective.variance_terms(self.corruption_std, std, x.shape[1])
        return self.denoising_loss(name, x, std, generator=generator) + terms

    def denoising_loss(
        self, name: str, x: Float[Tensor, "n dim"], std: Float[Tensor, "k *pixels"], *, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Compute one of `losses` with given standard deviations in the place of rho_0 .. rho_{k-1}."""
        if name == "full":
            noisy = self.infer(x, generator=generator)
            return objective.full_loss(x, self.denoise(noisy), std, self._own_last_step(noisy[0]))
        if name == "shrunk":
            probability = objective.level_weights(std.detach())
        else:
            probability = torch.full_like(self.corruption_std[1:], 1.0 / self.n_levels)
        level = objective.draw_levels(probability, len(x), generator=generator)
        noisy = objective.corrupt_at(x, level, self.corruption_std, generator=generator)
        # Which examples are at level 1 is asked for where it matters alone: a GPU waits for the answer.
        last_step = None if self.density_predictor is None else self.density_predictor(noisy[level == 1])
        return objective.one_level_loss(x, self.denoiser(noisy, level), level, probability, std, last_step)

    @torch.no_grad()
    def level_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k"]:
        """Estimate MSE_i = E |x_0 - r(x_i)|^2 / dim at levels 1 .. k, from one corruption of each example."""
        total = torch.zeros_like(self.corruption_std[1:])
        for residual in self._residuals(x, generator=generator):
            total += squared_norm(residual).sum(1)
        return total / x.numel()

    @torch.no_grad()
    def pixel_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k dim"]:
        """Estimate E (x_0 - r(x_i))_j^2 for every level i and pixel j; its mean over pixels is `level_mse`."""
        total = x.new_zeros(self.n_levels, x.shape[1], dtype=torch.float64)
        for residual in self._residuals(x, generator=generator):
            total += residual.square().sum(1, dtype=torch.float64)
        return total / len(x)

    def _residuals(self, x: Tensor, *, generator: torch.Generator) -> Iterator[Float[Tensor, "k rows dim"]]:
        for chunk in x.split(examples_at_once(self)):
            yield chunk - self.denoise(self.infer(chunk, generator=generator))

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set every rho_i by Eq. 9, with its expectation over the examples `x` and one corruption of each.

        Learned ones are copied from where they are learned.

        Raises:
            DivergenceError: if the denoiser's outputs are not finite.
        """
        if self.log_reconstruction_std is not None:
            with torch.no_grad():
                self.reconstruction_std.copy_(self.log_reconstruction_std.double().exp())
            return
        mse = (self.pixel_mse if self.per_pixel else self.level_mse)(x, generator=generator)
        if not mse.isfinite().all():
            raise DivergenceError(f"mean squared errors {mse.reshape(len(mse), -1).mean(1).tolist()} of the levels")
        self.reconstruction_std.copy_(self._optimal_std(mse))

    def _optimal_std(self, mse: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k *pixels"]:
        return objective.optimal_reconstruction_std(self.corruption_std, mse, variance_floor=self.variance_floor)

    def ancestral_path(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "states n dim"]:
        """Return the k + 1 states of ancestral sampling: x_k from the prior, x_{k-1}, ..., x_1, and the mean r(x_1)."""
        x_k = self.sample_prior(n_samples, generator=generator)
        return torch.stack(list(ancestral.path(self, x_k, generator=generator)))

    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "k n dim"]]:
        """Draw x_0 from the model, and return it with its latents x_1 .. x_k, where latents[i-1] is x_i."""
        path = self.ancestral_path(n_samples, generator=generator)
        return ancestral.sample_around(self, path[-1], path[-2], generator=generator), path[:-1].flip(0)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield the same ancestral paths with two last steps: the mean r(x_1), and a sample of p(x_0 | x_1)."""
        return ancestral.sample_sets(self, self.sample_prior(n_samples, generator=generator), generator=generator)

    def sample_prior(self, n_samples: int, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw x_k from the prior, with the precision of the networks."""
        like = next(self.denoiser.parameters(), self.prior_mean)
        return self.prior.sample(n_samples, generator=generator).to(like.dtype)

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]:
        """Return r(x) for states x that are all at one level in 1 .. k."""
        parts = [self.denoiser(part, torch.full((len(part),), level, device=x.device)) for part in x.split(EXAMPLES)]
        return torch.cat(parts)


def _check_known(name: str, got: str, known: tuple[str, ...]) -> None:
    if got not in known:
        raise ValueError(f"{name}: got {got!r}, expected one of {', '.join(known)}")
