"""Whether the average of some weights can be trusted, from the weights alone.

E[w] = p(x) for every row of log weights here: of importance sampling one row per draw, of all pairs, of sequential
Monte Carlo and of annealing one row per independent repeat. Not here: both sides of log p(x), which say more
(`sandwich`).
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.importance import effective_sample_size
from cdae.gaussian import log_mean_exp

LARGEST_RELATIVE_ERROR = 0.2  # of the density: the log of it is then low by about 0.02 nats
NEGLIGIBLE_RELATIVE_ERROR = 0.02
LARGEST_GAP = 0.5  # nats
LARGEST_PARETO_K = 0.7  # A. Vehtari et al., "Pareto smoothed importance sampling", 2024
FEWEST_FOR_PARETO_K = 25  # rows; with fewer the tail has less than five of them


def relative_error(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """Standard error of the average weight over the average weight; infinite for a single row."""
    rows = len(log_weights)
    if rows == 1:
        return torch.full_like(log_weights[0], math.inf)
    squares = torch.softmax(log_weights, 0).square().sum(0)
    return ((rows * squares - 1.0).clamp(min=0.0) / (rows - 1)).sqrt()


def pareto_k(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """Shape of a generalised Pareto distribution fitted to the largest weights, by ArviZ.

    Weights have finite variance below 1/2; above 0.7 their average is not to be trusted. NaN for fewer than 25 rows,
    and where the largest weights are all the same.
    """
    if len(log_weights) < FEWEST_FOR_PARETO_K:
        return torch.full_like(log_weights[0], math.nan)
    return torch.tensor([_pareto_k(example) for example in log_weights.T.numpy()], dtype=torch.float64)


def _pareto_k(log_weights: np.ndarray) -> float:
    from arviz_stats.base import array_stats  # half a second to import

    try:
        return array_stats.psislw(-log_weights)[1].item()  # it takes log likelihoods, and weights by their inverses
    except ValueError:  # no tail to fit
        return math.nan


def slope(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """What the last doubling of the number of rows has added to the log of the average; NaN for a single row."""
    half = len(log_weights) // 2
    if half == 0:
        return torch.full_like(log_weights[0], math.nan)
    halves = (log_mean_exp(log_weights[:half]) + log_mean_exp(log_weights[-half:])) / 2.0
    return log_mean_exp(log_weights) - halves


def has_converged(
    log_weights: Float[Tensor, "rows n"], k: Float[Tensor, "n"], gap: Float[Tensor, "simulated"] | None = None
) -> bool:
    """Whether nothing speaks against calling the log of the average weight log p(x), over all examples together.

    Weights are silent about what they have never seen, so this flags and proves nothing: infinite variance, or a path
    that none of the draws found, may go unseen in the weights. The gap between upper and lower bound on simulated data
    sees the second.

    Args:
        k: `pareto_k` of the weights; not judged where it is NaN, or where the relative error is negligible.
        gap: upper minus lower bound on data simulated from the model, in nats.
    """
    error = relative_error(log_weights).square().mean().sqrt()
    heavy = k.nanmean() > LARGEST_PARETO_K and error > NEGLIGIBLE_RELATIVE_ERROR
    apart = gap is not None and gap.mean() - 2.0 * gap.std() / len(gap) ** 0.5 > LARGEST_GAP
    return bool(error <= LARGEST_RELATIVE_ERROR and not heavy and not apart)


def diagnostics(log_weights: Float[Tensor, "rows n"]) -> dict[str, float]:
    """What stands beside every estimate, at little cost: means over examples, of what is defined."""
    means = {
        "mean_effective_sample_size": effective_sample_size(log_weights).mean().item(),
        "mean_log_weight_std": log_weights.std(0, correction=0).mean().item(),
        "mean_relative_error": relative_error(log_weights).mean().item(),
        "mean_slope": slope(log_weights).mean().item(),
    }
    return {name: value for name, value in means.items() if math.isfinite(value)}
