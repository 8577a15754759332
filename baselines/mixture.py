"""Control: a mixture of Gaussians with diagonal covariances, whose log density is exact.

    p(x) = sum_j w_j N(mean_j, diag std_j^2)

The mixture is fitted by expectation maximisation (scikit-learn's GaussianMixture) to one draw of the dequantized
training data. A small variance is added to every variance of a component, because a pixel that is constant among the
component's examples would give a density without bound. It is that of the dequantization, (1 / L)^2 / 12, or a small
share of the data's variance if the data have no intensity levels.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet
from cdae.gaussian import log_normal, standard_normal
from cdae.interfaces import SampleSet, SampleVariant

MAX_ITERATIONS = 30  # 100 components of 50,000 images of 784 pixels: about 1.2 CPU seconds each
SMALLEST_SHARE = 1e-6  # share of the pooled variance that is added if the data have no intensity levels


class MixtureControl(nn.Module):
    """A mixture of c Gaussians with diagonal covariances; its parameters are NaN until `fit_closed_form`.

    The buffers are log_weight (c,), mean (c, dim) and std (c, dim), in float64.

    Args:
        dim: the number of dimensions of an example.
        n_components: c.
        covariance: only "diagonal" is available.

    Raises:
        ValueError: for any other covariance, or n_components below 1.
    """

    log_weight: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, n_components: int, covariance: str = "diagonal"):
        super().__init__()
        if covariance != "diagonal":
            raise ValueError(f"covariance: got {covariance!r}, expected diagonal")
        if n_components < 1:
            raise ValueError(f"n_components: got {n_components}, expected at least 1")
        for name, shape in [("log_weight", ()), ("mean", (dim,)), ("std", (dim,))]:
            self.register_buffer(name, torch.full((n_components, *shape), torch.nan, dtype=torch.float64))

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "MixtureControl":
        """Build an unfitted mixture from configuration options.

        Raises:
            ValueError: unless n_components is between 1 and the number of training examples.
        """
        n_components = options["n_components"]
        if not 1 <= n_components <= len(training_set):
            raise ValueError(
                f"n_components: got {n_components}, expected 1 to {len(training_set)}, the number of training examples"
            )
        return cls(training_set.values.shape[1], n_components, options.get("covariance", "diagonal"))

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Fit by expectation maximisation with at most MAX_ITERATIONS, from randomly chosen training examples."""
        x = training_set.draw(generator=generator).double().numpy()  # mean squares minus squared means need float64
        mixture = GaussianMixture(
            len(self.log_weight),
            covariance_type="diag",
            reg_covar=added_variance(training_set),
            max_iter=MAX_ITERATIONS,
            init_params="random_from_data",
            random_state=int(torch.randint(2**31, (), generator=generator)),
        )
        with warnings.catch_warnings():
            # The density is exact after any number of iterations, and their number is limited for its cost.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(x)
        self.log_weight.copy_(torch.from_numpy(mixture.weights_).log())
        self.mean.copy_(torch.from_numpy(mixture.means_))
        self.std.copy_(torch.from_numpy(mixture.covariances_).sqrt())

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Return the exact log density in nats."""
        return torch.cat([self._log_prob(chunk.double()) for chunk in x.split(EXAMPLES)])

    def _log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        parts = zip(self.log_weight, self.mean, self.std, strict=True)
        joint = [log_weight + log_normal(x, mean, std) for log_weight, mean, std in parts]
        return torch.logsumexp(torch.stack(joint), 0)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield n_samples draws from the mixture as one sample set."""
        chosen = torch.multinomial(self.log_weight.exp(), n_samples, replacement=True, generator=generator)
        noise = standard_normal(self.mean, n_samples, self.mean.shape[1], generator=generator)
        yield SampleSet(SampleVariant(source="sample"), (self.mean[chosen] + self.std[chosen] * noise).float())


def added_variance(training_set: TrainingSet) -> float:
    """Return the variance that is added to every variance of a component, in squared data units."""
    if training_set.n_intensity_levels is not None:
        return 1.0 / 12.0 / training_set.n_intensity_levels**2
    return SMALLEST_SHARE * training_set.summary().pooled_std ** 2
