"""Step sizes of the transitions along an annealing path, fixed before a run (`annealing.pilot`)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class StepSizes:
    """What a pilot has fixed: a step size per beta, in units of the path's coordinate_std.

    Args:
        betas: increasing from 0 to 1.
        sizes: the step size at each beta.
        acceptance: the acceptance rate that the pilot saw with it.
        n_leapfrog: leapfrog steps of a trajectory, which the sizes were chosen for.
        force_precision: of the matrix products of the trajectories' gradients, for the same reason.

    Raises:
        ValueError: if betas does not increase from 0 to 1, if a size is not positive and finite, or n_leapfrog is less
            than 1.
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
        """Step sizes at other betas, by linear interpolation of 1 / size^2.

        Between Gaussians the precision of pi_beta is linear in beta, and the largest stable step is its -1/2 power.
        """
        right = torch.searchsorted(self.betas, betas).clamp(1, len(self.betas) - 1)
        fraction = (betas - self.betas[right - 1]) / (self.betas[right] - self.betas[right - 1])
        return torch.lerp(self.sizes[right - 1] ** -2.0, self.sizes[right] ** -2.0, fraction) ** -0.5


def check_betas(betas: Tensor) -> None:
    if not (len(betas) >= 2 and betas[0] == 0 and betas[-1] == 1 and (betas.diff() > 0).all()):
        raise ValueError(f"betas: got {betas.tolist()}, expected numbers increasing from 0 to 1; see paths.SCHEDULES")
