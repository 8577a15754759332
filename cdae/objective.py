"""The training losses of a cascade and its closed-form variances (Eqs. 6 to 9), as pure functions.

    full (Eq. 6)      sum_i |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2)
    shrunk (Eqs. 7-8) Z |x_0 - r(x_i)|^2,                 i ~ Q,       Q_i = (1 / (2 rho_{i-1}^2)) / Z
    shrunk, uniform   k |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2), i ~ uniform

All three have the same gradient in expectation. The paper prints Q unnormalised; the factor Z restores the scale of
Eq. 6. Q rarely draws the top levels, and the uniform variant draws all levels equally often. A loss is a mean over
examples, in nats, without the terms of the bound that do not depend on the networks (`bound`).

With a variance per pixel, rho_{i,j}, of shape (k, dim), Eq. 9 holds for each pixel. Eqs. 7-8 then have no common factor
Z: pixel j of the error at level i has the weight 1 / (2 rho_{i-1,j}^2 Q_i), where Q_i may be any probability of drawing
level i. We take Eq. 8 with the variances averaged over pixels.

Where the density of the last step has parameters of its own, the term of level 1 is -log p(x_0 | x_1). The probability
of drawing level 1 still follows from rho_0 of Eq. 9. Where the variances are learned, the loss has the terms of Eq. 6
that depend on them alone (`variance_terms`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.corruption import per_level
from cdae.gaussian import standard_normal, weighted_squared_norm
from cdae.pixel_density import PixelDensity


def inverse_variances(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k *pixels"]:
    """Return 1 / (2 rho_{i-1}^2) for i = 1 .. k, in float64: the weight of level i, or of its pixels, in Eq. 6."""
    return 0.5 / reconstruction_std.double().square()


def pooled_std(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k"]:
    """Return one standard deviation per level: the root mean square over pixels, or the one that all pixels share."""
    return reconstruction_std if reconstruction_std.dim() == 1 else reconstruction_std.square().mean(1).sqrt()


def level_weights(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k"]:
    """Return Q_1 .. Q_k of Eq. 8, normalised to sum to one, from the variances averaged over pixels."""
    weights = inverse_variances(pooled_std(reconstruction_std))
    return weights / weights.sum()


def optimal_reconstruction_std(
    corruption_std: Float[Tensor, "levels"], mse: Float[Tensor, "k *pixels"], *, variance_floor: float = 0.0
) -> Float[Tensor, "k *pixels"]:
    """Return rho_0 .. rho_{k-1} of Eq. 9, rho_i^2 = c_i^2 + MSE_{i+1}, in float64 and data units.

    Args:
        corruption_std: c_0 .. c_k, (k + 1,).
        mse: mse[i] is MSE_{i+1}, the mean squared error per dimension, (k,), or of each dimension, (k, dim).
        variance_floor: the least value of rho_i^2, in squared data units.
    """
    variance = per_level(corruption_std[:-1].double().square(), mse) + mse.double()
    return variance.clamp(min=variance_floor).sqrt()


def full_loss(
    x: Float[Tensor, "n dim"],
    x_hat: Float[Tensor, "k n dim"],
    reconstruction_std: Float[Tensor, "k *pixels"],
    last_step: PixelDensity | None = None,
) -> Float[Tensor, ""]:
    """Return the terms of Eq. 6 that depend on the networks, at all levels of every example, averaged over examples.

    Args:
        x: the clean data x_0.
        x_hat: its reconstructions, where x_hat[i-1] is r(x_i).
        reconstruction_std: rho_0 .. rho_{k-1}.
        last_step: p(x_0 | x_1) around r(x_1), if it has parameters of its own.
    """
    losses = weighted_squared_norm(x - x_hat, inverse_variances(reconstruction_std).unsqueeze(1))
    if last_step is not None:
        losses = torch.cat([-last_step.log_prob(x, x_hat[0])[None], losses[1:]])
    return losses.sum(0).mean()


def one_level_loss(
    x: Float[Tensor, "n dim"],
    x_hat: Float[Tensor, "n dim"],
    level: Int[Tensor, "n"],
    probability: Float[Tensor, "k"],
    reconstruction_std: Float[Tensor, "k *pixels"],
    last_step: PixelDensity | None = None,
) -> Float[Tensor, ""]:
    """Estimate `full_loss` without bias from one level per example, drawn with the given probabilities.

    With the probabilities Q (Eq. 8) and one variance for all pixels, the importance factor 1 / (2 rho^2 Q) is the
    constant Z, and the loss is Z times Eq. 7.

    Args:
        x: the clean data x_0.
        x_hat: r(x_i), where each example has its own level i.
        level: the level i of each example, in 1 .. k.
        probability: the probability of drawing each level; it sums to one.
        reconstruction_std: rho_0 .. rho_{k-1}.
        last_step: p(x_0 | x_1) of the examples at level 1, in their order, if it has parameters of its own.
    """
    factor = inverse_variances(reconstruction_std) / per_level(probability, reconstruction_std)
    losses = weighted_squared_norm(x - x_hat, factor[level - 1])
    if last_step is None:
        return losses.mean()
    first = level == 1
    of_first = -last_step.log_prob(x[first], x_hat[first]) / probability[0]
    return (losses.masked_fill(first, 0.0).sum() + of_first.sum()) / len(x)


def variance_terms(
    corruption_std: Float[Tensor, "levels"], reconstruction_std: Float[Tensor, "k *pixels"], dim: int
) -> Float[Tensor, ""]:
    """Return phi of Eq. 6 without its constants, sum_i d (log rho_i + c_i^2 / (2 rho_i^2)), in nats.

    These terms depend on the variances alone. Their sum with `full_loss` is least at the variances of Eq. 9.

    Args:
        corruption_std: c_0 .. c_k.
        reconstruction_std: rho_0 .. rho_{k-1}.
        dim: d.
    """
    c = per_level(corruption_std[:-1], reconstruction_std)
    per_pixel = reconstruction_std.log() + 0.5 * (c / reconstruction_std).square()
    return per_pixel.sum() * (dim if reconstruction_std.dim() == 1 else 1)


def draw_levels(probability: Float[Tensor, "k"], n: int, *, generator: torch.Generator) -> Int[Tensor, "n"]:
    """Draw n independent levels in 1 .. k with the given probabilities."""
    return 1 + torch.multinomial(probability, n, replacement=True, generator=generator)


def corrupt_at(
    x: Float[Tensor, "n dim"],
    level: Int[Tensor, "n"],
    corruption_std: Float[Tensor, "levels"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "n dim"]:
    """Draw one corrupted copy of each example, x_i ~ N(x_0, c_i^2 I), at the example's own level i.

    Args:
        x: the clean data x_0.
        level: the level i of each example, in 1 .. k.
        corruption_std: c_0 .. c_k, (k + 1,), in data units.
    """
    return x + corruption_std.to(x.dtype)[level, None] * standard_normal(x, *x.shape, generator=generator)
