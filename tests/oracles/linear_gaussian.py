"""A cascade with a linear denoiser r(x) = A x + b, whose densities are all Gaussian and known in closed form.

    p(x_k) = N(prior_mean, diag prior_std^2),  p(x_i | x_{i+1}) = N(A x_{i+1} + b, diag rho_i^2)
    q(x_i | x_0) = N(x_0, c_i^2 I), independent across levels

States are stacked as (x_0, x_1, ..., x_k). All log densities and divergences are in nats.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import multivariate_normal


@dataclass(frozen=True)
class LinearGaussianCascade:
    """The parameters of the cascade, in float64.

    Attributes:
        matrix: A, (d, d).
        bias: b, (d,).
        corruption_std: c_0 .. c_k, (k + 1,).
        reconstruction_std: rho_0 .. rho_{k-1}, (k,), or (k, d) with a value per pixel.
        prior_mean, prior_std: (d,).
        prior_covariance: (d, d), used instead of prior_std where it is given.
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
        """The covariance of p(x_k), (d, d)."""
        return np.diag(self.prior_std**2) if self.prior_covariance is None else self.prior_covariance

    @property
    def dim(self) -> int:
        """The number d of dimensions of an example."""
        return len(self.bias)

    @property
    def n_levels(self) -> int:
        """The number k of corruption levels."""
        return len(self.reconstruction_std)

    def joint_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean ((k+1) d,) and the covariance of p(x_0, ..., x_k), built from the top level down."""
        means, covariances = [self.prior_mean], self.top_covariance
        for rho in self.reconstruction_std[::-1]:
            means.insert(0, self.matrix @ means[0] + self.bias)
            cross = self.matrix @ covariances[: self.dim]  # between the new state and all states above it
            own = cross[:, : self.dim] @ self.matrix.T + rho**2 * np.eye(self.dim)
            covariances = np.block([[own, cross], [cross.T, covariances]])
        return np.concatenate(means), covariances

    def joint_precision(self) -> np.ndarray:
        """Return the inverse covariance of p(x_0, ..., x_k), as the sum of the quadratic forms of its factors."""
        d, k = self.dim, self.n_levels
        precision = np.zeros(((k + 1) * d, (k + 1) * d))
        precision[k * d :, k * d :] = np.linalg.inv(self.top_covariance)
        residual = np.hstack([np.eye(d), -self.matrix])  # x_i - A x_{i+1}
        for i, rho in enumerate(self.reconstruction_std):
            pair = slice(i * d, (i + 2) * d)
            precision[pair, pair] += residual.T @ np.diag(np.broadcast_to(rho, d) ** -2.0) @ residual
        return precision

    def log_joint(self, states: np.ndarray) -> np.ndarray:
        """Return log p(x_0, ..., x_k) at states (n, (k+1) d)."""
        return multivariate_normal(*self.joint_moments()).logpdf(states)

    def log_inference(self, states: np.ndarray) -> np.ndarray:
        """Return log q(x_1, ..., x_k | x_0) at states (n, (k+1) d)."""
        d, std = self.dim, np.repeat(self.corruption_std[1:], self.dim)
        noise = states[:, d:] - np.tile(states[:, :d], self.n_levels)
        return multivariate_normal(np.zeros(len(std)), np.diag(std**2)).logpdf(noise)

    def marginal(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (d,) and the covariance (d, d) of p(x_0)."""
        mean, covariance = self.joint_moments()
        return mean[: self.dim], covariance[: self.dim, : self.dim]

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Return log p(x_0) at each row of x (n, d)."""
        return multivariate_normal(*self.marginal()).logpdf(x)

    def gap(self, x: np.ndarray) -> float:
        """Return KL(q(x_1 .. x_k | x_0), p(x_1 .. x_k | x_0)) of Eq. 10 at one point x (d,)."""
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
