"""Denoising networks r(x, level), and one for the variance of the last step: architecture only, no probability.

A cascade calls its denoiser as `denoiser(x, level)` with x of shape (n, dim) and integer levels of shape (n,), and
expects the reconstruction, (n, dim). Any module with that signature will do. The paper's denoiser is blind: it does
not look at the level.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def linear(n_in: int, n_out: int, *, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's default initialisation, drawn from the given generator."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    limit = n_in**-0.5
    nn.init.uniform_(layer.weight, -limit, limit, generator=generator)
    nn.init.uniform_(layer.bias, -limit, limit, generator=generator)
    return layer


class Network(nn.Sequential):
    """Layers one after the other, whose answer has the precision of the input, whatever theirs (`precision`)."""

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return super().forward(x).to(x.dtype)


def mlp(n_in: int, hidden_sizes: Sequence[int], n_out: int, *, generator: torch.Generator) -> Network:
    """Linear layers with SiLU between them; a single linear layer where there are no hidden ones."""
    sizes = [n_in, *hidden_sizes]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [linear(a, b, generator=generator), nn.SiLU()]
    return Network(*layers, linear(sizes[-1], n_out, generator=generator))


class DataScale(nn.Module):
    """Standardises inputs by the data's mean and pooled standard deviation, and maps network outputs back.

    Outputs are squashed into (0, 1) for data that live there, and are linear otherwise.
    """

    def __init__(self, mean: Float[Tensor, "dim"], pooled_std: float, *, unit_interval: bool):
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", torch.tensor(pooled_std, dtype=torch.float32))
        self.unit_interval = unit_interval

    def standardize(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return (x - self.mean) / self.std

    def to_data(self, output: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return torch.sigmoid(output) if self.unit_interval else self.mean + self.std * output


class BlindDenoiser(nn.Module):
    """r(x): ignores the level, as in the paper."""

    def __init__(self, network: nn.Module, data_scale: DataScale):
        super().__init__()
        self.network, self.data_scale = network, data_scale

    def forward(self, x: Float[Tensor, "n dim"], level: Int[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        return self.data_scale.to_data(self.network(self.data_scale.standardize(x)))


class ConditionedDenoiser(nn.Module):
    """r(x, level): the network also receives the level, one-hot, as `n_levels` further inputs."""

    def __init__(self, network: nn.Module, data_scale: DataScale, n_levels: int):
        super().__init__()
        self.network, self.data_scale, self.n_levels = network, data_scale, n_levels

    def forward(self, x: Float[Tensor, "n dim"], level: Int[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        one_hot = nn.functional.one_hot(level - 1, self.n_levels).to(x.dtype)
        inputs = torch.cat([self.data_scale.standardize(x), one_hot], dim=-1)
        return self.data_scale.to_data(self.network(inputs))


class StdPredictor(nn.Module):
    """Standard deviations of the last step, of every pixel of every example, from x_1.

    The variance is that of the data times softplus(network(x_1)), above a floor: its low end is exponential, so that
    small variances are within reach, and its high end linear, so that states far from the data do no harm.

    Args:
        variance_floor: added to every variance, in squared data units.
    """

    def __init__(self, network: nn.Module, data_scale: DataScale, variance_floor: float):
        super().__init__()
        self.network, self.data_scale, self.variance_floor = network, data_scale, variance_floor

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        share = nn.functional.softplus(self.network(self.data_scale.standardize(x)))
        return (self.variance_floor + self.data_scale.std.square() * share).sqrt()
