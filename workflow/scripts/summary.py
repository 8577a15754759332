"""The summary over seeds: one row per model and estimate.

A value is marked best where its paired difference from every other model of the data set, over the same test points,
exceeds two standard errors of that difference; the error counts the spread between seeds too. Lower bounds of
different models are compared as what they are: the larger bound is not always the better model. A Markov bound, of a
model that only shares a trained one's denoiser, is compared with nothing.
"""

from typing import Any

import numpy as np
import pandas as pd

SUMMARY_KEYS = ["dataset", "model", "kind", "n_levels", "estimator", "variant", "n_importance_samples"]
BEST_ERRORS = 2.0
CLAIMS = ["exact", "lower bound", "stochastic lower bound", "bound, not converged", "no bound"]  # a row has the last


def summarize(long: pd.DataFrame, values: dict[tuple[Any, ...], np.ndarray]) -> pd.DataFrame:
    """One row per model and estimate: mean over the seeds that succeeded, its errors, and whether it is best."""
    rows, seed_values = [], []
    for keys, group in long.groupby(SUMMARY_KEYS, dropna=False, sort=False):
        identity = {k: None if pd.isna(v) else v for k, v in zip(SUMMARY_KEYS, keys, strict=True)}
        ok = group[group["status"] == "ok"]
        per_seed = [values[(*identity.values(), seed)] for seed in ok["seed"]]
        rows.append({**identity, **_statistics(ok, per_seed), "n_failed": len(group) - len(ok)})
        seed_values.append(np.stack(per_seed) if per_seed else None)
    summary = pd.DataFrame(rows).astype({"n_levels": "Int64", "n_importance_samples": "Int64", "n_points": "Int64"})
    summary["best"] = _best(summary, seed_values)
    return summary


def _statistics(ok: pd.DataFrame, per_seed: list[np.ndarray]) -> dict[str, Any]:
    """Mean, standard error over test points of the seed average, and the standard deviation between seeds."""
    if not per_seed:
        return {"n_seeds": 0}
    average = np.mean(per_seed, axis=0)
    return {
        "n_seeds": len(per_seed),
        "n_points": len(average),
        "claim": max(ok["claim"], key=CLAIMS.index),
        "mean_nats": average.mean(),
        "standard_error_nats": average.std(ddof=1) / np.sqrt(len(average)),
        "seed_std_nats": ok["mean_nats"].std(ddof=1) if len(ok) > 1 else np.nan,
        "median_nats": np.median(average),
        "bits_per_dim": ok["bits_per_dim"].mean(),
        "exact_nats": ok["exact_nats"].mean(),
        "excess_nats": ok["excess_nats"].mean(),
        "model_exact_nats": ok["model_exact_nats"].mean(),
    }


def _best(summary: pd.DataFrame, seed_values: list[np.ndarray | None]) -> list[bool]:
    """Whether a row beats every other trained model in its column; controls and Markov bounds do not compete."""
    competing = (summary["kind"] != "control") & (summary["n_seeds"] > 0) & (summary["estimator"] != "markov_bound")
    best = [False] * len(summary)
    for _, group in summary[competing].groupby(["dataset", "estimator", "n_importance_samples"], dropna=False):
        for row in group.index:
            others = [other for other in group.index if other != row]
            best[row] = bool(others) and all(_exceeds(seed_values[row], seed_values[other]) for other in others)
    return best


def _exceeds(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the mean of a (seeds, n) exceeds that of b by more than two standard errors of the paired difference."""
    difference = a.mean(0) - b.mean(0)
    variance = difference.var(ddof=1) / len(difference) + _seed_variance(a) + _seed_variance(b)
    return difference.mean() > BEST_ERRORS * np.sqrt(variance)


def _seed_variance(per_seed: np.ndarray) -> float:
    """Variance of the mean over seeds, from their spread; 0 for a single seed, whose spread is unknown."""
    return per_seed.mean(1).var(ddof=1) / len(per_seed) if len(per_seed) > 1 else 0.0
