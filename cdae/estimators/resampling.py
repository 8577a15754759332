"""Resampling of particles by their weights, of each example by itself."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

RESAMPLE_BELOW = 0.5  # effective sample size divided by the number of particles


def ancestors_of(
    log_weights: Float[Tensor, "m n"], low: Bool[Tensor, "n"], *, keep_first: bool, generator: torch.Generator
) -> Int[Tensor, "m n"]:
    """Return the index of each new particle's ancestor, by systematic resampling of the examples in `low`.

    In the other examples every particle is its own ancestor. Particle j owns an interval on a circle of length 1, as
    long as its normalised weight, and the ancestor of new particle l owns the point start + l / m. If start is uniform
    on the circle, every ancestor is distributed by the weights. If the first particle must survive, start is uniform on
    the first interval.
    """
    m, n = log_weights.shape
    ends = torch.softmax(log_weights, 0).cumsum(0).T.contiguous()
    start = torch.rand(n, 1, dtype=torch.float64, generator=generator, device=ends.device)
    if keep_first:
        start = start * ends[:, :1]
    own = torch.arange(m, device=ends.device)
    ancestors = torch.searchsorted(ends, (start + own.double() / m) % 1.0, right=True).clamp(max=m - 1).T
    if keep_first:
        ancestors[0] = 0  # even if its weight underflows
    return torch.where(low, ancestors, own[:, None])
