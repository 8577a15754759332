"""Gaussian log densities and KL divergences, one value per example, in nats.

The last axis holds the dimensions, and all sums over it are in float64, whatever the dtype of the arguments: a
difference of two log densities of 784 pixels loses its last digits in float32. No other module uses 2 pi.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

LOG_2PI = math.log(2.0 * math.pi)


def squared_norm(x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
    """Return the squared Euclidean norm over the last axis, summed in float64."""
    return x.square().sum(-1, dtype=torch.float64)


def weighted_squared_norm(x: Float[Tensor, "*batch dim"], weight: Tensor) -> Tensor:
    """Return sum_j w_j x_j^2 over the last axis, (*batch,), in float64.

    Args:
        weight: one per vector, if it has fewer axes than x (it broadcasts to (*batch,)), or one per entry, if it has as
            many axes as x (it broadcasts to the shape of x).
    """
    if weight.dim() < x.dim():
        return weight * squared_norm(x)
    return (weight.double() * x.square()).sum(-1)


def sum_over_dim(values: Tensor, dim: int) -> Tensor:
    """Sum over the last axis in float64; a value of shape () counts once for each of the `dim` dimensions."""
    return values.double().expand(*values.shape[:-1], dim).sum(-1)


def log_normal(x: Float[Tensor, "*batch dim"], mean: Tensor, std: Tensor) -> Float[Tensor, "*batch"]:
    """Return log N(x; mean, diag std^2) in nats, for a mean and a std that broadcast to the shape of x."""
    dim = x.shape[-1]
    return -0.5 * squared_norm((x - mean) / std) - sum_over_dim(std.double().log(), dim) - 0.5 * dim * LOG_2PI


def log_normal_pairs(
    x: Float[Tensor, "n m dim"], mean: Float[Tensor, "n l dim"], std: Tensor
) -> Float[Tensor, "n m l"]:
    """Return log N(x[:, i]; mean[:, j], diag std^2) in nats for all pairs i, j, by one matrix product per example.

    Squared distances are computed from norms and inner products. Shift the origin close to x and mean first: far from
    it the squared distances are small differences of large numbers, and lose digits.

    Args:
        std: of shape () or (dim,).
    """
    dim = x.shape[-1]
    x, mean = x / std, mean / std
    squared = squared_norm(x)[:, :, None] + squared_norm(mean)[:, None, :] - 2.0 * torch.bmm(x, mean.mT)
    return -0.5 * squared - sum_over_dim(std.double().log(), dim) - 0.5 * dim * LOG_2PI


def kl_normal(
    mean_q: Float[Tensor, "*batch dim"], std_q: Tensor, mean_p: Tensor, std_p: Tensor
) -> Float[Tensor, "*batch"]:
    """Return KL(N(mean_q, diag std_q^2), N(mean_p, diag std_p^2)) in nats.

    The two standard deviations and mean_p broadcast to the shape of mean_q.
    """
    dim = mean_q.shape[-1]
    ratio = std_q.double() / std_p.double()
    spread = sum_over_dim(0.5 * (ratio.square() - 1.0) - ratio.log(), dim)
    return spread + 0.5 * squared_norm((mean_q - mean_p) / std_p)


def whiten(x: Float[Tensor, "*batch dim"], mean: Tensor, factor: Float[Tensor, "dim dim"]) -> Tensor:
    """Solve x = mean + factor z for z, of the shape of x, with a lower triangular factor; x has at least two axes."""
    return torch.linalg.solve_triangular(factor, (x - mean).mT, upper=False).mT


def log_normal_full(
    x: Float[Tensor, "*batch dim"], mean: Float[Tensor, "dim"], factor: Float[Tensor, "dim dim"]
) -> Float[Tensor, "*batch"]:
    """Return log N(x; mean, factor factor^T) in nats, for a mean and a lower triangular factor in float64."""
    whitened, log_volume = whiten(x, mean, factor), factor.diagonal().log().sum()
    return log_normal(whitened, torch.zeros_like(mean), torch.ones_like(mean)) - log_volume


def kl_normal_full(
    mean_q: Float[Tensor, "n dim"], std_q: Tensor, mean_p: Float[Tensor, "dim"], factor: Float[Tensor, "dim dim"]
) -> Float[Tensor, "n"]:
    """Return KL(N(mean_q, diag std_q^2), N(mean_p, factor factor^T)) in nats.

    Args:
        std_q: of shape () or (dim,).
        mean_p, factor: float64, with a lower triangular factor, as in `log_normal_full`.
    """
    dim, std_q = len(mean_p), std_q.double().expand_as(mean_p)
    ratio = torch.linalg.solve_triangular(factor, std_q.diag(), upper=False)  # its square is tr(S_p^-1 S_q)
    spread = 0.5 * (ratio.square().sum() - dim) + factor.diagonal().log().sum() - std_q.log().sum()
    return spread + 0.5 * squared_norm(whiten(mean_q, mean_p, factor))


def log_mean_exp(log_values: Float[Tensor, "m *batch"]) -> Float[Tensor, "*batch"]:
    """Return the log of the mean of exp(log_values) over the first axis, in float64, without overflow."""
    return torch.logsumexp(log_values.double(), 0) - math.log(log_values.shape[0])


def standard_normal(like: Tensor, *shape: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers of the given shape, with the dtype and device of `like`."""
    return torch.randn(*shape, generator=generator, dtype=like.dtype, device=like.device)
