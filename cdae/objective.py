"""Training losses of a cascade and its closed-form variances (Eqs. 6 to 9), as pure functions.

    full (Eq. 6)      sum_i |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2)
    shrunk (Eqs. 7-8) Z |x_0 - r(x_i)|^2,                 i ~ Q,       Q_i = (1 / (2 rho_{i-1}^2)) / Z
    shrunk, uniform   k |x_0 - r(x_i)|^2 / (2 rho_{i-1}^2), i ~ uniform

All three have the same gradient in expectation. The paper prints Q unnormalised; the factor Z restores the scale of
Eq. 6. Q rarely visits the top levels; the uniform variant visits all alike. A loss is a mean over examples, in nats.
Not here: the terms of the bound that do not depend on the denoiser (`bound`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.gaussian import squared_norm, standard_normal
from cdae.interfaces import Cascade


def inverse_variances(reconstruction_std: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """1 / (2 rho_{i-1}^2) for i = 1 .. k: the weight of level i in Eq. 6."""
    return 0.5 / reconstruction_std.double().square()


def level_weights(reconstruction_std: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Q of Eq. 8, normalised to sum to one."""
    weights = inverse_variances(reconstruction_std)
    return weights / weights.sum()


def optimal_reconstruction_std(corruption_std: Float[Tensor, "levels"], mse: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Eq. 9: rho_i^2 = c_i^2 + MSE_{i+1}, i = 0 .. k-1, where mse[i] is MSE_{i+1} per dimension."""
    return (corruption_std[:-1].double().square() + mse.double()).sqrt()


def full_loss(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, ""]:
    """The terms of Eq. 6 that depend on the denoiser, all levels of every example."""
    errors = squared_norm(x - model.denoise(noisy))
    return (inverse_variances(model.reconstruction_std)[:, None] * errors).sum(0).mean()


def one_level_loss(
    errors: Float[Tensor, "n"],
    level: Int[Tensor, "n"],
    probability: Float[Tensor, "k"],
    reconstruction_std: Float[Tensor, "k"],
) -> Float[Tensor, ""]:
    """Unbiased estimate of `full_loss` from one level per example, drawn with the given probabilities.

    With probability Q (Eq. 8) the importance factor 1 / (2 rho^2 Q) is the constant Z, which is Eq. 7 times Z.
    """
    factor = inverse_variances(reconstruction_std) / probability
    return (factor[level - 1] * errors).mean()


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
