"""The same denoiser as another generative model: a Markov forward process, whose reverse kernel sees x_{i+1} twice.

The forward process has the cascade's marginals N(x_0, c_i^2), but its levels are not independent given x_0 (J.
Sohl-Dickstein et al., 2015; J. Ho et al., "Denoising Diffusion Probabilistic Models", 2020). With
g_i = c_i^2 / c_{i+1}^2 and x_hat = r(x_{i+1}),

    q(x_i | x_{i+1}, x_0) = N(x_0 + g_i (x_{i+1} - x_0), c_i^2 (1 - g_i))
    p(x_i | x_{i+1})      = N(x_hat + g_i (x_{i+1} - x_hat), v_i),   p(x_k) the cascade's prior
    v_i = c_i^2 (1 - g_i) + (1 - g_i)^2 MSE_{i+1}

v_i minimises the expected divergence between the two. With MSE_{i+1} = rho_i^2 - c_i^2 (Eq. 9) it is 1 - g_i times a
mean of c_i^2 and rho_i^2, weighted g_i and 1 - g_i. Nothing is trained. For k = 1 this is the cascade itself; else its
bound is one on the log-likelihood of a model of its own, and says nothing of the cascade's.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.corruption import per_level
from cdae.gaussian import kl_normal, log_normal
from cdae.interfaces import BoundTerms, Cascade


@runtime_checkable
class Corrupting(Protocol):
    """A cascade (`interfaces.Cascade`) whose `infer` corrupts the data at every level, with the marginals above."""

    def denoise(self, noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "k n dim"]: ...

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor: ...

    def denoise_level(self, x: Float[Tensor, "n dim"], level: int) -> Float[Tensor, "n dim"]: ...


def kept_share(corruption_std: Float[Tensor, "levels"]) -> Float[Tensor, "k"]:
    """g_i = c_i^2 / c_{i+1}^2, i = 0 .. k-1: how much of x_{i+1}'s deviation is left in x_i."""
    return (corruption_std[:-1] / corruption_std[1:]).double().square()


def transition_std(
    corruption_std: Float[Tensor, "levels"], reconstruction_std: Float[Tensor, "k *pixels"]
) -> Float[Tensor, "k *pixels"]:
    """sqrt(v_i), i = 0 .. k-1: for rho_i by Eq. 9 the minimiser of the bound's every term, and positive for any rho."""
    g = per_level(kept_share(corruption_std), reconstruction_std)
    own = per_level(corruption_std[:-1].double().square(), reconstruction_std)
    variance = g * own + (1.0 - g) * reconstruction_std.double().square()
    return ((1.0 - g) * variance).sqrt()


def markov_bound_terms(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> BoundTerms:
    """The bound's terms at given corrupted copies (noisy[i-1] is x_i): a pure function, in nats per example.

    Every divergence sees one level, x_{i+1}, so copies drawn independently of one another serve as well as a path.
    """
    x_hat = model.denoise(noisy)  # x_hat[i] = r(x_{i+1})
    c, std = model.corruption_std, transition_std(model.corruption_std, model.reconstruction_std)
    left = 1.0 - kept_share(c)  # x_{i+1} enters both means alike, so they differ by left[i] (x_0 - x_hat[i])
    reconstruction = log_normal(x, x_hat[0], model.last_step_std(noisy[0]))  # v_0 = rho_0^2
    level_kl = [kl_normal(left[i] * x, c[i] * left[i].sqrt(), left[i] * x_hat[i], std[i]) for i in range(1, len(noisy))]
    prior_kl = model.prior.kl_from(x, c[-1])
    return BoundTerms(reconstruction, torch.stack(level_kl) if level_kl else prior_kl.new_zeros(0, len(x)), prior_kl)


def markov_bound(model: Cascade, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> BoundTerms:
    """One unbiased draw of the Markov model's lower bound per example, in nats, by its terms; `.total` is the bound."""
    return markov_bound_terms(model, x, model.infer(x, generator=generator))
