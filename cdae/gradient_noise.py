"""The noise of a stochastic gradient: how much the gradient of a loss differs from one batch to the next.

The losses of a cascade have the same gradient in expectation (`objective`), so the one whose gradient varies least
trains fastest per update. The variance is summed over all parameters.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn


def gradient_variance(
    loss: Callable[[Tensor], Float[Tensor, ""]],
    parameters: Iterable[nn.Parameter],
    x: Float[Tensor, "n dim"],
    *,
    batch_size: int,
    n_batches: int,
    generator: torch.Generator,
) -> float:
    """Return the sum over parameters of the variance of the gradient, in squared nats per squared unit of a parameter.

    It is estimated without bias from independent batches, each of examples drawn with replacement.

    Args:
        loss: maps a batch (batch_size, dim) to its loss, with random numbers of its own.
        n_batches: the number of batches, at least 2.

    Raises:
        ValueError: if n_batches is below 2.
    """
    if n_batches < 2:
        raise ValueError(f"n_batches: got {n_batches}, expected at least 2, for a variance")
    parameters = list(parameters)
    means = [torch.zeros_like(p, dtype=torch.float64) for p in parameters]
    total = 0.0
    for n in range(1, n_batches + 1):
        rows = torch.randint(len(x), (batch_size,), generator=generator, device=x.device)
        gradients = torch.autograd.grad(loss(x[rows]), parameters, materialize_grads=True)
        for mean, gradient in zip(means, gradients, strict=True):
            step = gradient - mean
            mean += step / n
            total += (step * (gradient - mean)).sum().item()
    return total / (n_batches - 1)
