"""Controls: rows that tell what a number is worth.

The training set itself as "samples" is what a perfect memoriser would score by Parzen; a Gaussian fitted in closed
form has an exact log density. Nothing here is trained by gradients.

The Gaussians are maximum likelihood fits to the dequantized training data, whose moments are known without drawing the
noise: those of the levels, and the variance of the uniform on the diagonal. Probabilistic principal component analysis
(M. Tipping and C. Bishop, "Probabilistic Principal Component Analysis", 1999) is the Gaussian with covariance
W W^T + s^2 I, W of q columns; in terms of the eigenvalues l_1 >= ... >= l_d of the data's covariance and the
eigenvectors U, its maximum likelihood is

    s^2 = mean of l_{q+1} .. l_d,   W = U_q (diag(l_1 .. l_q) - s^2 I)^(1/2)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.gaussian import log_normal, log_normal_full, standard_normal
from cdae.interfaces import SampleSet, SampleVariant

SINGULAR = 1e-10  # share of a dimension's variance that the dimensions before it must leave unexplained
SINGULAR_MESSAGE = (
    "training data: their covariance is singular, expected every dimension to vary on its own; remove constant and "
    "repeated dimensions, dequantize, or choose a simpler covariance"
)


class TrainingSamplesControl(nn.Module):
    """Real training examples in place of samples, without dequantization: a random draw without repetition.

    Args:
        values: all training examples.
        n_samples: how many to give; None for as many as are asked for.

    Raises:
        ValueError: if n_samples is below 1, or above the number of training examples.
    """

    values: Tensor

    def __init__(self, values: Float[Tensor, "m dim"], n_samples: int | None = None):
        super().__init__()
        if n_samples is not None and not 1 <= n_samples <= len(values):
            raise ValueError(
                f"n_samples: got {n_samples}, expected 1 to {len(values)}, the number of training examples"
            )
        self.n_samples = n_samples
        self.register_buffer("values", values, persistent=False)

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "TrainingSamplesControl":
        return cls(training_set.pixels(), options.get("n_samples"))

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The model's own number of examples where it has one, else `n_samples`, or all where there are fewer."""
        n = n_samples if self.n_samples is None else self.n_samples
        chosen = torch.randperm(len(self.values), generator=generator, device=self.values.device)[:n]
        yield SampleSet(SampleVariant(source="training examples"), self.values[chosen])


class IndependentGaussian(nn.Module, ABC):
    """N(mean, diag(std^2)) in float64; NaN until `fit_closed_form`."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("mean", torch.full((dim,), torch.nan, dtype=torch.float64))
        self.register_buffer("std", torch.full((dim,), torch.nan, dtype=torch.float64))

    @abstractmethod
    def constrain(self, variance: Float[Tensor, "dim"]) -> Float[Tensor, "dim"]:
        """The variances of this kind with the highest likelihood, given the data's own."""

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Maximum likelihood; draws nothing from the generator.

        Raises:
            ValueError: if a fitted variance is zero, so that there is no density.
        """
        moments = training_set.summary()
        variance = self.constrain(moments.std.square())
        if not (variance > 0).all():
            raise ValueError(SINGULAR_MESSAGE)
        self.mean.copy_(moments.mean)
        self.std.copy_(variance.sqrt())

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Exact log density in nats."""
        return log_normal(x, self.mean, self.std)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        yield SampleSet(SampleVariant(source="sample"), (self.mean + noise * self.std).float())


class IsotropicGaussian(IndependentGaussian):
    """One variance for all dimensions: the mean of theirs."""

    def constrain(self, variance: Float[Tensor, "dim"]) -> Float[Tensor, "dim"]:
        return variance.mean().expand_as(variance)


class DiagonalGaussian(IndependentGaussian):
    """A variance per dimension, and no correlations."""

    def constrain(self, variance: Float[Tensor, "dim"]) -> Float[Tensor, "dim"]:
        return variance


class CorrelatedGaussian(nn.Module, ABC):
    """N(mean, factor factor^T), factor lower triangular, in float64; NaN until `fit_closed_form`."""

    mean: Tensor
    factor: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("mean", torch.full((dim,), torch.nan, dtype=torch.float64))
        self.register_buffer("factor", torch.full((dim, dim), torch.nan, dtype=torch.float64))

    @abstractmethod
    def constrain(self, covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
        """The covariance of this kind with the highest likelihood, given the data's own."""

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Maximum likelihood; draws nothing from the generator.

        Raises:
            ValueError: if the fitted covariance is singular, so that there is no density.
        """
        covariance = self.constrain(training_set.covariance())
        factor, failed = torch.linalg.cholesky_ex(covariance)
        unexplained = factor.diagonal().square() > SINGULAR * covariance.diagonal()
        if failed or not unexplained.all():
            raise ValueError(SINGULAR_MESSAGE)
        self.mean.copy_(training_set.summary().mean)
        self.factor.copy_(factor)

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Exact log density in nats."""
        return log_normal_full(x, self.mean, self.factor)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        yield SampleSet(SampleVariant(source="sample"), (self.mean + noise @ self.factor.T).float())


class FullGaussian(CorrelatedGaussian):
    """The data's own covariance."""

    def constrain(self, covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
        return covariance


GAUSSIANS = {"isotropic": IsotropicGaussian, "diagonal": DiagonalGaussian, "full": FullGaussian}


class GaussianControl(nn.Module):
    """The simplest density models: a Gaussian whose covariance is restricted or free.

    Args:
        covariance: "isotropic", "diagonal" or "full".

    Raises:
        ValueError: for any other covariance.
    """

    def __init__(self, dim: int, covariance: str):
        super().__init__()
        if covariance not in GAUSSIANS:
            raise ValueError(f"covariance: got {covariance!r}, expected one of {', '.join(GAUSSIANS)}")
        self.gaussian = GAUSSIANS[covariance](dim)

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "GaussianControl":
        return cls(training_set.values.shape[1], options.get("covariance", "diagonal"))

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Maximum likelihood.

        Raises:
            ValueError: if the fitted covariance is singular.
        """
        self.gaussian.fit_closed_form(training_set, generator=generator)

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Exact log density in nats."""
        return self.gaussian.log_prob(x)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        yield from self.gaussian.sample_sets(n_samples, generator=generator)


class PPCAControl(CorrelatedGaussian):
    """Probabilistic principal component analysis with q = n_components.

    Raises:
        ValueError: unless 1 <= n_components < dim.
    """

    def __init__(self, dim: int, n_components: int):
        super().__init__(dim)
        if not 1 <= n_components < dim:
            raise ValueError(f"n_components: got {n_components}, expected 1 to {dim - 1} for {dim} dimensions")
        self.n_components = n_components

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "PPCAControl":
        return cls(training_set.values.shape[1], options["n_components"])

    def constrain(self, covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)  # in ascending order
        n_left_out = len(eigenvalues) - self.n_components
        variance = eigenvalues[:n_left_out].mean()
        excess = (eigenvalues[n_left_out:] - variance).clamp(min=0.0)  # rounding can take it below where they are equal
        loadings = eigenvectors[:, n_left_out:] * excess.sqrt()
        return loadings @ loadings.T + variance * torch.eye(len(eigenvalues), dtype=eigenvalues.dtype)
