"""A pilot: one blind denoiser for all corruption levels at once, trained to see how hard each of them is.

Its mean squared errors on a grid of levels (`error_curve`) say which levels a cascade had best have (`level_costs`,
`schedules`). The network sees no level, as in the paper, so it stands for a cascade's denoiser at any schedule.
Not here: a probability. The pilot is no model of the data, and no estimator runs on it.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.error_curve import measure_errors
from cdae.gaussian import standard_normal, weighted_squared_norm
from cdae.interfaces import DivergenceError

N_KNOTS = 8  # levels at which the weights are refitted, at even distances in log c


class Pilot(nn.Module):
    """A denoiser whose corruption level is drawn for every example, uniformly in log c between two ends.

    An example's squared error at level c has the weight 1 / (2 MSE(c)), as in Eq. 6 with the variance of a last step.
    The bound has the logarithm of MSE(c) in it, so the relative error counts at every level, and the loss has the
    gradient of the mean of d/2 log MSE(c) over levels. A weight that is the same for all levels would leave the lowest
    ones unlearnt. MSE(c) is refitted at a few levels before every epoch, and interpolated, log MSE over log c.

    Args:
        denoiser: any module called as denoiser(x, level) that ignores the level.
        first_std, last_std: the ends of the levels, in data units.
        data_variance: pooled over pixels; the error until the first refit.
    """

    knot_std: Tensor
    log_mse: Tensor

    def __init__(self, denoiser: nn.Module, *, first_std: float, last_std: float, data_variance: float):
        super().__init__()
        self.denoiser, self.log_ends = denoiser, (math.log(first_std), math.log(last_std))
        self.register_buffer("knot_std", torch.linspace(*self.log_ends, N_KNOTS, dtype=torch.float64).exp())
        self.register_buffer("log_mse", torch.full_like(self.knot_std, math.log(data_variance)))

    @classmethod
    def build(
        cls,
        training_set: TrainingSet,
        *,
        hidden_sizes: Sequence[int],
        first_std: float,
        last_std: float,
        generator: torch.Generator,
    ) -> "Pilot":
        """Build an untrained pilot; the ends are in units of the data's pooled standard deviation."""
        data = training_set.summary()
        dim, unit = len(data.mean), data.pooled_std
        scale = DataScale(data.mean, unit, unit_interval=data.unit_interval)
        denoiser = BlindDenoiser(mlp(dim, hidden_sizes, dim, generator=generator), scale)
        return cls(denoiser, first_std=first_std * unit, last_std=last_std * unit, data_variance=unit**2)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Measure MSE(c) at the knots over the examples `x`, and one corruption of each.

        Raises:
            DivergenceError: if the denoiser's outputs are not finite.
        """
        mse = measure_errors(self.denoise, x, self.knot_std, generator=generator).mean(1)
        if not mse.isfinite().all():
            raise DivergenceError(f"mean squared errors {mse.tolist()} of the pilot")
        self.log_mse.copy_(mse.log())

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the weighted squared error at one random level per example, averaged over the batch."""
        low, high = self.log_ends
        share = torch.rand(len(x), generator=generator, dtype=x.dtype, device=x.device)
        c = (low + (high - low) * share).exp()
        noisy = x + c[:, None] * standard_normal(x, *x.shape, generator=generator)
        return weighted_squared_norm(x - self.denoise(noisy), 0.5 * torch.exp(-self.log_mse_at(share))).mean()

    def log_mse_at(self, share: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Return log MSE(c), where c lies at these shares in [0, 1] of the way between the ends in log c."""
        position = share.double() * (N_KNOTS - 1)
        below = position.floor().clamp(max=N_KNOTS - 2).long()
        return torch.lerp(self.log_mse[below], self.log_mse[below + 1], position - below)

    def denoise(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Return r(x)."""
        return self.denoiser(x, torch.ones(len(x), dtype=torch.long, device=x.device))
