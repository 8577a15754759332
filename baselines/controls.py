"""Controls: rows that tell what a number is worth.

The training set itself as "samples" is what a perfect memoriser would score by Parzen; a Gaussian fitted in closed
form has an exact log density. Neither has anything to train.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.gaussian import log_normal, standard_normal
from cdae.interfaces import SampleSet


class TrainingSamplesControl(nn.Module):
    """Real training examples in place of samples, without dequantization, in a random order."""

    values: Tensor

    def __init__(self, values: Float[Tensor, "m dim"]):
        super().__init__()
        self.register_buffer("values", values, persistent=False)

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "TrainingSamplesControl":
        return cls(training_set.pixels())

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """n_samples training examples without repetition, or all of them where there are fewer."""
        chosen = torch.randperm(len(self.values), generator=generator)[:n_samples]
        yield SampleSet("training examples", self.values[chosen])


class GaussianControl(nn.Module):
    """N(mean, diag std^2) of the training data: the exact log density of the simplest density model."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Float[Tensor, "dim"], std: Float[Tensor, "dim"]):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "GaussianControl":
        summary = training_set.summary()
        return cls(summary.mean, summary.std)

    def log_prob(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
        return log_normal(x, self.mean, self.std)

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        noise = standard_normal(self.mean, n_samples, len(self.mean), generator=generator)
        yield SampleSet("sample", (self.mean + self.std * noise).float())
