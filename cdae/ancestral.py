"""Ancestral sampling of a cascade, top level first: x_k from the prior, then x_{k-1}, ..., x_1, x_0 (Eqs. 1 and 5).

The last step has two variants: its mean x_0 = r(x_1), and a sample x_0 = r(x_1) + std eps, with the standard
deviation std of p(x_0 | x_1).
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
    """Yield the k + 1 states of ancestral sampling: the given x_k, then x_{k-1}, ..., x_1, then the mean r(x_1)."""
    x = x_k
    yield x
    for level in range(len(model.reconstruction_std), 0, -1):
        x = step_down(model, x, level, generator=generator)
        yield x


@torch.no_grad()
def step_down(
    model: Cascade, x: Float[Tensor, "n dim"], level: int, *, generator: torch.Generator
) -> Float[Tensor, "n dim"]:
    """Draw x_{level-1} given x_level = x; at level 1 return the mean r(x_1) instead."""
    mean = model.denoise_level(x, level)
    if level == 1:
        return mean
    std = model.reconstruction_std[level - 1].to(mean.dtype)  # a value per pixel would raise the draw's precision
    return mean + std * standard_normal(mean, *mean.shape, generator=generator)


@torch.no_grad()
def sample_around(
    model: Cascade, mean: Float[Tensor, "n dim"], x_1: Float[Tensor, "n dim"], *, generator: torch.Generator
) -> Float[Tensor, "n dim"]:
    """Draw x_0 from p(x_0 | x_1), whose mean r(x_1) is given."""
    parts = zip(mean.split(EXAMPLES), x_1.split(EXAMPLES), strict=True)
    return torch.cat([model.last_step(below).sample(part, generator=generator) for part, below in parts])


def sample_sets(model: Cascade, x_k: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Iterator[SampleSet]:
    """Yield two sample sets of the same ancestral paths from x_k: the last step's mean, and a sample of the last step.

    They share x_1, and are labelled "last step mean" and "last step sample".
    """
    x_1 = mean = x_k
    for state in path(model, x_k, generator=generator):  # the whole path would fill the memory
        x_1, mean = mean, state
    yield SampleSet(SampleVariant("mean"), mean)
    yield SampleSet(SampleVariant("sample"), sample_around(model, mean, x_1, generator=generator))
