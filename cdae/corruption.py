"""The inference model: noise schedules and corruption, q(x_i | x_0) = N(x_0, c_i^2 I) (Eqs. 3 and 5).

Given x_0 the levels are independent of one another: this is not the Markov chain of a diffusion model.
Not here: anything with parameters to learn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import standard_normal


@dataclass(frozen=True)
class NoiseSchedule:
    """The standard deviations of the corruption, c_0 = 0 < c_1 < ... < c_k, in data units.

    Attributes:
        corruption_std: c_0 .. c_k, k + 1 numbers.

    Raises:
        ValueError: unless there is at least one level, the first entry is 0, and the entries are finite and increase.
    """

    corruption_std: tuple[float, ...]

    def __post_init__(self) -> None:
        std = self.corruption_std
        if len(std) < 2 or std[0] != 0.0:
            raise ValueError(f"noise schedule: got {std}, expected 0 followed by at least one level; add a level")
        if not all(low < high < float("inf") for low, high in pairwise(std)):
            raise ValueError(f"noise schedule: got {std}, expected finite, strictly increasing standard deviations")

    @property
    def n_levels(self) -> int:
        """The number k of corruption levels."""
        return len(self.corruption_std) - 1

    @classmethod
    def geometric(cls, n_levels: int, first_std: float, last_std: float) -> "NoiseSchedule":
        """Return a schedule of n_levels standard deviations from first_std to last_std with a constant ratio.

        A single level has the geometric mean of the two ends.

        Raises:
            ValueError: if n_levels is less than 1, or unless 0 < first_std < last_std.
        """
        ratio = last_std / first_std if first_std > 0 else 0.0
        return cls._between(n_levels, first_std, last_std, lambda fraction: first_std * ratio**fraction)

    @classmethod
    def linear(cls, n_levels: int, first_std: float, last_std: float) -> "NoiseSchedule":
        """Return a schedule of n_levels standard deviations from first_std to last_std with a constant difference.

        A single level has the mean of the two ends.

        Raises:
            ValueError: if n_levels is less than 1, or unless 0 < first_std < last_std.
        """
        return cls._between(n_levels, first_std, last_std, lambda f: first_std + f * (last_std - first_std))

    @classmethod
    def _between(
        cls, n_levels: int, first_std: float, last_std: float, at: Callable[[float], float]
    ) -> "NoiseSchedule":
        if n_levels < 1:
            raise ValueError(f"noise schedule: got n_levels = {n_levels}, expected at least 1")
        if not 0.0 < first_std < last_std:
            raise ValueError(
                f"noise schedule: got first_std = {first_std} and last_std = {last_std}, "
                "expected 0 < first_std < last_std; exchange or correct them"
            )
        if n_levels == 1:
            return cls((0.0, at(0.5)))
        return cls((0.0, *(at(i / (n_levels - 1)) for i in range(n_levels))))


def per_level(values: Float[Tensor, "k"], like: Tensor) -> Tensor:
    """Reshape one number per level, (k,), so that it broadcasts to `like`: (k,) for (k,), and (k, 1) for (k, dim)."""
    return values if like.dim() == 1 else values[:, None]


SCHEDULES = {"geometric": NoiseSchedule.geometric, "linear": NoiseSchedule.linear}


def from_options(options: dict[str, Any], pooled_std: float) -> NoiseSchedule:
    """Return the schedule of configuration options, in which levels are in units of the data's pooled_std.

    Args:
        options: `schedule` is a name of `SCHEDULES`, with `n_levels`, `first_std` and `last_std`, or a list of levels.

    Raises:
        ValueError: for another name, such as that of a schedule that is still to be chosen; and as `NoiseSchedule`.
    """
    named = options["schedule"]
    if isinstance(named, list):
        return NoiseSchedule((0.0, *(std * pooled_std for std in named)))
    if named not in SCHEDULES:
        raise ValueError(f"schedule: got {named!r}, expected {', '.join(SCHEDULES)}, or levels; choose these first")
    return SCHEDULES[named](options["n_levels"], options["first_std"] * pooled_std, options["last_std"] * pooled_std)


def corrupt(
    x: Float[Tensor, "n dim"], corruption_std: Float[Tensor, "levels"], *, generator: torch.Generator
) -> Float[Tensor, "k n dim"]:
    """Draw x_1 .. x_k given x_0 = x: one independent corrupted copy of each example at each level (Eq. 3).

    Args:
        corruption_std: c_0 .. c_k, (k + 1,), in data units; c_0 = 0 is the clean data and is skipped.
    """
    std = corruption_std[1:].to(x.dtype)
    noise = standard_normal(x, len(std), *x.shape, generator=generator)
    return x + std[:, None, None] * noise
