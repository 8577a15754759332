"""Training losses of a cascade and its closed-form variances (Eqs. 6 to 9), as pure functions.

    full (Eq. 6)      sum_i |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2)
    shrunk (Eqs. 7-8) Z |x_0 - r(x_i)|^2,                 i ~ Q,       Q_i = (1 / (2 rho_{i-1}^2)) / Z
    shrunk, uniform   k |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2), i ~ uniform

All three have the same gradient in expectation. The paper prints Q unnormalised; the factor Z restores the scale of
Eq. 6. Q rarely visits the top levels; the uniform variant visits all alike. A loss is a mean over examples, in nats.

With a variance per pixel, rho_{i,j}, of shape (k, dim), Eq. 9 holds pixel by pixel, and Eqs. 7-8 no longer factor:
the level is drawn with probabilities of any kind, and pixel j of the error at level i weighs 1 / (2 rho_{i-1,j}^2 Q_i).
Q is then that of Eq. 8 for the variances averaged over pixels, as it would be with one variance for all of them. Where
the variance of the last step is predicted, its term is minus log p(x_0 | x_1), whose variance no longer is a constant;
rho_0 by Eq. 9 still gives its level the probability.
Not here: the terms of the bound that do not depend on the denoiser (`bound`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.corruption import per_level
from cdae.gaussian import log_normal, standard_normal, weighted_squared_norm
from cdae.interfaces import Cascade


def inverse_variances(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k *pixels"]:
    """1 / (2 rho_{i-1}^2) for i = 1 .. k: the weight of level i, or of its pixels, in Eq. 6."""
    return 0.5 / reconstruction_std.double().square()


def pooled_std(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k"]:
    """One number per level: the root mean square over pixels, or the standard deviation that all of them share."""
    return reconstruction_std if reconstruction_std.dim() == 1 else reconstruction_std.square().mean(1).sqrt()


def level_weights(reconstruction_std: Float[Tensor, "k *pixels"]) -> Float[Tensor, "k"]:
    """Q of Eq. 8, normalised to sum to one; of variances averaged over pixels."""
    weights = inverse_variances(pooled_std(reconstruction_std))
    return weights / weights.sum()


def optimal_reconstruction_std(
    corruption_std: Float[Tensor, "levels"], mse: Float[Tensor, "k *pixels"], *, variance_floor: float = 0.0
) -> Float[Tensor, "k *pixels"]:
    """Eq. 9: rho_i^2 = c_i^2 + MSE_{i+1}, i = 0 .. k-1, where mse[i] is MSE_{i+1} per dimension, or of each of them.

    Args:
        variance_floor: no variance is set below it.
    """
    variance = per_level(corruption_std[:-1].double().square(), mse) + mse.double()
    return variance.clamp(min=variance_floor).sqrt()


def full_loss(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, ""]:
    """The terms of Eq. 6 that depend on the networks, all levels of every example."""
    weights, x_hat = inverse_variances(model.reconstruction_std), model.denoise(noisy)
    losses = weighted_squared_norm(x - x_hat, weights.unsqueeze(1))
    last_std = model.last_step_std(noisy[0])
    if last_std.dim() == x.dim():  # predicted: no longer a constant
        losses = torch.cat([-log_normal(x, x_hat[0], last_std)[None], losses[1:]])
    return losses.sum(0).mean()


def one_level_loss(
    residual: Float[Tensor, "n dim"],
    level: Int[Tensor, "n"],
    probability: Float[Tensor, "k"],
    reconstruction_std: Float[Tensor, "k *pixels"],
    last_step_std: Tensor | None = None,
) -> Float[Tensor, ""]:
    """Unbiased estimate of `full_loss` from one level per example, drawn with the given probabilities.

    With probability Q (Eq. 8) and one variance for all pixels, the importance factor 1 / (2 rho^2 Q) is the constant Z,
    which is Eq. 7 times Z.

    Args:
        residual: x_0 - r(x_i), each example at its own level i.
        last_step_std: where it is predicted, (n, dim), of each example as if it were at level 1.
    """
    factor = inverse_variances(reconstruction_std) / per_level(probability, reconstruction_std)
    losses = weighted_squared_norm(residual, factor[level - 1])
    if last_step_std is not None:
        last_step = -log_normal(residual, torch.zeros_like(residual), last_step_std)
        losses = torch.where(level == 1, last_step / probability[0], losses)
    return losses.mean()


def draw_levels(probability: Float[Tensor, "k"], n: int, *, generator: torch.Generator) -> Int[Tensor, "n"]:
    """n levels in 1 .. k, independent, with the given probabilities."""
    return 1 + torch.multinomial(probability, n, replacement=True, generator=generator)


def corrupt_at(
    x: Float[Tensor, "n dim"],
    level: Int[Tensor, "n"],
    corruption_std: Float[Tensor, "levels"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "n dim"]:
    """One corrupted copy of each example, at its own level."""
    return x + corruption_std.to(x.dtype)[level, None] * standard_normal(x, *x.shape, generator=generator)
