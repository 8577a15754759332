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
from cdae.gaussian import standard_normal, weighted_squared_norm


class Pilot(nn.Module):
    """A denoiser whose corruption level is drawn for every example, uniformly in log c between two ends.

    An example's squared error at level c has the weight 1 / (2 w(c)), where w(c) = c^2 s^2 / (c^2 + s^2) is the error
    of the best linear denoiser for the pooled standard deviation s. The bound has the logarithm of MSE(c) in it, so the
    relative error counts at every level: without the weight the highest levels alone would be learnt. A denoiser as
    good as the linear one has a loss of 1/2 per dimension at every level.

    Args:
        denoiser: any module called as denoiser(x, level) that ignores the level.
        first_std, last_std: the ends of the levels, in data units.
        data_std: s.
    """

    def __init__(self, denoiser: nn.Module, *, first_std: float, last_std: float, data_std: float):
        super().__init__()
        self.denoiser, self.data_std = denoiser, data_std
        self.log_ends = math.log(first_std), math.log(last_std)

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
        return cls(denoiser, first_std=first_std * unit, last_std=last_std * unit, data_std=unit)

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Do nothing: there are no closed-form parts."""

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute the weighted squared error at one random level per example, averaged over the batch."""
        low, high = self.log_ends
        uniform = torch.rand(len(x), 1, generator=generator, dtype=x.dtype, device=x.device)
        c = (low + (high - low) * uniform).exp()
        noisy = x + c * standard_normal(x, *x.shape, generator=generator)
        return weighted_squared_norm(x - self.denoise(noisy), inverse_linear_error(c[:, 0], self.data_std) / 2).mean()

    def denoise(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Return r(x)."""
        return self.denoiser(x, torch.ones(len(x), dtype=torch.long, device=x.device))


def inverse_linear_error(corruption_std: Float[Tensor, "n"], data_std: float) -> Float[Tensor, "n"]:
    """Return 1 / c^2 + 1 / s^2: one over the mean squared error of the best linear denoiser of N(., s^2) at level c."""
    return 1.0 / corruption_std.double().square() + 1.0 / data_std**2
