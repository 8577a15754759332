"""A cascade whose denoiser is linear, r(x) = A x + b: everything about it is Gaussian and known.

    p(x_k) = N(prior_mean, diag prior_std^2),  p(x_i | x_{i+1}) = N(A x_{i+1} + b, diag rho_i^2)
    q(x_i | x_0) = N(x_0, c_i^2 I), independent across levels

States are stacked as (x_0, x_1, ..., x_k).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import multivariate_normal


@dataclass(frozen=True)
class LinearGaussianCascade:
    """All arrays float64: matrix (d, d), bias (d,), corruption_std (k+1,), reconstruction_std (k,), prior (d,).

    A reconstruction_std (k, d) has a value per pixel. A prior_covariance (d, d) takes the place of prior_std.
    """

    matrix: np.ndarray
    bias: np.ndarray
    corruption_std: np.ndarray
    reconstruction_std: np.ndarray
    prior_mean: np.ndarray
    prior_std: np.ndarray
    prior_covariance: np.ndarray | None = None

    @property
    def top_covariance(self) -> np.ndarray:
        """Covariance of p(x_k)."""
        return np.diag(self.prior_std**2) if self.prior_covariance is None else self.prior_covariance

    @property
    def dim(self) -> int:
        return len(self.bias)

    @property
    def n_levels(self) -> int:
        return len(self.reconstruction_std)

    def joint_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ((k+1) d,) and covariance of p(x_0, ..., x_k), built from the top level down."""
        means, covariances = [self.prior_mean], self.top_covariance
        for rho in self.reconstruction_std[::-1]:
            means.insert(0, self.matrix @ means[0] + self.bias)
            cross = self.matrix @ covariances[: self.dim]  # of the new state with all states above it
            own = cross[:, : self.dim] @ self.matrix.T + rho**2 * np.eye(self.dim)
            covariances = np.block([[own, cross], [cross.T, covariances]])
        return np.concatenate(means), covariances

    def joint_precision(self) -> np.ndarray:
        """Inverse covariance of p(x_0, ..., x_k), as the sum of the quadratic forms of its factors."""
        d, k = self.dim, self.n_levels
        precision = np.zeros(((k + 1) * d, (k + 1) * d))
        precision[k * d :, k * d :] = np.linalg.inv(self.top_covariance)
        residual = np.hstack([np.eye(d), -self.matrix])  # of x_i given x_{i+1}
        for i, rho in enumerate(self.reconstruction_std):
            pair = slice(i * d, (i + 2) * d)
            precision[pair, pair] += residual.T @ np.diag(np.broadcast_to(rho, d) ** -2.0) @ residual
        return precision

    def log_joint(self, states: np.ndarray) -> np.ndarray:
        """log p(x_0, ..., x_k) at states (n, (k+1) d)."""
        return multivariate_normal(*self.joint_moments()).logpdf(states)

    def log_inference(self, states: np.ndarray) -> np.ndarray:
        """log q(x_1, ..., x_k | x_0) at states (n, (k+1) d)."""
        d, std = self.dim, np.repeat(self.corruption_std[1:], self.dim)
        noise = states[:, d:] - np.tile(states[:, :d], self.n_levels)
        return multivariate_normal(np.zeros(len(std)), np.diag(std**2)).logpdf(noise)

    def marginal(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of p(x_0)."""
        mean, covariance = self.joint_moments()
        return mean[: self.dim], covariance[: self.dim, : self.dim]

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """log p(x_0) at (n, d)."""
        return multivariate_normal(*self.marginal()).logpdf(x)

    def gap(self, x: np.ndarray) -> float:
        """KL(q(x_1..k | x_0), p(x_1..k | x_0)) of Eq. 10 at one point x (d,)."""
        d = self.dim
        mean, _ = self.joint_moments()
        precision = self.joint_precision()
        inner = precision[d:, d:]
        mean_p = mean[d:] - np.linalg.solve(inner, precision[d:, :d] @ (x - mean[:d]))
        std_q = np.repeat(self.corruption_std[1:], d)
        difference = np.tile(x, self.n_levels) - mean_p
        trace = np.diag(inner) @ std_q**2
        log_determinants = -np.linalg.slogdet(inner)[1] - 2.0 * np.log(std_q).sum()
        return 0.5 * (trace + difference @ inner @ difference - len(std_q) + log_determinants)
