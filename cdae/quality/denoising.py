"""Errors of denoisers at levels from far below to far above the spread of the data, of models and of two controls.

    the best linear one     r(y) = m + S (S + c^2 I)^-1 (y - m), with the mean and covariance of the training examples
                            (Wiener's filter)
    the best of a           r(y) = sum_n w_n x_n with w = softmax_n(-|y - x_n|^2 / 2 c^2). On examples drawn from the
    training set            training set nothing has a smaller expected error; it remembers, and need not generalise

At a level far above the spread of the data an error near the variance of the data means that nothing is left to see.
A denoiser with a smaller one finds clean data in what is practically noise, as "global denoising" asks for. Not here:
what errors mean for a bound (`cdae.level_costs`).
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.computing.chunks import EXAMPLES
from cdae.denoiser import BlindDenoiser
from cdae.gaussian import squared_norm, standard_normal
from cdae.interfaces import Layered
from cdae.quality.distances import squared_distances

Denoise = Callable[[Tensor, float], Tensor]  # corrupted examples (n, dim) and their level -> reconstructions (n, dim)


def best_linear(training: Float[Tensor, "t dim"]) -> Denoise:
    """Return the linear denoiser with the least mean squared error on the training examples, at any level."""
    mean = training.double().mean(0)
    centred = training.double() - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(training))
    variances = variances.clamp(min=0.0)

    def denoise(noisy: Tensor, c: float) -> Tensor:
        seen = (noisy.double() - mean) @ directions
        return mean + (seen * (variances / (variances + c**2))) @ directions.T

    return denoise


def best_of(training: Float[Tensor, "t dim"]) -> Denoise:
    """Return the denoiser with the least expected error on examples drawn from the training set, at any level."""
    known = training.double()

    def denoise(noisy: Tensor, c: float) -> Tensor:
        blocks = squared_distances(noisy.double(), known)
        return torch.cat([torch.softmax(-block / (2.0 * c**2), 1) @ known for block in blocks])

    return denoise


def denoiser_of(model: nn.Module, corruption_std: Sequence[float]) -> tuple[list[float], Denoise] | None:
    """Return a model's denoiser, and the levels at which it can be asked; None if it has none.

    A blind one is asked at the given levels, in data units. Another one knows its own levels only.
    """
    blind = next((module for module in model.modules() if isinstance(module, BlindDenoiser)), None)
    if blind is not None:
        return list(corruption_std), lambda noisy, _: blind(noisy, torch.ones_like(noisy[:, 0], dtype=torch.long))
    if not isinstance(model, Layered):
        return None
    own = model.corruption_std[1:].tolist()
    return own, lambda noisy, c: model.denoise(noisy.expand(len(own), *noisy.shape))[own.index(c)]


@torch.no_grad()
def squared_errors(
    denoise: Denoise, x: Float[Tensor, "n dim"], corruption_std: Sequence[float], *, generator: torch.Generator
) -> Float[Tensor, "m n"]:
    """Return |x_0 - r(x_0 + c z)|^2 / dim of every example at every level, in squared data units and float64.

    All levels share one draw of z for each example, and so do all denoisers that are given equal generators.
    """
    return torch.cat(list(_by_part(denoise, x, corruption_std, generator)), 1)


def _by_part(
    denoise: Denoise, x: Tensor, corruption_std: Sequence[float], generator: torch.Generator
) -> Iterator[Float[Tensor, "m rows"]]:
    for part in x.split(EXAMPLES):
        noise = standard_normal(part, *part.shape, generator=generator)
        found = [squared_norm(part - denoise(part + c * noise, c)) for c in corruption_std]
        yield torch.stack(found) / x.shape[1]
