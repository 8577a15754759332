"""What a model makes of a clean example within: the mean of its code, or the hidden layers of its denoiser.

Which of them a model has follows from its methods. Hidden layers are those of a multilayer perceptron
(`cdae.denoiser.mlp`), all of them side by side, at the lowest level where a denoiser has several.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES, examples_at_once
from cdae.denoiser import Network
from cdae.interfaces import Layered


@runtime_checkable
class Encodes(Protocol):
    """Has a Gaussian code q(z | x)."""

    def encode(self, x: Float[Tensor, "n dim"]) -> tuple[Tensor, Tensor]: ...


@runtime_checkable
class Reconstructs(Protocol):
    """Has one denoiser for one level."""

    def reconstruct(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]: ...


@torch.no_grad()
def representation(model: nn.Module, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n features"] | None:
    """Return what a model makes of examples; None if it has neither a code nor hidden layers."""
    if isinstance(model, Encodes):
        return torch.cat([model.encode(part)[0] for part in x.split(EXAMPLES)])
    if isinstance(model, Reconstructs | Layered):
        parts = [_hidden(model, part) for part in x.split(examples_at_once(model))]
        return None if parts[0] is None else torch.cat([part for part in parts if part is not None])
    return None


def _hidden(model: nn.Module, x: Tensor) -> Tensor | None:
    """The hidden layers of the first network that a reconstruction of x at the lowest level passes through."""
    seen: list[tuple[Network, Tensor]] = []
    networks = [module for module in model.modules() if isinstance(module, Network)]
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output, network=network: seen.append((network, output)))
        for network in networks
        for layer in network
        if not isinstance(layer, nn.Linear)
    ]
    try:
        if isinstance(model, Reconstructs):
            model.reconstruct(x)
        else:
            model.denoise(x.expand(len(model.corruption_std) - 1, *x.shape))
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat([output[: len(x)] for network, output in seen if network is seen[0][0]], 1) if seen else None
