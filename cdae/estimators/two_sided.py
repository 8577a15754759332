"""What every estimator of log p(x) by an average of weights offers: a lower side and an upper side (`sandwich`)."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


class BothSides(NamedTuple):
    """Both sides at data that the model has generated.

    Attributes:
        log_weights: as of `TwoSided.log_weights`.
        upper: a stochastic upper bound on log p(x), in nats.
    """

    log_weights: Float[Tensor, "rows n"]
    upper: Float[Tensor, "n"]


@runtime_checkable
class TwoSided(Protocol):
    """An estimator of log p(x) with a lower bound and, for data with known latents, an upper bound."""

    def log_weights(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "rows n"]:
        """Return independent log weights in nats, with E[w] = p(x)."""
        ...

    def both_sides(self, x: Float[Tensor, "n dim"], latents: Tensor, *, generator: torch.Generator) -> BothSides:
        """Return log weights and a stochastic upper bound for x that the model generated from these latents.

        The two may share what costs much and does not know the latents.
        """
        ...
