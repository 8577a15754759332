"""The project's own VAE with linear networks, whose density and posterior are known."""

import numpy as np
import torch

from baselines.vae import VAE
from cdae.denoiser import DataScale
from tests.helpers import quadrature, seeded
from tests.oracles import factor_model

DIM, LATENT = 6, 3


def parameters(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """W with orthogonal columns of unequal length, so that the exact posterior is diagonal, b and s."""
    rng = np.random.default_rng(seed)
    weights = np.linalg.qr(rng.standard_normal((DIM, LATENT)))[0] * [0.5, 1.0, 2.5]
    return weights, rng.standard_normal(DIM), 0.7


def linear_vae(weights: np.ndarray, bias: np.ndarray, std: float | np.ndarray, scale: DataScale) -> VAE:
    """The project's own module in float64, with decoder W z + b and the exact posterior as encoder."""
    kind = "per_pixel" if np.ndim(std) else "isotropic"
    model = VAE(scale, latent_dim=LATENT, hidden_sizes=[], reconstruction=kind, generator=seeded(0)).double()
    mean, pooled = scale.mean.double().numpy(), scale.std.item()
    _, covariance = factor_model.posterior(bias[None], weights, bias, std)
    gain = covariance @ weights.T / std**2  # posterior mean of z is gain (x - b)
    encoder_weight = np.vstack([gain * pooled, np.zeros_like(gain)])
    encoder_bias = np.concatenate([gain @ (mean - bias), np.log(np.diag(covariance))])
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.from_numpy(encoder_weight))
        model.encoder[0].bias.copy_(torch.from_numpy(encoder_bias))
        model.decoder[0].weight.copy_(torch.from_numpy(weights / pooled))
        model.decoder[0].bias.copy_(torch.from_numpy((bias - mean) / pooled))
        model.log_std.copy_(torch.tensor(np.log(std)))
    return model


def expected_bound(model: VAE, x: np.ndarray) -> float:
    """Exactly: the integrand is quadratic in the noise of z."""
    copies = torch.from_numpy(x).expand(2 * LATENT, -1)
    mean, std = model.encode(copies)
    return model.bound_terms(copies, mean + std * quadrature(LATENT)).total.mean().item()
