"""A Markov model made of a linear denoiser r(x) = A x + b, whose densities are all Gaussian.

    p(x_k) = N(prior_mean, diag prior_std^2),  p(x_i | x_{i+1}) = N(r + g_i (x_{i+1} - r), transition_var_i I)
    q(x_1 .. x_k | x_0): cov(x_i, x_j) = min(c_i, c_j)^2 I, a Brownian motion that starts at x_0

with r = A x_{i+1} + b and g_i = c_i^2 / c_{i+1}^2. States are stacked as (x_0, x_1, ..., x_k). All log densities and
divergences are in nats.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import multivariate_normal


@dataclass(frozen=True)
class LinearMarkovChain:
    """The parameters of the model, in float64.

    Attributes:
        matrix: A, (d, d).
        bias: b, (d,).
        corruption_std: c_0 .. c_k, (k + 1,).
        transition_var: (k,).
        prior_mean, prior_std: (d,).
    """

    matrix: np.ndarray
    bias: np.ndarray
    corruption_std: np.ndarray
    transition_var: np.ndarray
    prior_mean: np.ndarray
    prior_std: np.ndarray

    def joint_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean ((k+1) d,) and the covariance of p(x_0, ..., x_k), built from the top level down."""
        d, c = len(self.bias), self.corruption_std
        mean, covariance = self.prior_mean, np.diag(self.prior_std**2)
        for i in reversed(range(len(self.transition_var))):
            g = c[i] ** 2 / c[i + 1] ** 2
            step = (1 - g) * self.matrix + g * np.eye(d)
            mean = np.concatenate([step @ mean[:d] + (1 - g) * self.bias, mean])
            cross = step @ covariance[:d]  # between the new state and all states above it
            own = cross[:, :d] @ step.T + self.transition_var[i] * np.eye(d)
            covariance = np.block([[own, cross], [cross.T, covariance]])
        return mean, covariance

    def log_prob(self, x: np.ndarray) -> float:
        """Return log p(x_0) at one point x (d,)."""
        (mean, covariance), d = self.joint_moments(), len(x)
        return float(multivariate_normal(mean[:d], covariance[:d, :d]).logpdf(x))

    def inference_moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (k d,) and the covariance of q(x_1 .. x_k | x_0 = x), for one point x (d,)."""
        c = self.corruption_std[1:]
        return np.tile(x, len(c)), np.kron(np.minimum.outer(c, c) ** 2, np.eye(len(x)))

    def posterior_moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (k d,) and the covariance of p(x_1 .. x_k | x_0 = x), for one point x (d,)."""
        (mean, covariance), d = self.joint_moments(), len(x)
        gain = np.linalg.solve(covariance[:d, :d], covariance[:d, d:]).T
        return mean[d:] + gain @ (x - mean[:d]), covariance[d:, d:] - gain @ covariance[:d, d:]

    def gap(self, x: np.ndarray) -> float:
        """Return KL(q(x_1 .. x_k | x_0), p(x_1 .. x_k | x_0)) at one point x (d,)."""
        (mean_q, cov_q), (mean_p, cov_p) = self.inference_moments(x), self.posterior_moments(x)
        difference = mean_q - mean_p
        quadratic = np.trace(np.linalg.solve(cov_p, cov_q)) + difference @ np.linalg.solve(cov_p, difference)
        log_determinants = np.linalg.slogdet(cov_p)[1] - np.linalg.slogdet(cov_q)[1]
        return float(0.5 * (quadratic - len(mean_q) + log_determinants))
