"""The table of certificates: log p(x) of one model by every estimator, with the gap between its two sides.

A value for the whole test split is the mean of the model's own bound (Eq. 4) over it, plus the mean paired excess of an
estimate over that bound on a random subset.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CERTIFIED_NATS_PER_DIM = 0.01  # a gap below it leaves the second decimal of bits per dimension as it is
COLUMNS = [
    "dataset", "model", "kind", "n_levels", "seed", "estimator", "variant", "n_importance_samples", "n_distributions",
    "n_points",
    "mean_nats", "standard_error_nats", "bound_nats", "bound_standard_error_nats", "own_bound_nats",
    "over_own_bound_nats", "over_own_bound_standard_error_nats", "test_nats", "test_standard_error_nats",
    "n_simulated", "simulated_lower_nats", "simulated_upper_nats", "gap_nats", "gap_standard_error_nats", "claim",
    "mean_effective_sample_size", "mean_log_weight_std", "mean_relative_error", "mean_slope", "mean_pareto_k",
    "largest_variance_ratio", "exact_nats", "excess_nats", "excess_standard_error_nats", "status", "reason",
    "config_sha256", "code_sha256",
]  # fmt: skip
WHOLE_NUMBERS = ["n_levels", "n_importance_samples", "n_distributions", "n_points", "n_simulated"]
Identity = tuple[str, str, int | None, int]  # data set, model, number of levels, seed


def certificates(
    paths: list[str],
    records: list[dict[str, Any]],
    own_bounds: dict[Identity, np.ndarray],
    n_distributions: dict[Identity, int],
) -> pd.DataFrame:
    """One row per estimator of every certified cell.

    Args:
        paths: of the records, with the values of each beside it.
        own_bounds: of every model on every test example.
        n_distributions: that the annealing of every model goes over.
    """
    rows = []
    for path, record in zip(paths, records, strict=True):
        with np.load(Path(path).with_suffix(".npz"), allow_pickle=False) as file:
            arrays = dict(file)
        identity = (record["dataset"], record["model"], record["n_levels"], record["seed"])
        bound = own_bounds.get(identity)
        for row in record["rows"]:
            found = {**record, **row, "claim": claim(row, record["dim"])}
            if row["estimator"] == "annealed":
                found["n_distributions"] = n_distributions[identity]
            key = f"{row['estimator']}/{row['variant']}"
            if bound is not None and f"{key}/values" in arrays:
                found |= _on_the_whole_split(arrays[f"{key}/values"], arrays[f"{key}/indices"], bound)
            rows.append({name: found.get(name) for name in COLUMNS})
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))


def claim(row: dict[str, Any], dim: int) -> str:
    """What may be said of an estimate: certified within its gap, a bound, or a bound that has not converged."""
    if row["status"] != "ok":
        return "failed"
    if row["gap_nats"] + 2.0 * row["gap_standard_error_nats"] <= CERTIFIED_NATS_PER_DIM * dim:
        return "certified"
    return "stochastic lower bound" if row["converged"] else "bound, not converged"


def _on_the_whole_split(values: np.ndarray, indices: np.ndarray, bound: np.ndarray) -> dict[str, float]:
    """The excess over the model's own bound on a subset, and the value on the whole split that it implies."""
    excess, n, n_all = values - bound[indices], len(values), len(bound)
    covariance = np.cov(bound[indices], excess)
    variance = bound.var(ddof=1) / n_all + covariance[1, 1] / n + 2.0 * covariance[0, 1] / n_all
    return {
        "own_bound_nats": bound[indices].mean(),
        "over_own_bound_nats": excess.mean(),
        "over_own_bound_standard_error_nats": np.sqrt(covariance[1, 1] / n),
        "test_nats": bound.mean() + excess.mean(),
        "test_standard_error_nats": np.sqrt(max(variance, 0.0)),
    }


def tightest(table: pd.DataFrame) -> pd.DataFrame:
    """Of every model the row whose gap is surely smallest: the gap with two of its standard errors."""
    known = table[table["gap_nats"].notna() & table["test_nats"].notna()]
    at_most = known["gap_nats"] + 2.0 * known["gap_standard_error_nats"]
    smallest = at_most.groupby([known[k] for k in ("dataset", "model", "n_levels", "seed")], dropna=False).idxmin()
    return known.loc[sorted(smallest)]
