"""Estimates of log p(x_0) of a cascade from given draws of its latents, for one example, by brute force.

Arrays over levels have level i in row i-1: latents x_i and their reconstructions r(x_i).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm


@dataclass(frozen=True)
class Draws:
    """Everything an estimate is made of: x (d,), latents and reconstructions (k, m, d), the standard deviations."""

    x: np.ndarray
    latents: np.ndarray
    reconstructions: np.ndarray
    reconstruction_std: np.ndarray
    prior_mean: np.ndarray
    prior_std: np.ndarray
    prior_covariance: np.ndarray | None = None  # in place of prior_std

    def log_prior(self, m: int) -> float:
        if self.prior_covariance is not None:
            return multivariate_normal(self.prior_mean, self.prior_covariance).logpdf(self.latents[-1, m])
        return norm.logpdf(self.latents[-1, m], self.prior_mean, self.prior_std).sum()

    def log_transition(self, i: int, m: int, m_above: int) -> float:
        """log p(x_i^m | x_{i+1}^m_above), where x_0 is x whatever m."""
        state = self.x if i == 0 else self.latents[i - 1, m]
        return norm.logpdf(state, self.reconstructions[i, m_above], self.reconstruction_std[i]).sum()

    def log_look_ahead(self, i: int, m: int) -> float:
        """log N(x_0; r(x_i^m), rho_{i-1}^2)."""
        return norm.logpdf(self.x, self.reconstructions[i - 1, m], self.reconstruction_std[i - 1]).sum()

    def log_joint(self, path: tuple[int, ...]) -> float:
        """log p(x_0, x_1^m_1, ..., x_k^m_k) of the path (m_1, ..., m_k)."""
        steps = zip(range(len(path)), (0, *path[:-1]), path, strict=True)
        return self.log_prior(path[-1]) + sum(self.log_transition(i, m, m_above) for i, m, m_above in steps)


def all_paths(draws: Draws, std: np.ndarray) -> float:
    """log of the average over all m^k paths of p(path) / q(path), q(x_i | x_0) = N(x_0, std_i^2), std (k, ...)."""
    k, m = draws.latents.shape[:2]
    log_q = norm.logpdf(draws.latents, draws.x, std.reshape(k, 1, -1)).sum(-1)
    weights = [
        draws.log_joint(path) - sum(log_q[i, j] for i, j in enumerate(path)) for path in product(range(m), repeat=k)
    ]
    return logsumexp(weights) - np.log(len(weights))


def particles(draws: Draws, share: np.ndarray, std: np.ndarray, ancestors: np.ndarray, resampled: np.ndarray) -> float:
    """log of the product, over resamplings and the end, of the average weights of particles with these ancestors.

    Particle m of level i comes from particle ancestors[i-1, m] of level i+1, and resampled[i-1] says whether particles
    were drawn by their weights there (k-1 rows each). The weight of a particle is the ratio of its whole path,

        p(x_k) ... p(x_i | x_{i+1}) N(x_0; r(x_i), rho_{i-1}^2) / q(x_k) ... q(x_i | x_{i+1}, x_0),

    over the same ratio at its last resampling, where q(x_i | x_{i+1}, x_0) = N(a_i x_0 + (1 - a_i) m_i, std_i^2), a the
    share and m_i = r(x_{i+1}), or the prior's mean at the top.
    """
    k, m = draws.latents.shape[:2]
    total, path_ratio, paid = 0.0, np.zeros(m), np.zeros(m)
    for i in range(k, 0, -1):
        above = ancestors[i - 1] if i < k else np.arange(m)
        path_ratio, paid = path_ratio[above], paid[above]
        for j in range(m):
            center = draws.prior_mean if i == k else draws.reconstructions[i, above[j]]
            mean = share[i - 1] * draws.x + (1 - share[i - 1]) * center
            log_p = draws.log_prior(j) if i == k else draws.log_transition(i, j, above[j])
            path_ratio[j] += log_p - norm.logpdf(draws.latents[i - 1, j], mean, std[i - 1]).sum()
        target = path_ratio + [draws.log_look_ahead(i, j) for j in range(m)]
        if i == 1 or resampled[i - 2]:
            total += logsumexp(target - paid) - np.log(m)
            paid = target
    return total
