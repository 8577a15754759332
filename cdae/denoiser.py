"""Neural networks: denoisers r(x, level), and a predictor of the last step's standard deviation. No probability here.

A cascade calls its denoiser as `denoiser(x, level)` with x of shape (n, dim) and integer levels of shape (n,), and
expects the reconstruction, (n, dim). Any module with that signature will do. The paper's denoiser is blind: it does
not see the level.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def linear(n_in: int, n_out: int, *, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer whose weights have torch's default initialisation, drawn from the given generator."""
    return uniform(nn.Linear(n_in, n_out, device="meta"), n_in**-0.5, generator=generator)


def uniform(layer: Layer, limit: float, *, generator: torch.Generator) -> Layer:
    """Give a layer from the "meta" device, which has drawn nothing, its weights and biases, uniform on +-limit.

    Torch's own `skip_init` imports sympy to the same end, a third of a second per process.
    """
    for name in ("weight", "bias"):
        values = torch.empty(getattr(layer, name).shape)
        setattr(layer, name, nn.Parameter(nn.init.uniform_(values, -limit, limit, generator=generator)))
    return layer


class Network(nn.Sequential):
    """A sequence of layers whose output has the dtype of the input, even where the layers run in bfloat16."""

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        """Apply the layers, and convert their output to the dtype of x."""
        return super().forward(x).to(x.dtype)


def mlp(n_in: int, hidden_sizes: Sequence[int], n_out: int, *, generator: torch.Generator) -> Network:
    """Return a multilayer perceptron with SiLU activations; without hidden sizes it is one linear layer."""
    sizes = [n_in, *hidden_sizes]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [linear(a, b, generator=generator), nn.SiLU()]
    return Network(*layers, linear(sizes[-1], n_out, generator=generator))


class DataScale(nn.Module):
    """The scale of the data: it standardises the inputs of networks and maps their outputs back to data units.

    Args:
        mean: (dim,), the mean of the training data.
        pooled_std: the standard deviation of the training data, pooled over dimensions.
        unit_interval: if true, outputs pass through a sigmoid into (0, 1); otherwise they are mapped linearly.
    """

    def __init__(self, mean: Float[Tensor, "dim"], pooled_std: float, *, unit_interval: bool):
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", torch.tensor(pooled_std, dtype=torch.float32))
        self.unit_interval = unit_interval

    def standardize(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Subtract the mean, and divide by the pooled standard deviation."""
        return (x - self.mean) / self.std

    def to_data(self, output: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Map the output of a network to data units."""
        return torch.sigmoid(output) if self.unit_interval else self.mean + self.std * output


class BlindDenoiser(nn.Module):
    """The denoiser r(x), which ignores the level, as in the paper."""

    def __init__(self, network: nn.Module, data_scale: DataScale):
        super().__init__()
        self.network, self.data_scale = network, data_scale

    def forward(self, x: Float[Tensor, "n dim"], level: Int[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        """Return the reconstruction of x, in data units."""
        return self.data_scale.to_data(self.network(self.data_scale.standardize(x)))


class ConditionedDenoiser(nn.Module):
    """The denoiser r(x, level), whose network receives the level, one-hot, as n_levels further inputs."""

    def __init__(self, network: nn.Module, data_scale: DataScale, n_levels: int):
        super().__init__()
        self.network, self.data_scale, self.n_levels = network, data_scale, n_levels

    def forward(self, x: Float[Tensor, "n dim"], level: Int[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        """Return the reconstruction of x, in data units; each example has its own level in 1 .. n_levels."""
        one_hot = nn.functional.one_hot(level - 1, self.n_levels).to(x.dtype)
        inputs = torch.cat([self.data_scale.standardize(x), one_hot], dim=-1)
        return self.data_scale.to_data(self.network(inputs))


class UnsharedDenoiser(nn.Module):
    """A denoiser r_i(x) of its own for every level i: an ablation of the one that all levels share."""

    def __init__(self, networks: Sequence[nn.Module], data_scale: DataScale):
        super().__init__()
        self.networks, self.data_scale = nn.ModuleList(networks), data_scale

    def forward(self, x: Float[Tensor, "n dim"], level: Int[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        """Return the reconstruction of x, in data units; each example has its own level in 1 .. n_levels."""
        order = level.argsort(stable=True)
        n_examples = level.bincount(minlength=len(self.networks) + 1)[1:].tolist()
        parts = self.data_scale.standardize(x)[order].split(n_examples)
        outputs = torch.cat([network(part) for network, part in zip(self.networks, parts, strict=True)])
        return self.data_scale.to_data(outputs[order.argsort()])


def make_denoiser(
    kind: str, data_scale: DataScale, make_network: Callable[[int], nn.Module], *, n_levels: int
) -> nn.Module:
    """Return an untrained denoiser.

    Args:
        kind: "blind", "conditioned" or "unshared".
        make_network: n_conditions -> an untrained network from (n, dim + n_conditions) to (n, dim).

    Raises:
        ValueError: for another kind.
    """
    if kind == "blind":
        return BlindDenoiser(make_network(0), data_scale)
    if kind == "conditioned":
        return ConditionedDenoiser(make_network(n_levels), data_scale, n_levels)
    if kind == "unshared":
        return UnsharedDenoiser([make_network(0) for _ in range(n_levels)], data_scale)
    raise ValueError(f"denoiser: got {kind!r}, expected blind, conditioned or unshared")
