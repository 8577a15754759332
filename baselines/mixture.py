"""Control: a mixture of Gaussians with diagonal covariances, whose log density is exact.

    p(x) = sum_j w_j N(mean_j, diag std_j^2)

In the robust form each pixel d of each component has a broad component besides, (1 - e_d) N + e_d N(1/2, 1/4)
(`cdae.pixel_density`). The shares e_d are fitted after the rest, by expectation maximisation as well, so that a pixel
outside what training has shown costs this model no more than others with the same option.

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
from cdae.interfaces import SampleSet, SampleVariant
from cdae.pixel_density import FIRST_BROAD_SHARE, PixelDensity

MAX_ITERATIONS = 30  # 100 components of 50,000 images of 784 pixels: about 1.2 CPU seconds each
SHARE_EXAMPLES = 2_000  # that the broad shares are fitted to, and
SHARE_ITERATIONS = 10
SMALLEST_SHARE = 1e-6  # share of the pooled variance that is added if the data have no intensity levels


class MixtureControl(nn.Module):
    """A mixture of c Gaussians with diagonal covariances; its parameters are NaN until `fit_closed_form`.

    The buffers are log_weight (c,), mean (c, dim) and std (c, dim), and of a robust one broad_share (dim,), in float64.

    Args:
        dim: the number of dimensions of an example.
        n_components: c.
        covariance: only "diagonal" is available.
        robust: whether pixels have a broad component.

    Raises:
        ValueError: for any other covariance, or n_components below 1.
    """

    log_weight: Tensor
    mean: Tensor
    std: Tensor
    broad_share: Tensor | None

    def __init__(self, dim: int, n_components: int, covariance: str = "diagonal", *, robust: bool = False):
        super().__init__()
        if covariance != "diagonal":
            raise ValueError(f"covariance: got {covariance!r}, expected diagonal")
        if n_components < 1:
            raise ValueError(f"n_components: got {n_components}, expected at least 1")
        for name, shape in [("log_weight", ()), ("mean", (dim,)), ("std", (dim,))]:
            self.register_buffer(name, torch.full((n_components, *shape), torch.nan, dtype=torch.float64))
        share = torch.full((dim,), torch.nan, dtype=torch.float64) if robust else None
        self.register_buffer("broad_share", share)

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "MixtureControl":
        """Build an unfitted mixture from configuration options.

        Raises:
            ValueError: unless n_components is between 1 and the number of training examples, or for a robust mixture of
                data that are not in [0, 1].
        """
        if options.get("robust", False) and not training_set.unit_interval:
            raise ValueError("robust: got data outside [0, 1], expected data in [0, 1]; remove it")
        n_components = options["n_components"]
        if not 1 <= n_components <= len(training_set):
            raise ValueError(
                f"n_components: got {n_components}, expected 1 to {len(training_set)}, the number of training examples"
            )
        covariance, robust = options.get("covariance", "diagonal"), options.get("robust", False)
        return cls(training_set.values.shape[1], n_components, covariance, robust=robust)

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
        if self.broad_share is not None:
            self._fit_shares(torch.from_numpy(x[:SHARE_EXAMPLES]))

    def _fit_shares(self, x: Float[Tensor, "n dim"]) -> None:
        """Set every e_d to the expected number of broad pixels d among the examples, and half of one, over n + 1."""
        assert self.broad_share is not None
        self.broad_share.fill_(FIRST_BROAD_SHARE)
        for _ in range(SHARE_ITERATIONS):
            component = torch.softmax(self._joint(x), 0)
            n_broad = torch.zeros_like(self.broad_share)
            for weight, mean, std in zip(component, self.mean, self.std, strict=True):
                n_broad += weight @ PixelDensity(std, self.broad_share).broad_probability(x, mean)
            self.broad_share.copy_((n_broad + 0.5) / (len(x) + 1.0))

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Return the exact log density in nats."""
        return torch.cat([self._log_prob(chunk.double()) for chunk in x.split(EXAMPLES)])

    def _log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        return torch.logsumexp(self._joint(x), 0)

    def _joint(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "c n"]:
        """log w_j + log p(x | j)."""
        parts = zip(self.log_weight, self.mean, self.std, strict=True)
        share = self.broad_share
        return torch.stack([log_w + PixelDensity(std, share).log_prob(x, mean) for log_w, mean, std in parts])

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield n_samples draws from the mixture as one sample set."""
        chosen = torch.multinomial(self.log_weight.exp(), n_samples, replacement=True, generator=generator)
        density = PixelDensity(self.std[chosen], self.broad_share)
        yield SampleSet(SampleVariant(source="sample"), density.sample(self.mean[chosen], generator=generator).float())


def added_variance(training_set: TrainingSet) -> float:
    """Return the variance that is added to every variance of a component, in squared data units."""
    if training_set.n_intensity_levels is not None:
        return 1.0 / 12.0 / training_set.n_intensity_levels**2
    return SMALLEST_SHARE * training_set.summary().pooled_std ** 2
