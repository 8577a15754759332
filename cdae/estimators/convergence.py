"""Diagnostics that tell from the weights alone whether their average has converged.

The rows of log weights are independent, with E[w] = p(x). Importance sampling gives one row per draw. All pairs,
sequential Monte Carlo and annealing give one row per independent repeat. Not here: bounds on log p(x) from both sides,
which say more (`sandwich`).
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.importance import effective_sample_size
from cdae.gaussian import log_mean_exp

LARGEST_RELATIVE_ERROR = 0.15  # of the density; see `has_converged`
NEGLIGIBLE_RELATIVE_ERROR = 0.02
LARGEST_GAP = 0.5  # nats
FEWEST_ROWS = 4  # whose spread says anything
LARGEST_PARETO_K = 0.7  # A. Vehtari et al., "Pareto smoothed importance sampling", 2024
FEWEST_FOR_PARETO_K = 25  # rows; with fewer, the tail has fewer than five of them


def relative_error(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """Return the standard error of the average weight, divided by the average weight; infinite for a single row."""
    rows = len(log_weights)
    if rows == 1:
        return torch.full_like(log_weights[0], math.inf)
    squares = torch.softmax(log_weights, 0).square().sum(0)
    return ((rows * squares - 1.0).clamp(min=0.0) / (rows - 1)).sqrt()


def pareto_k(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """Return the shape parameter k of a generalised Pareto distribution fitted to the largest weights, by ArviZ.

    Below 1/2 the variance of the weights is finite; above 0.7 their average is unreliable (A. Vehtari et al., 2024).
    The value is NaN for fewer than 25 rows, and where the largest weights are all equal.
    """
    if len(log_weights) < FEWEST_FOR_PARETO_K:
        return torch.full_like(log_weights[0], math.nan)
    return torch.tensor([_pareto_k(example) for example in log_weights.T.numpy()], dtype=torch.float64)


def _pareto_k(log_weights: np.ndarray) -> float:
    from arviz_stats.base import array_stats  # the import takes half a second

    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # weights of 0, and tails without any spread
            return array_stats.psislw(-log_weights)[1].item()  # log likelihoods, whose inverses are its weights
    except ValueError:  # there is no tail to fit
        return math.nan


def slope(log_weights: Float[Tensor, "rows n"]) -> Float[Tensor, "n"]:
    """Return the increase of the log average weight, in nats, when the number of rows is doubled; NaN for one row.

    It compares all rows with the mean of the two halves.
    """
    half = len(log_weights) // 2
    if half == 0:
        return torch.full_like(log_weights[0], math.nan)
    halves = (log_mean_exp(log_weights[:half]) + log_mean_exp(log_weights[-half:])) / 2.0
    return log_mean_exp(log_weights) - halves


def has_converged(
    log_weights: Float[Tensor, "rows n"],
    k: Float[Tensor, "n"],
    gap: Float[Tensor, "simulated"] | None = None,
    repeats: Float[Tensor, "repeats checked"] | None = None,
) -> bool:
    """Tell whether the log of the average weight may be reported as log p(x), for all examples together.

    Three checks must pass. The relative error, a root mean square over examples, is at most 0.15. The tail is not heavy
    (`has_heavy_tail`). The mean gap, with two standard errors, is at most 0.5 nats, so that one simulated point never
    passes.

    The limit of 0.15 comes from simulation, with 4 to 10,000 rows of log-normal weights and of weights u^-k, u uniform
    on (0, 1). If most sets of 25 examples pass, the log of the average weight is too low by less than 0.1 nats in the
    mean. With a limit of 0.2 it can be too low by 0.15 nats and more, because weights of infinite variance pass.

    True is no proof: the weights may not show an infinite variance, or a region of the latents that no draw has found.
    The gap detects such a region.

    Args:
        k: `pareto_k` of the weights; it is ignored where it is NaN, or if the relative error is at most 0.02.
        gap: upper minus lower bound on data simulated from the model, in nats; without it this check is left out.
        repeats: logs of independent repeats of the whole estimate, in nats. With fewer than four rows of weights, the
            relative error is that of one repeat, judged by the spread of at least four.
    """
    apart = gap is not None and not gap.mean() + 2.0 * gap.std() / len(gap) ** 0.5 <= LARGEST_GAP
    error = _error_of_the_estimate(log_weights, repeats)
    return error <= LARGEST_RELATIVE_ERROR and not has_heavy_tail(log_weights, k) and not apart


def has_heavy_tail(log_weights: Float[Tensor, "rows n"], k: Float[Tensor, "n"]) -> bool:
    """Tell whether the mean Pareto k is above 0.7, and the relative error above 0.02, a root mean square."""
    return bool(k.nanmean() > LARGEST_PARETO_K and _root_mean_square(log_weights) > NEGLIGIBLE_RELATIVE_ERROR)


def _error_of_the_estimate(log_weights: Tensor, repeats: Tensor | None) -> float:
    """Relative error of the average weight: by the rows that it averages, or by repeats if the rows are too few."""
    if len(log_weights) >= FEWEST_ROWS:
        return _root_mean_square(log_weights)
    if repeats is None or len(repeats) < FEWEST_ROWS:
        return math.inf
    return len(repeats) ** 0.5 * _root_mean_square(repeats)  # of one repeat, not of their average


def _root_mean_square(log_weights: Tensor) -> float:
    """Root mean square over examples of the relative error."""
    return relative_error(log_weights).square().mean().sqrt().item()


def repeats_add(repeats: Float[Tensor, "repeats n"]) -> Float[Tensor, "n"]:
    """Return what it adds to the log of an estimate, in nats, to average so many independent repeats of it; at least 0.

    Args:
        repeats: logs of the estimates.
    """
    return log_mean_exp(repeats) - repeats.mean(0)


def diagnostics(log_weights: Float[Tensor, "rows n"]) -> dict[str, float]:
    """Compute cheap diagnostics of an estimate: their means over examples, without those that are not finite."""
    means = {
        "mean_effective_sample_size": effective_sample_size(log_weights).mean().item(),
        "mean_log_weight_std": log_weights.std(0, correction=0).mean().item(),
        "mean_relative_error": relative_error(log_weights).mean().item(),
        "mean_slope": slope(log_weights).mean().item(),
    }
    return {name: value for name, value in means.items() if math.isfinite(value)}
