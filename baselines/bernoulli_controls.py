"""A control for black and white images, with an exact likelihood in nats: a mixture of Bernoulli products.

    p(x) = sum_c w_c prod_j Bernoulli(x_j; m_cj)

With one component it is a product, whose m are the means of the pixels. A mixture is fitted by expectation maximisation
to one binarization of the training images. Half a black and half a white image are added to what each m is the mean
of, and half an image to what each w counts, so that no test image has probability 0. Not here: sample sets for Parzen
windows, whose Gaussians are a density of real values.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.bernoulli import from_probabilities
from cdae.binary_images import binary, check_binarized, draw_binary
from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet

MAX_ITERATIONS, LEAST_GAIN = 50, 1e-4  # of expectation maximisation; nats per image that one has to bring
FIRST_SHARE = 0.75  # of a random training image, against gray, that a component starts from


class BernoulliControl(nn.Module):
    """A mixture of n_components Bernoulli products in float64; NaN until `fit_closed_form`."""

    log_weight: Tensor
    mean: Tensor

    def __init__(self, dim: int, n_components: int):
        super().__init__()
        self.register_buffer("log_weight", torch.full((n_components,), torch.nan, dtype=torch.float64))
        self.register_buffer("mean", torch.full((n_components, dim), torch.nan, dtype=torch.float64))

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "BernoulliControl":
        """Build an unfitted mixture from configuration options, for binarized images.

        Raises:
            ValueError: unless n_components is between 1 and the number of training images.
        """
        check_binarized(training_set)
        n_components = options["n_components"]
        if not 1 <= n_components <= len(training_set):
            raise ValueError(
                f"n_components: got {n_components}, expected 1 to {len(training_set)}, the number of training examples"
            )
        return cls(training_set.values.shape[1], n_components)

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Fit by expectation maximisation, from random training images."""
        x = draw_binary(training_set.draw(generator=generator), generator=generator)
        chosen = x[torch.randperm(len(x), generator=generator)[: len(self.mean)]].double()
        self.log_weight.fill_(1.0 / len(chosen)).log_()
        self.mean.copy_(FIRST_SHARE * chosen + (1.0 - FIRST_SHARE) * 0.5)
        last = -torch.inf
        for _ in range(MAX_ITERATIONS):
            if (reached := self._improve(x)) - last < LEAST_GAIN:
                break
            last = reached

    def _improve(self, x: Float[Tensor, "n dim"]) -> float:
        """One iteration; returns the mean log likelihood before it."""
        total, n_examples, n_ones = 0.0, torch.zeros_like(self.log_weight), torch.zeros_like(self.mean)
        for chunk in x.split(EXAMPLES):
            joint = self._joint(chunk)
            total += torch.logsumexp(joint, 1).sum().item()
            component = torch.softmax(joint, 1)
            n_examples += component.sum(0)
            n_ones += component.T @ chunk.double()
        self.log_weight.copy_(((n_examples + 0.5) / (len(x) + 0.5 * len(n_examples))).log())
        self.mean.copy_((n_ones + 0.5) / (n_examples[:, None] + 1.0))
        return total / len(x)

    def _joint(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n c"]:
        """log w_c + log p(x | c), by one matrix product: the log odds of the pixels that are 1."""
        component = from_probabilities(self.mean)
        return x.double() @ (component.one - component.zero).T + component.zero.sum(1) + self.log_weight

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        """Return the exact log probability in nats."""
        return torch.cat([torch.logsumexp(self._joint(chunk), 1) for chunk in binary(x).split(EXAMPLES)])
