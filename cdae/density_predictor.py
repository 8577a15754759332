"""A network that predicts the density of an image around its mean: p(x_0 | x_1) of a cascade, p(x | z) of a decoder.

The variance is variance_floor + pooled data variance * softplus(network(input)). Softplus is exponential at its low
end, so small variances are within reach. It is linear at its high end, so an input far from the data does no harm. The
robust form has a broad component with a learned share per pixel (`pixel_density`).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.denoiser import DataScale
from cdae.pixel_density import FIRST_BROAD_SHARE, PixelDensity


class DensityPredictor(nn.Module):
    """The predicted density, without its mean.

    Args:
        network: a module that maps inputs (*batch, n_in) to (*batch, dim).
        data_scale: the scale of the data.
        variance_floor: the least variance, in squared data units.
        robust: whether there is a broad component.

    Raises:
        ValueError: for a robust density of data that are not in [0, 1].
    """

    def __init__(self, network: nn.Module, data_scale: DataScale, variance_floor: float, *, robust: bool = False):
        super().__init__()
        if robust and not data_scale.unit_interval:
            raise ValueError(
                "robust: got data outside [0, 1], expected data in [0, 1], which the broad component spans; "
                "use predicted"
            )
        self.network, self.data_scale, self.variance_floor = network, data_scale, variance_floor
        logit = math.log(FIRST_BROAD_SHARE / (1.0 - FIRST_BROAD_SHARE))
        self.broad_logit = nn.Parameter(torch.full_like(data_scale.mean, logit)) if robust else None

    def forward(self, inputs: Float[Tensor, "*batch n_in"]) -> PixelDensity:
        """Return the density at the given inputs, with standard deviations in data units, (*batch, dim)."""
        share = nn.functional.softplus(self.network(inputs))
        std = (self.variance_floor + self.data_scale.std.square() * share).sqrt()
        return PixelDensity(std, None if self.broad_logit is None else torch.sigmoid(self.broad_logit))


class Standardized(nn.Module):
    """A network whose inputs are standardized data."""

    def __init__(self, network: nn.Module, data_scale: DataScale):
        super().__init__()
        self.network, self.data_scale = network, data_scale

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch n_out"]:
        """Apply the network to (x - mean) / pooled std."""
        return self.network(self.data_scale.standardize(x))
