"""A classifier of the real examples, whose features and probabilities samples are judged by.

A multilayer perceptron on standardised examples, trained on the labels of the training split by cross-entropy. The
features are what its last hidden layer gives. It sees examples without dequantization; `as_real` puts samples on their
scale. Labels are used here and nowhere else: no generative model sees them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet
from cdae.denoiser import mlp
from cdae.training import History, fit


def as_real(samples: Float[Tensor, "n dim"], n_intensity_levels: int | None) -> Float[Tensor, "n dim"]:
    """Samples as the real examples are: rounded down to a level y of 0 .. L - 1, and divided by L - 1.

    Dequantized, a level is x = (y + u) / L with u in [0, 1), so floor(L x) = y; what lies outside [0, 1] becomes the
    level next to it. Examples that are already y / (L - 1) stay as they are. So do data without levels.
    """
    if n_intensity_levels is None:
        return samples.float()
    levels = (samples.double() * n_intensity_levels).floor().clamp(0, n_intensity_levels - 1)
    return (levels / (n_intensity_levels - 1)).float()


class Classifier(nn.Module):
    """p(class | x); before training its weights are random.

    Args:
        mean, std: of the training examples; the std pooled over dimensions.
        hidden_sizes: widths of the hidden layers, at least one: the last one is the number of features.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "dim"],
        std: Float[Tensor, ""],
        hidden_sizes: Sequence[int],
        n_classes: int,
        *,
        generator: torch.Generator,
    ):
        super().__init__()
        if not hidden_sizes:
            raise ValueError("hidden_sizes: got none, expected at least one: its outputs are the features; add one")
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())
        self.network = mlp(len(mean), hidden_sizes, n_classes, generator=generator)

    @classmethod
    def build(
        cls,
        examples: Float[Tensor, "n dim"],
        hidden_sizes: Sequence[int],
        n_classes: int,
        *,
        generator: torch.Generator,
    ) -> "Classifier":
        """Build an untrained classifier on the scale of the examples."""
        mean = examples.double().mean(0)
        std = (examples.double() - mean).square().mean().sqrt()
        return cls(mean, std, hidden_sizes, n_classes, generator=generator)

    @torch.no_grad()
    def features(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n features"]:
        """The outputs of the last hidden layer."""
        return torch.cat([self.network[:-1](self._standardised(part)) for part in x.split(EXAMPLES)])

    @torch.no_grad()
    def probabilities_of(self, features: Float[Tensor, "n features"]) -> Float[Tensor, "n classes"]:
        """p(class | x) of examples with these features."""
        return self.network[-1](features).softmax(1)

    def probabilities(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """p(class | x)."""
        return self.probabilities_of(self.features(x))

    def error(self, x: Float[Tensor, "n dim"], labels: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """1 where the most probable class is not the label, else 0."""
        return (self.probabilities(x).argmax(1) != labels).double()

    def refit(self, x: Float[Tensor, "n columns"], *, generator: torch.Generator) -> None:
        """Nothing here has a closed form."""

    def loss(self, x: Float[Tensor, "n columns"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """The mean cross-entropy in nats, of examples with their labels as a last column."""
        logits = self.network(self._standardised(x[:, :-1]))
        return nn.functional.cross_entropy(logits, x[:, -1].long())

    def _standardised(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def train(
    classifier: Classifier,
    examples: Float[Tensor, "n dim"],
    labels: Int[Tensor, "n"],
    settings: dict[str, Any],
    *,
    generator: torch.Generator,
) -> History:
    """Train a classifier in place.

    Args:
        settings: n_updates, batch_size, learning_rate and matmul_precision of `training.fit`.
    """
    with_labels = TrainingSet(torch.cat([examples, labels[:, None].to(examples.dtype)], 1))
    return fit(classifier, with_labels, **settings, generator=generator)
