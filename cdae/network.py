"""The networks within a cascade, by their names in a configuration."""

from collections.abc import Sequence

import torch
from torch import nn

from cdae.denoiser import mlp
from cdae.unet import UNet

MLP, UNET = "mlp", "unet"


def make_network(
    kind: str,
    dim: int,
    image_shape: tuple[int, ...] | None,
    hidden_sizes: Sequence[int],
    n_conditions: int = 0,
    *,
    generator: torch.Generator,
) -> nn.Module:
    """Return an untrained network from (n, dim + n_conditions) to (n, dim).

    Args:
        kind: "mlp", a multilayer perceptron, or "unet", for images alone.
        hidden_sizes: widths of hidden layers, or the numbers of channels at each resolution.
        n_conditions: inputs beside the example, such as its level, one-hot.

    Raises:
        ValueError: for another kind, or a U-Net of data that are no images.
    """
    if kind == MLP:
        return mlp(dim + n_conditions, hidden_sizes, dim, generator=generator)
    if kind != UNET:
        raise ValueError(f"network: got {kind!r}, expected {MLP} or {UNET}")
    if image_shape is None:
        raise ValueError(f"network: got {UNET!r} for data that are no images, expected images; use {MLP}")
    return UNet(image_shape, hidden_sizes, n_conditions, generator=generator)
