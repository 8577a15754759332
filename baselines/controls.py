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
from cdae.gaussian import log_normal_full, standard_normal
from cdae.interfaces import SampleSet, SampleVariant

SINGULAR = 1e-10  # share of a dimension's variance that the dimensions before it must leave unexplained


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


class ExactGaussian(nn.Module, ABC):
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
            raise ValueError(
                "training data: their covariance is singular, expected every dimension to vary on its own; remove "
                "constant and repeated dimensions, dequantize, or choose a simpler covariance"
            )
        self.mean.copy_(training_set.summary().mean)
        self.factor.copy_(factor)

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Exact log density in nats."""
        return log_normal_full(x, self.mean, self.factor)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        yield SampleSet(SampleVariant(source="sample"), (self.mean + noise @ self.factor.T).float())


def isotropic(covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """One variance for all dimensions: the mean of theirs."""
    return covariance.diagonal().mean() * torch.eye(len(covariance), dtype=covariance.dtype)


def diagonal(covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """A variance per dimension, and no correlations."""
    return covariance.diagonal().diag()


def full(covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """The data's own covariance."""
    return covariance


COVARIANCES = {"isotropic": isotropic, "diagonal": diagonal, "full": full}


class GaussianControl(ExactGaussian):
    """The simplest density models.

    Args:
        covariance: "isotropic", "diagonal" or "full".

    Raises:
        ValueError: for any other covariance.
    """

    def __init__(self, dim: int, covariance: str):
        super().__init__(dim)
        if covariance not in COVARIANCES:
            raise ValueError(f"covariance: got {covariance!r}, expected one of {', '.join(COVARIANCES)}")
        self.constrain_by = COVARIANCES[covariance]

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "GaussianControl":
        return cls(training_set.values.shape[1], options.get("covariance", "diagonal"))

    def constrain(self, covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
        return self.constrain_by(covariance)


class PPCAControl(ExactGaussian):
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
