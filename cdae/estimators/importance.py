"""Importance-weighted estimates of the log-likelihood (Eq. 11).

    log p(x_0) = log E_q [ p(x_k) prod_{i=0}^{k-1} p(x_i | x_{i+1}) / q(x_{i+1} | x_0) ]

With M draws, the log of the average weight is a stochastic lower bound, called IW-M. It is not the log-likelihood.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import log_mean_exp, log_normal
from cdae.interfaces import Cascade, Weighted


def log_weights(model: Cascade, x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"]) -> Float[Tensor, "n"]:
    """Return the log of the ratio in Eq. 11 at given corrupted copies, in nats per example.

    Args:
        x: the clean data x_0.
        noisy: the corrupted copies, where noisy[i-1] is x_i.
    """
    x_hat = model.denoise(noisy)  # x_hat[i] = r(x_{i+1})
    c, rho = model.corruption_std, model.reconstruction_std
    total = model.prior.log_prob(noisy[-1]) + model.last_step(noisy[0]).log_prob(x, x_hat[0])
    for i in range(1, len(noisy)):
        total = total - log_normal(noisy[i - 1], x, c[i]) + log_normal(noisy[i - 1], x_hat[i], rho[i])
    return total - log_normal(noisy[-1], x, c[-1])


def log_importance_weights(
    model: Weighted, x: Float[Tensor, "n dim"], *, n_importance_samples: int, generator: torch.Generator
) -> Float[Tensor, "m n"]:
    """Draw the latents n_importance_samples times, and return the log importance weight of each draw, in nats.

    Memory holds the weights, and one draw of the latents at a time.

    Raises:
        ValueError: if n_importance_samples is less than 1.
    """
    if n_importance_samples < 1:
        raise ValueError(f"n_importance_samples: got {n_importance_samples}, expected at least 1")
    draws = (model.infer(x, generator=generator) for _ in range(n_importance_samples))
    return torch.stack([model.log_weights(x, latents) for latents in draws])


def log_likelihood(log_weights: Float[Tensor, "m n"]) -> Float[Tensor, "n"]:
    """Return IW-M, the log of the average weight, in nats: a stochastic lower bound on log p(x).

    Its expectation grows with M.
    """
    return log_mean_exp(log_weights)


def effective_sample_size(log_weights: Float[Tensor, "m n"]) -> Float[Tensor, "n"]:
    """Return the effective sample size (sum w)^2 / sum w^2 of each example, between 1 and M."""
    return torch.exp(2.0 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2.0 * log_weights, 0))
