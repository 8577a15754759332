"""The table of certificates: log p(x) of one model by every estimator, with the gap between its two sides.

A value for the whole test split is predicted from a random subset by the model's own bound (Eq. 4), see `regression`.
For a model without one, such as a decoder alone, it is the mean over the subset.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from cdae.certificates.claims import Claim, threshold_nats
from workflow.grid import cells as grid
from workflow.grid.cells import Options
from workflow.grid.record import Identity
from workflow.tables.cells import Certified, Evaluated
from workflow.tables.estimators import claim
from workflow.tables.identity import IDENTITY, columns, table
from workflow.tables.regression import whole_split
from workflow.tables.surpassed import surpassed
from workflow.tables.tightest import HALVES, halves

COLUMNS = [
    *IDENTITY, "estimator", "variant", "n_importance_samples", "n_distributions", "n_points", "mean_nats",
    "standard_error_nats", "bound_nats", "bound_standard_error_nats", "own_bound_nats", "over_own_bound_nats",
    "over_own_bound_standard_error_nats", "test_nats", "test_standard_error_nats", "own_bound_slope", "extrapolates",
    "n_simulated", "simulated_lower_nats", "simulated_upper_nats", "gap_nats", "gap_standard_error_nats", *HALVES,
    "n_checked", "n_repeats", "repeats_add_nats", "repeats_add_standard_error_nats", "claim",
    "mean_effective_sample_size", "mean_log_weight_std", "mean_relative_error", "mean_slope", "slope_standard_error",
    "mean_pareto_k",
    "largest_variance_ratio", "exact_nats", "excess_nats", "excess_standard_error_nats", "status", "reason",
    "config_sha256", "code_sha256",
]  # fmt: skip


NOT_CERTIFIED = "not certified"  # the status of a cell that lacks a method
LACKS_SIMULATE = (
    "method `simulate` is missing, which draws (x, latents) and which the upper bound needs; add simulate(n, *, "
    "generator), or to a decoder sample_x(z, *, generator), which draws x from p(x given z)"
)


def certificates(
    cells: list[Certified], own_bounds: dict[Identity, np.ndarray], without_simulate: Sequence[Identity] = ()
) -> pd.DataFrame:
    """One row per estimator of every certified cell, and one for every cell that lacks `simulate`.

    Args:
        own_bounds: the model's own bound on every test example, by cell.
    """
    rows = []
    for cell in cells:
        record, bound = cell.record, own_bounds.get(cell.record.identity)
        threshold = threshold_nats(record.dim, record.n_intensity_levels)
        behind = surpassed(cell, threshold)
        for row in record.rows:
            said = claim(row, threshold, doubted=row.key in behind)
            found = {**asdict(row), **columns(record.identity), "claim": said}
            found |= {"config_sha256": record.config_sha256, "code_sha256": record.code_sha256}
            if f"{row.key}/values" in cell.values:
                values, indices = cell.values[f"{row.key}/values"], cell.values[f"{row.key}/indices"]
                found |= _mean_of(values) if bound is None else _on_the_whole_split(values, indices, bound)
            if f"{row.key}/lower" in cell.values:
                found |= halves(cell.values[f"{row.key}/lower"], cell.values[f"{row.key}/upper"])
            rows.append(found)
    refused = {"estimator": "all", "status": NOT_CERTIFIED, "reason": LACKS_SIMULATE, "claim": Claim.FAILED}
    rows += [{**columns(identity), "variant": "", **refused} for identity in without_simulate]
    return table(rows, COLUMNS)


def without_simulate(config: Options) -> list[Identity]:
    """The cells of a configuration that are asked for a certificate, and have none for the lack of one method."""
    return [
        Identity(cell.dataset, cell.family, grid.sort_of_kind(cell.kind), cell.n_levels, cell.seed)
        for cell in grid.cells(config)
        if grid.lacks_simulate(config, cell)
    ]


def own_bounds(cells: list[Evaluated]) -> dict[Identity, np.ndarray]:
    """The lower bound of every model that has one, per test example."""
    return {
        cell.record.identity: cell.values[row.key]
        for cell in cells
        for row in cell.record.rows
        if row.estimator == "lower_bound" and row.key in cell.values
    }


def _mean_of(values: np.ndarray) -> dict[str, float]:
    """The mean over a random subset, which is right for the whole split, and its error."""
    n = len(values)
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return {"test_nats": values.mean(), "test_standard_error_nats": error}


def _on_the_whole_split(values: np.ndarray, indices: np.ndarray, bound: np.ndarray) -> dict[str, float | bool]:
    """The excess over the model's own bound on a subset, and the value on the whole split that the subset implies."""
    excess, whole = values - bound[indices], whole_split(values, indices, bound)
    return {
        "own_bound_nats": bound[indices].mean(),
        "over_own_bound_nats": excess.mean(),
        "over_own_bound_standard_error_nats": excess.std(ddof=1) / np.sqrt(len(excess)),
        "test_nats": whole.mean_nats,
        "test_standard_error_nats": whole.standard_error_nats,
        "own_bound_slope": whole.slope,
        "extrapolates": whole.extrapolates,
    }
