"""The step sizes of the transitions along an annealing path, fixed before a run (`annealing.pilot`)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class StepSizes:
    """The step sizes that a pilot has fixed, one per beta, and the settings that they are valid for.

    Attributes:
        betas: increasing from 0 to 1.
        sizes: the step size at each beta, in units of the path's coordinate_std.
        acceptance: the pilot's acceptance rate at each beta.
        n_leapfrog: the number of leapfrog steps of a trajectory.
        force_precision: the precision of the gradients, "highest" or "medium" (`precision`).

    Raises:
        ValueError: if betas does not increase from 0 to 1, if a size is not positive and finite, or if n_leapfrog is
            less than 1.
    """

    betas: Float[Tensor, "betas"]
    sizes: Float[Tensor, "betas"]
    acceptance: Float[Tensor, "betas"]
    n_leapfrog: int
    force_precision: str = "highest"

    def __post_init__(self) -> None:
        check_betas(self.betas)
        if not (self.sizes.isfinite().all() and (self.sizes > 0).all()):
            raise ValueError(f"step sizes: got {self.sizes.tolist()}, expected positive, finite ones; repeat the pilot")
        if self.n_leapfrog < 1:
            raise ValueError(f"n_leapfrog: got {self.n_leapfrog}, expected at least 1")

    def at(self, betas: Float[Tensor, "m"]) -> Float[Tensor, "m"]:
        """Return the step sizes at other betas, by linear interpolation of 1 / size^2.

        On a path between Gaussians, the inverse variance of pi_beta is linear in beta, and the largest stable step size
        is proportional to its -1/2 power.
        """
        right = torch.searchsorted(self.betas, betas).clamp(1, len(self.betas) - 1)
        fraction = (betas - self.betas[right - 1]) / (self.betas[right] - self.betas[right - 1])
        return torch.lerp(self.sizes[right - 1] ** -2.0, self.sizes[right] ** -2.0, fraction) ** -0.5


def check_betas(betas: Tensor) -> None:
    """Check that betas, (T + 1,), increases from 0 to 1.

    Raises:
        ValueError: if it does not.
    """
    if not (len(betas) >= 2 and betas[0] == 0 and betas[-1] == 1 and (betas.diff() > 0).all()):
        raise ValueError(f"betas: got {betas.tolist()}, expected numbers increasing from 0 to 1; see paths.SCHEDULES")
