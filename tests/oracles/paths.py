"""Estimates of a cascade's log p(x_0) from given draws of the latents, for one example, by brute force.

In arrays over levels, row i-1 belongs to level i: the latents x_i and their reconstructions r(x_i).
All log densities are in nats.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm


@dataclass(frozen=True)
class Draws:
    """One example, m draws of its latents at every level, and the parameters of the cascade.

    Attributes:
        x: the example x_0, (d,).
        latents: the draws x_1 .. x_k, (k, m, d).
        reconstructions: r(x_1) .. r(x_k), (k, m, d).
        reconstruction_std: rho_0 .. rho_{k-1}, (k,), or (k, d) with a value per pixel.
        prior_mean, prior_std: (d,).
        prior_covariance: (d, d), used instead of prior_std where it is given.
    """

    x: np.ndarray
    latents: np.ndarray
    reconstructions: np.ndarray
    reconstruction_std: np.ndarray
    prior_mean: np.ndarray
    prior_std: np.ndarray
    prior_covariance: np.ndarray | None = None

    def log_prior(self, m: int) -> float:
        """Return log p(x_k^m)."""
        if self.prior_covariance is not None:
            return multivariate_normal(self.prior_mean, self.prior_covariance).logpdf(self.latents[-1, m])
        return norm.logpdf(self.latents[-1, m], self.prior_mean, self.prior_std).sum()

    def log_transition(self, i: int, m: int, m_above: int) -> float:
        """Return log p(x_i^m | x_{i+1}^m_above); at i = 0 the state is x, and m is not used."""
        state = self.x if i == 0 else self.latents[i - 1, m]
        return norm.logpdf(state, self.reconstructions[i, m_above], self.reconstruction_std[i]).sum()

    def log_look_ahead(self, i: int, m: int) -> float:
        """Return log N(x_0; r(x_i^m), rho_{i-1}^2)."""
        return norm.logpdf(self.x, self.reconstructions[i - 1, m], self.reconstruction_std[i - 1]).sum()

    def log_joint(self, path: tuple[int, ...]) -> float:
        """Return log p(x_0, x_1^m_1, ..., x_k^m_k) of the path (m_1, ..., m_k)."""
        steps = zip(range(len(path)), (0, *path[:-1]), path, strict=True)
        return self.log_prior(path[-1]) + sum(self.log_transition(i, m, m_above) for i, m, m_above in steps)


def all_paths(draws: Draws, std: np.ndarray) -> float:
    """Return the log of the average of p(path) / q(path) over all m^k paths, with q(x_i | x_0) = N(x_0, std_i^2).

    The standard deviations std have shape (k,) or (k, d).
    """
    k, m = draws.latents.shape[:2]
    log_q = norm.logpdf(draws.latents, draws.x, std.reshape(k, 1, -1)).sum(-1)
    weights = [
        draws.log_joint(path) - sum(log_q[i, j] for i, j in enumerate(path)) for path in product(range(m), repeat=k)
    ]
    return logsumexp(weights) - np.log(len(weights))


def particles(draws: Draws, share: np.ndarray, std: np.ndarray, ancestors: np.ndarray, resampled: np.ndarray) -> float:
    """Return the log of the sequential Monte Carlo estimate of p(x_0), given the ancestors of the particles.

    The estimate is the product of the particles' average weights at every resampling and at the end. The weight of a
    particle is the ratio of its whole path,

        p(x_k) ... p(x_i | x_{i+1}) N(x_0; r(x_i), rho_{i-1}^2) / q(x_k) ... q(x_i | x_{i+1}, x_0),

    divided by the same ratio at the last resampling, with q(x_i | x_{i+1}, x_0) = N(a_i x_0 + (1 - a_i) m_i, std_i^2)
    and m_i = r(x_{i+1}); at the top, m_k is the prior mean.

    Args:
        share: a_1 .. a_k, (k,).
        std: std_1 .. std_k, (k,) or (k, d).
        ancestors: (k-1, m); particle j of level i comes from particle ancestors[i-1, j] of level i+1.
        resampled: (k-1,); resampled[i-1] is true if the ancestors of level i were drawn by their weights.
    """
    k, m = draws.latents.shape[:2]
    total, log_ratio, last_target = 0.0, np.zeros(m), np.zeros(m)
    for i in range(k, 0, -1):
        above = ancestors[i - 1] if i < k else np.arange(m)
        log_ratio, last_target = log_ratio[above], last_target[above]
        for j in range(m):
            center = draws.prior_mean if i == k else draws.reconstructions[i, above[j]]
            mean = share[i - 1] * draws.x + (1 - share[i - 1]) * center
            log_p = draws.log_prior(j) if i == k else draws.log_transition(i, j, above[j])
            log_ratio[j] += log_p - norm.logpdf(draws.latents[i - 1, j], mean, std[i - 1]).sum()
        target = log_ratio + [draws.log_look_ahead(i, j) for j in range(m)]
        if i == 1 or resampled[i - 2]:
            total += logsumexp(target - last_target) - np.log(m)
            last_target = target
    return total
