"""The evidence lower bound of a cascade, with its terms (Eqs. 2, 4 and 6).

    L(x_0) = E log p(x_0 | x_1) - sum_{i=1}^{k-1} E KL(q(x_i | x_0), p(x_i | x_{i+1})) - KL(q(x_k | x_0), p(x_k))

Eq. 2 is the case k = 1 and has no code of its own. All KL divergences have closed forms, so the corrupted copies are
the only randomness. Not here: averages over examples, and the training losses made of these terms (`objective`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import kl_normal
from cdae.interfaces import Bounded, BoundTerms, Cascade


def bound_terms(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> BoundTerms:
    """Compute the terms of Eq. 4 at given corrupted copies, in nats per example; a pure function.

    Args:
        model: a cascade with k levels.
        x: the clean data x_0.
        noisy: the corrupted copies, where noisy[i-1] is x_i.
    """
    x_hat = model.denoise(noisy)  # x_hat[i] = r(x_{i+1})
    c, rho = model.corruption_std, model.reconstruction_std
    reconstruction = model.last_step(noisy[0]).log_prob(x, x_hat[0])
    level_kl = [kl_normal(x, c[i], x_hat[i], rho[i]) for i in range(1, len(noisy))]
    prior_kl = model.prior.kl_from(x, c[-1])
    return BoundTerms(reconstruction, torch.stack(level_kl) if level_kl else prior_kl.new_zeros(0, len(x)), prior_kl)


def elbo(model: Bounded, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> BoundTerms:
    """Estimate the evidence lower bound from one draw of the latents per example, in nats, without bias.

    The result holds the terms, and its `total` is the bound.
    """
    return model.bound_terms(x, model.infer(x, generator=generator))
