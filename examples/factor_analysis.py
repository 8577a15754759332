"""Factor analysis, fitted by expectation maximisation: a model whose log density is known in closed form.

    z ~ N(0, I),   x = m + W z + e,   e ~ N(0, diag v),   so   x ~ N(m, W W^T + diag v)

It imports nothing of the benchmark. `fit_closed_form` is called with the training examples, and `log_prob` is the exact
log density. What is fitted is kept in buffers, and so is saved. D. Rubin and D. Thayer, "EM algorithms for ML factor
analysis", 1982.
"""

import torch
from torch import Tensor, nn
from torch.distributions import LowRankMultivariateNormal


class FactorAnalysis(nn.Module):
    """NaN until it is fitted."""

    def __init__(self, dim: int, n_factors: int, n_iterations: int = 50, least_variance: float = 1e-6):
        super().__init__()
        self.n_iterations, self.least_variance = n_iterations, least_variance
        self.register_buffer("mean", torch.full((dim,), torch.nan, dtype=torch.float64))
        self.register_buffer("loadings", torch.full((dim, n_factors), torch.nan, dtype=torch.float64))
        self.register_buffer("noise_var", torch.full((dim,), torch.nan, dtype=torch.float64))

    def fit_closed_form(self, training_set, *, generator: torch.Generator) -> None:
        """Fit by EM; the training set draws its examples (n, dim), dequantized if they are levels."""
        x = training_set.draw(generator=generator).double()
        self.mean.copy_(x.mean(0))
        covariance = torch.cov(x.T, correction=0).reshape(len(self.mean), -1)
        values, vectors = torch.linalg.eigh(covariance)
        n_factors = self.loadings.shape[1]
        loadings = vectors[:, -n_factors:] * (0.5 * values[-n_factors:]).clamp(min=0.0).sqrt()
        noise_var = 0.5 * covariance.diagonal() + self.least_variance
        for _ in range(self.n_iterations):
            to_factors = torch.linalg.solve(loadings @ loadings.T + noise_var.diag(), loadings).T  # E[z | x] per x - m
            second_moment = torch.eye(n_factors) - to_factors @ loadings + to_factors @ covariance @ to_factors.T
            loadings = torch.linalg.solve(second_moment, to_factors @ covariance).T
            noise_var = (covariance - loadings @ to_factors @ covariance).diagonal().clamp(min=self.least_variance)
        self.loadings.copy_(loadings)
        self.noise_var.copy_(noise_var)

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log density in nats, one value per example."""
        return self._density().log_prob(x.double())

    def sample(self, n_samples: int, *, generator: torch.Generator) -> Tensor:
        """Draw examples (n_samples, dim)."""
        n_factors, device = self.loadings.shape[1], self.mean.device
        z = torch.randn(n_samples, n_factors, generator=generator, dtype=torch.float64, device=device)
        e = torch.randn(n_samples, len(self.mean), generator=generator, dtype=torch.float64, device=device)
        return (self.mean + z @ self.loadings.T + e * self.noise_var.sqrt()).float()

    def _density(self) -> LowRankMultivariateNormal:
        return LowRankMultivariateNormal(self.mean, self.loadings, self.noise_var, validate_args=False)
