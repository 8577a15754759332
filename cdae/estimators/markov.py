"""A Markov (diffusion) model made of a cascade's trained denoiser, and its lower bound.

The forward process has the cascade's marginals N(x_0, c_i^2), but it is a Markov chain: its levels are dependent given
x_0 (J. Sohl-Dickstein et al., 2015; J. Ho et al., "Denoising Diffusion Probabilistic Models", 2020). The mean of its
reverse transition depends on x_{i+1} both directly and through the denoiser. With g_i = c_i^2 / c_{i+1}^2 and
x_hat = r(x_{i+1}),

    q(x_i | x_{i+1}, x_0) = N(x_0 + g_i (x_{i+1} - x_0), c_i^2 (1 - g_i))
    p(x_i | x_{i+1})      = N(x_hat + g_i (x_{i+1} - x_hat), v_i),   p(x_k) the cascade's prior
    v_i = c_i^2 (1 - g_i) + (1 - g_i)^2 MSE_{i+1}

The variance v_i minimises the expected KL divergence between the two. With MSE_{i+1} = rho_i^2 - c_i^2 (Eq. 9),
v_i = (1 - g_i) (g_i c_i^2 + (1 - g_i) rho_i^2). No parameter is trained. For k = 1 the model is the cascade itself. For
larger k it is another model, and its bound says nothing about the cascade's log-likelihood.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.corruption import per_level
from cdae.gaussian import kl_normal
from cdae.interfaces import BoundTerms, Cascade


@runtime_checkable
class Corrupting(Protocol):
    """A cascade (`interfaces.Cascade`) whose `infer` draws corrupted copies with the marginals N(x_0, c_i^2)."""

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]: ...

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor: ...

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]: ...


def kept_share(corruption_std: Float[Tensor, "levels"]) -> Float[Tensor, "k"]:
    """Return g_i = c_i^2 / c_{i+1}^2 for i = 0 .. k-1: the share of x_{i+1} - x_0 that the mean of x_i keeps."""
    return (corruption_std[:-1] / corruption_std[1:]).double().square()


def transition_std(
    corruption_std: Float[Tensor, "levels"], reconstruction_std: Float[Tensor, "k *pixels"]
) -> Float[Tensor, "k *pixels"]:
    """Return sqrt(v_i) for i = 0 .. k-1, in data units and float64; it is positive for any rho.

    If rho_i is that of Eq. 9, v_i minimises the expected KL divergence of its level.
    """
    g = per_level(kept_share(corruption_std), reconstruction_std)
    own = per_level(corruption_std[:-1].double().square(), reconstruction_std)
    variance = g * own + (1.0 - g) * reconstruction_std.double().square()
    return ((1.0 - g) * variance).sqrt()


def error_std(
    corruption_std: Float[Tensor, "levels"], reconstruction_std: Float[Tensor, "k *pixels"]
) -> Float[Tensor, "k *pixels"]:
    """Return sqrt(v_i) / (1 - g_i) for i = 0 .. k-1, in data units and float64.

    The network enters the bound through |x_0 - r(x_{i+1})|^2 over twice the square of this, as it enters Eq. 6 through
    the same error over twice rho_i^2.
    """
    g = per_level(kept_share(corruption_std), reconstruction_std)
    return transition_std(corruption_std, reconstruction_std) / (1.0 - g)


def markov_bound_terms(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> BoundTerms:
    """Compute the terms of the Markov model's bound at given corrupted copies, in nats per example; a pure function.

    Every term depends on one level, x_{i+1}. So corrupted copies that are independent given x_0 give the same
    expectation as a path of the Markov chain.

    Args:
        x: the clean data x_0.
        noisy: the corrupted copies, where noisy[i-1] is x_i.
    """
    x_hat = model.denoise(noisy)  # x_hat[i] = r(x_{i+1})
    c, std = model.corruption_std, transition_std(model.corruption_std, model.reconstruction_std)
    left = 1.0 - kept_share(c)  # x_{i+1} enters both means alike, so they differ by left[i] (x_0 - x_hat[i])
    reconstruction = model.last_step(noisy[0]).log_prob(x, x_hat[0])  # v_0 = rho_0^2
    level_kl = [kl_normal(left[i] * x, c[i] * left[i].sqrt(), left[i] * x_hat[i], std[i]) for i in range(1, len(noisy))]
    prior_kl = model.prior.kl_from(x, c[-1])
    return BoundTerms(reconstruction, torch.stack(level_kl) if level_kl else prior_kl.new_zeros(0, len(x)), prior_kl)


def markov_bound(model: Cascade, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> BoundTerms:
    """Estimate the Markov model's lower bound from one draw of the latents per example, in nats, without bias.

    The result holds the terms, and its `total` is the bound.
    """
    return markov_bound_terms(model, x, model.infer(x, generator=generator))
