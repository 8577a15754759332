"""A small U-Net: convolutions at several resolutions, each half of the one before, with connections across.

At every resolution a residual block x + conv(SiLU(norm(conv(SiLU(norm(x))) + conditions))), on the way down and again
on the way up, where it also sees what it made on the way down. Normalisation is by groups of channels within one
example, so examples do not see one another. (O. Ronneberger, P. Fischer and T. Brox, "U-Net", 2015.)

Images are flat in this suite, (n, height * width * colours) with the colours last, and so are inputs and outputs here.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import gcd

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cdae.denoiser import linear, uniform

ROWS = 256  # examples that pass together, for limited memory
MOST_GROUPS, EPSILON = 8, 1e-5


def convolution(n_in: int, n_out: int, width: int = 3, *, stride: int = 1, generator: torch.Generator) -> nn.Conv2d:
    """Return a convolution with zeros around the image and torch's default initialisation, drawn from the generator."""
    layer = nn.Conv2d(n_in, n_out, width, stride=stride, padding=width // 2, device="meta")
    return uniform(layer, (n_in * width**2) ** -0.5, generator=generator)


class GroupNorm(nn.Module):
    """The normalisation of up to eight groups of channels, as torch's, but with gradients in batches too."""

    def __init__(self, n_channels: int):
        super().__init__()
        self.n_groups = gcd(MOST_GROUPS, n_channels)
        self.weight, self.bias = nn.Parameter(torch.ones(n_channels)), nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Give every group of every example the mean 0 and the variance 1, and rescale every channel."""
        groups = x.reshape(len(x), self.n_groups, -1)
        centred = groups - groups.mean(-1, keepdim=True)
        normal = centred * (centred.square().mean(-1, keepdim=True) + EPSILON).rsqrt()
        return normal.reshape(x.shape) * self.weight[:, None, None] + self.bias[:, None, None]


def doubled(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c hh ww"]:
    """Every pixel as two by two; by broadcasting, whose gradient is a sum in a fixed order on every device."""
    n, c, h, w = x.shape
    return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)


class Block(nn.Module):
    """A residual block of two convolutions; conditions add to the channels between them."""

    def __init__(self, n_in: int, n_out: int, n_conditions: int, *, generator: torch.Generator):
        super().__init__()
        self.norm_1, self.norm_2 = GroupNorm(n_in), GroupNorm(n_out)
        self.conv_1 = convolution(n_in, n_out, generator=generator)
        self.conv_2 = convolution(n_out, n_out, generator=generator)
        self.shift = linear(n_conditions, n_out, generator=generator) if n_conditions else None
        self.across = convolution(n_in, n_out, 1, generator=generator) if n_in != n_out else nn.Identity()

    def forward(self, x: Float[Tensor, "n n_in h w"], conditions: Float[Tensor, "n c"]) -> Float[Tensor, "n n_out h w"]:
        """Apply the block."""
        inner = self.conv_1(functional.silu(self.norm_1(x)))
        if self.shift is not None:
            inner = inner + self.shift(conditions)[:, :, None, None]
        return self.across(x) + self.conv_2(functional.silu(self.norm_2(inner)))


class UNet(nn.Module):
    """A U-Net from images and conditions, (n, dim + n_conditions), to images, (n, dim).

    Args:
        image_shape: (height, width) or (height, width, colours). Sizes that cannot be halved are filled up with zeros.
        n_channels: at every resolution; its length is the number of resolutions.
        n_conditions: inputs beside the image, such as a level, one-hot.

    Raises:
        ValueError: without a resolution.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        n_channels: Sequence[int],
        n_conditions: int = 0,
        *,
        generator: torch.Generator,
    ):
        super().__init__()
        if not n_channels:
            raise ValueError("hidden_sizes: got none, expected the channels of a unet at each resolution; give some")
        self.height, self.width, self.n_colours = (*image_shape, 1)[:3]
        self.step = 2 ** (len(n_channels) - 1)
        first, last, steps = n_channels[0], n_channels[-1], list(pairwise(n_channels))
        g = generator
        self.enter = convolution(self.n_colours, first, generator=g)
        self.down = nn.ModuleList(Block(n, n, n_conditions, generator=g) for n, _ in steps)
        self.shrink = nn.ModuleList(convolution(n, m, stride=2, generator=g) for n, m in steps)
        self.bottom = Block(last, last, n_conditions, generator=g)
        self.widen = nn.ModuleList(convolution(m, n, generator=g) for n, m in reversed(steps))
        self.up = nn.ModuleList(Block(2 * n, n, n_conditions, generator=g) for n, _ in reversed(steps))
        self.leave = nn.Sequential(GroupNorm(first), nn.SiLU(), convolution(first, self.n_colours, generator=g))

    def forward(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n dim"]:
        """Apply the network to all examples, a limited number at a time; the output has the dtype of the input."""
        return torch.cat([self._pass(rows) for rows in inputs.split(ROWS)]).to(inputs.dtype)

    def _pass(self, inputs: Tensor) -> Tensor:
        dim = self.height * self.width * self.n_colours
        flat, conditions = inputs[:, :dim], inputs[:, dim:]
        x = flat.reshape(-1, self.height, self.width, self.n_colours).permute(0, 3, 1, 2)
        x = self.enter(functional.pad(x, (0, -self.width % self.step, 0, -self.height % self.step)))
        across = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            across.append(block(x, conditions))
            x = shrink(across[-1])
        x = self.bottom(x, conditions)
        for widen, block in zip(self.widen, self.up, strict=True):
            x = block(torch.cat([widen(doubled(x)), across.pop()], dim=1), conditions)
        x = self.leave(x)[:, :, : self.height, : self.width]
        return x.permute(0, 2, 3, 1).reshape(-1, dim)
