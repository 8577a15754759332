"""The density of an image around a mean, independent over pixels: of the last step of a cascade, of a decoder.

    Gaussian   N(x_j; m_j, s_j^2)
    robust     (1 - e_j) N(x_j; m_j, s_j^2) + e_j N(x_j; 1/2, 1/4)    (the contaminated normal of Tukey 1960)

With a variance that is predicted, or that differs between pixels, a Gaussian gives 10^5 nats less to an image with one
inked pixel where the training images have none. The broad component bounds that loss by 0.73 - log e_j. It is for data
in [0, 1]. A uniform component would cost 0.2 to 0.7 nats less per broad pixel, but it ends at 0 and 1: what a model
draws just outside, as near every dark pixel, would be charged for the whole distance again.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import LOG_2PI, log_normal, standard_normal

FIRST_BROAD_SHARE = 0.003  # e_j before training
BROAD_MEAN, BROAD_STD = 0.5, 0.5


@dataclass(frozen=True)
class PixelDensity:
    """The density around any mean.

    Attributes:
        std: s, in data units, of a shape that broadcasts to the data.
        broad_share: e, (dim,), in (0, 1); None for a Gaussian.
    """

    std: Tensor
    broad_share: Float[Tensor, "dim"] | None = None

    def log_prob(self, x: Tensor, mean: Tensor) -> Tensor:
        """Return the log density in nats, summed over pixels in float64; x and mean, (*batch, dim), broadcast."""
        x, mean = torch.broadcast_tensors(x, mean)
        if self.broad_share is None:
            return log_normal(x, mean, self.std)
        narrow, broad = self._components(x, mean)
        return torch.logaddexp(narrow, broad).sum(-1, dtype=torch.float64)

    def inverse_std(self, x: Tensor, mean: Tensor) -> Tensor:
        """Return the square root of the information on the mean, 1 / s.

        It is that of the Gaussian component times the probability that x_j came from it. The gradient of the log
        density with respect to the mean is (x - mean) times its square.
        """
        inverse = 1.0 / self.std.to(x.dtype)
        if self.broad_share is None:
            return inverse
        return inverse * (1.0 - self.broad_probability(x, mean)).sqrt()

    def broad_probability(self, x: Tensor, mean: Tensor) -> Tensor:
        """Return the probability that each pixel of x came from the broad component, of the shape of x."""
        narrow, broad = self._components(x, mean)
        return torch.sigmoid(broad - narrow)

    def sample(self, mean: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """Draw one image around each mean."""
        noise = standard_normal(mean, *mean.shape, generator=generator)
        narrow = mean + self.std.to(mean.dtype) * noise
        if self.broad_share is None:
            return narrow
        which = torch.rand(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return torch.where(which < self.broad_share, BROAD_MEAN + BROAD_STD * noise, narrow)

    def double(self) -> "PixelDensity":
        """Return the same density in float64."""
        return PixelDensity(self.std.double(), None if self.broad_share is None else self.broad_share.double())

    def _components(self, x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Log densities of both components times their shares, pixel by pixel."""
        assert self.broad_share is not None
        std, share = self.std.to(x.dtype), self.broad_share.to(x.dtype)
        narrow = torch.log1p(-share) + _log_normal(x, mean, std, std.log())
        return narrow, share.log() + _log_normal(x, BROAD_MEAN, BROAD_STD, math.log(BROAD_STD))


def _log_normal(x: Tensor, mean: Tensor | float, std: Tensor | float, log_std: Tensor | float) -> Tensor:
    """Return log N(x_j; mean_j, std_j^2) of every pixel."""
    return -0.5 * ((x - mean) / std).square() - log_std - 0.5 * LOG_2PI
