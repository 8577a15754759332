"""The schedule of a cascade with the best bound that a pilot's errors promise, and the bound that they promise.

Levels are chosen on the errors on training examples, which is what Eq. 9 fits the variances to. Validation examples say
what the bound of the same levels and variances would be on examples that the pilot has not seen. Promised is the bound
of a cascade whose denoiser has the pilot's errors; a denoiser that is trained on the chosen levels alone has others.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.data import DataSummary, TrainingSet
from cdae.error_curve import ErrorCurve, load
from cdae.interfaces import InputWarning
from cdae.level_costs import LevelCosts, first_costs, last_costs, pair_costs
from cdae.schedules import best_levels


@dataclass(frozen=True)
class OptimalSchedule:
    """Chosen levels, and the bound that they promise.

    Attributes:
        relative_std: c_1 .. c_k in units of the data's pooled standard deviation.
        predicted_nats: the bound averaged over training and over validation examples, by the names of the splits.
    """

    relative_std: list[float]
    predicted_nats: dict[str, float]


def choose(options: dict[str, Any], errors: str | Path, training_set: TrainingSet) -> OptimalSchedule:
    """Choose the levels of a cascade by its configuration options.

    The number of levels is `n_levels`. With `last_std` the last level is fixed there, else it is free. Variances and
    the prior are those that the options name.

    Args:
        errors: file of the pilot's `ErrorCurve`.

    Raises:
        ValueError: if the grid has too few levels, or not the one that is fixed.
    """
    curve, data, last = load(errors), training_set.summary(), None
    if "last_std" in options:
        curve, last = curve.with_level(options["last_std"])
    variance = prior_variance(options.get("prior", "diagonal"), data, training_set)
    seen, unseen = (
        costs_of(curve, mse, options.get("reconstruction", "isotropic"), data, variance)
        for mse in (curve.mse_train, curve.mse_validation)
    )
    levels = best_levels(seen, options["n_levels"], last=last)
    _warn_of_ends(levels, len(curve.relative_std), last)
    return OptimalSchedule(
        relative_std=[curve.relative_std[i].item() for i in levels],
        predicted_nats={"train": -seen.total(levels), "validation": -unseen.total(levels)},
    )


def costs_of(
    curve: ErrorCurve, mse: Float[Tensor, "m dim"], reconstruction: str, data: DataSummary, variance: Tensor
) -> LevelCosts:
    """Return the costs of levels on examples with the errors `mse`, at variances fitted to the training examples.

    Args:
        reconstruction: as in a configuration. A last step that is predicted is taken as one of Eq. 9, which it improves
            on: its own curve E[-log p(x_0 | x_1)] over c_1 would take the place of `first`.
        variance: of the data along the axes of the prior, see `level_costs.last_costs`.
    """
    fitted, n_copies, floor = curve.mse_train, 1.0, data.variance_floor
    if reconstruction != "per_pixel":
        n_copies, floor = float(mse.shape[1]), 0.0
        fitted, mse = fitted.mean(1, keepdim=True), mse.mean(1, keepdim=True)
    corruption_std = curve.relative_std * data.pooled_std
    return LevelCosts(
        first=first_costs(fitted, mse, n_copies=n_copies, variance_floor=floor),
        pair=pair_costs(corruption_std, fitted, mse, n_copies=n_copies, variance_floor=floor),
        last=last_costs(corruption_std, variance),
    )


def prior_variance(kind: str, data: DataSummary, training_set: TrainingSet) -> Float[Tensor, "dim"]:
    """Return the data's variance along the axes of a prior of this kind."""
    if kind == "full":
        return torch.linalg.eigvalsh(training_set.covariance()).clamp(min=0.0)
    variance = data.std.square()
    return variance.mean().expand_as(variance) if kind == "isotropic" else variance


def _warn_of_ends(levels: tuple[int, ...], n_grid: int, last: int | None) -> None:
    """Say so where the best level may lie beyond the pilot's grid."""
    if levels[0] == 0 and not (len(levels) == 1 and last == 0):
        _warn("schedule: the best first level is the lowest of the pilot; lower pilot.first_std")
    if levels[-1] == n_grid - 1 and last is None:
        _warn("schedule: the best last level is the highest of the pilot; raise pilot.last_std")


def _warn(text: str) -> None:
    warnings.warn(text, InputWarning, stacklevel=2)
