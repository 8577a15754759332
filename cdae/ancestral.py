"""Ancestral sampling of a cascade, top level first: x_k from the prior, then x_{k-1}, ..., x_1, x_0 (Eqs. 1 and 5).

The last step is x_0 = r(x_1) as its mean, and r(x_1) + std eps as a sample, with the std of p(x_0 | x_1).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.chunks import EXAMPLES
from cdae.gaussian import standard_normal
from cdae.interfaces import Cascade, SampleSet, SampleVariant


def path(
    model: Cascade, x_k: Float[Tensor, "n dim"], *, generator: torch.Generator
) -> Iterator[Float[Tensor, "n dim"]]:
    """x_k as given, x_{k-1}, ..., x_1, and the mean r(x_1)."""
    x = x_k
    yield x
    for level in range(len(model.reconstruction_std), 0, -1):
        x = step_down(model, x, level, generator=generator)
        yield x


@torch.no_grad()
def step_down(
    model: Cascade, x: Float[Tensor, "n dim"], level: int, *, generator: torch.Generator
) -> Float[Tensor, "n dim"]:
    """x_{level-1} drawn given x_level = x; the mean where level is 1."""
    mean = model.denoise_level(x, level)
    if level == 1:
        return mean
    std = model.reconstruction_std[level - 1].to(mean.dtype)  # a value per pixel would raise the draw's precision
    return mean + std * standard_normal(mean, *mean.shape, generator=generator)


@torch.no_grad()
def sample_around(
    model: Cascade, mean: Float[Tensor, "n dim"], x_1: Float[Tensor, "n dim"], *, generator: torch.Generator
) -> Float[Tensor, "n dim"]:
    """x_0 drawn given x_1, with mean = r(x_1)."""
    std = torch.cat([model.last_step_std(part).to(mean.dtype).expand_as(part) for part in x_1.split(EXAMPLES)])
    return mean + std * standard_normal(mean, *mean.shape, generator=generator)


def sample_sets(model: Cascade, x_k: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Iterator[SampleSet]:
    """The same draws with the last step as its mean and as a sample."""
    x_1 = mean = x_k
    for state in path(model, x_k, generator=generator):  # without keeping the path, which would fill the memory
        x_1, mean = mean, state
    yield SampleSet(SampleVariant("mean"), mean)
    yield SampleSet(SampleVariant("sample"), sample_around(model, mean, x_1, generator=generator))
