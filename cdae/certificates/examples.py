"""Examples that a certification fits on: those of a `TrainingSet`, or given ones as they are."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Examples(Protocol):
    """Examples on the model's device.

    Attributes:
        values: (n, dim), of any type.
    """

    values: Tensor

    def draw(self, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Return all examples on their continuous scale."""
        ...


@dataclass(frozen=True)
class Given:
    """Examples that are continuous already, and keep their precision."""

    values: Float[Tensor, "n dim"]

    def draw(self, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Return the examples; the generator is not used."""
        return self.values
