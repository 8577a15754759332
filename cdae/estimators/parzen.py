"""Parzen window (Gaussian kernel density) estimate of a log density from samples.

    log p(x) ~ log (1/m) sum_j N(x; mu_j, h^2 I),  where the bandwidth h is a standard deviation

Protocol "goodfeli2014" (I. Goodfellow et al., "Generative Adversarial Networks", 2014, and its published code) uses
10,000 model samples, and pixels in [0, 1] without dequantization. The bandwidth is the one of logspace(-1, 0, 10) with
the highest mean log density of the first 1,000 validation examples. For data outside [0, 1] this grid is multiplied by
the data's standard deviation. The estimate is not a bound on the model's log-likelihood, and it rewards blur.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.gaussian import LOG_2PI, squared_norm

BLOCK_ELEMENTS = 200_000  # distances of a block: few enough for the cache; a constant for equal results
PRODUCT_BLOCKS = 16  # blocks whose distances come from one matrix product, which is slow for few rows
LOWEST_EXPONENT = -80.0  # exp of a lower number is slow, and negligible beside the leading term

GOODFELI2014_BANDWIDTHS = torch.logspace(-1.0, 0.0, 10, dtype=torch.float64)
GOODFELI2014_VALIDATION = 1_000


def log_density(samples: Float[Tensor, "m dim"], x: Float[Tensor, "n dim"], *, bandwidth: float) -> Float[Tensor, "n"]:
    """Return the log density of the Parzen mixture at each row of x, in nats and float64.

    Args:
        samples: the centres mu_j.
        bandwidth: h, in data units.

    Raises:
        ValueError: if the bandwidth is not positive, or there are no samples.
    """
    return log_density_by_bandwidth(samples, x, bandwidths=torch.tensor([bandwidth], dtype=torch.float64))[0]


def log_density_by_bandwidth(
    samples: Float[Tensor, "m dim"], x: Float[Tensor, "n dim"], *, bandwidths: Float[Tensor, "h"]
) -> Float[Tensor, "h n"]:
    """Compute `log_density` for several bandwidths from one matrix of distances.

    Raises:
        ValueError: if a bandwidth is not positive, or there are no samples.
    """
    if len(samples) == 0 or not (bandwidths > 0).all():
        raise ValueError(
            f"parzen: got {len(samples)} samples and bandwidths {bandwidths.tolist()}, expected at least one sample "
            "and bandwidths above 0"
        )
    center = samples.mean(0)  # distances do not change, and small numbers lose less when subtracted
    samples, x = samples - center, x - center
    squared_norms = samples.square().sum(1)
    rows = max(1, BLOCK_ELEMENTS // len(samples))
    sums = []
    for part in x.split(PRODUCT_BLOCKS * rows):
        squared = torch.addmm(squared_norms, part, samples.T, beta=1.0, alpha=-2.0)  # without |x|^2, the same for all j
        blocks = zip(squared.split(rows), squared_norm(part).split(rows), strict=True)
        sums += [_log_kernel_sums(*block, bandwidths) for block in blocks]
    constant = math.log(len(samples)) + samples.shape[1] * (bandwidths.double().log() + 0.5 * LOG_2PI)
    return torch.cat(sums, dim=1) - constant[:, None].to(x.device)


def _log_kernel_sums(
    squared: Float[Tensor, "n m"], point_norms: Float[Tensor, "n"], bandwidths: Tensor
) -> Float[Tensor, "h n"]:
    """Return log sum_j exp(-|x - mu_j|^2 / (2 h^2)), relative to the nearest sample for numerical range.

    Args:
        squared: |x - mu_j|^2 - |x|^2.
        point_norms: |x|^2.
    """
    nearest = squared.amin(1, keepdim=True)
    nearest_squared = (point_norms + nearest[:, 0]).clamp(min=0.0)
    squared = squared - nearest
    sums = []
    for bandwidth in bandwidths.tolist():
        kernels = (squared * (-0.5 / bandwidth**2)).clamp_(min=LOWEST_EXPONENT).exp_()
        sums.append(kernels.sum(1, dtype=torch.float64).log() - 0.5 * nearest_squared / bandwidth**2)
    return torch.stack(sums)


def best_bandwidth(
    samples: Float[Tensor, "m dim"], validation: Float[Tensor, "v dim"], *, bandwidths: Float[Tensor, "h"]
) -> float:
    """Return the bandwidth with the highest mean log density of the validation examples.

    Raises:
        ValueError: if a bandwidth is not positive, or there are no samples.
    """
    means = log_density_by_bandwidth(samples, validation, bandwidths=bandwidths).mean(1)
    return bandwidths[means.argmax().item()].item()
