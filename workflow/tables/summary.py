"""The summary over seeds: one row per model and estimate.

A value is marked best where its paired difference from every other model of the data set, over the same test points,
is significant at 5%. Its error counts the spread between seeds too, and a t quantile counts that few seeds tell little
of their spread; a single seed tells nothing, and is neither marked nor surpassed. Lower bounds of different models are
compared as what they are: the larger bound is not always the better model. Controls do not compete, nor do estimators
whose card says so.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cdae.certificates.claims import Claim, weakest
from workflow.grid.record import FAILED, NOT_RUN
from workflow.tables.estimators import CARDS, Cards
from workflow.tables.identity import SAMPLES, WHOLE

KEYS = ["dataset", "model", "kind", "n_levels", "estimator", "variant", *SAMPLES, "n_importance_samples"]
BEST_QUANTILE = 0.975  # of Student's t: two equal models are marked in 5% of tables
STATISTICS = [
    "n_seeds", "n_points", "claim", "mean_nats", "standard_error_nats", "seed_std_nats", "median_nats", "bits_per_dim",
    "exact_nats", "excess_nats", "model_exact_nats",
]  # fmt: skip


def summarize(long: pd.DataFrame, values: list[np.ndarray | None], cards: Cards = CARDS) -> pd.DataFrame:
    """One row per model and estimate: mean over the seeds that succeeded, its errors, and whether it is best.

    Args:
        long: the table `log_likelihood`.
        values: per example, of every row of it; None where it failed.
        cards: with those of users' own estimators.
    """
    rows, seed_values = [], []
    for keys, group in long.groupby(KEYS, dropna=False, sort=False):
        ok = group[group["status"] == "ok"]
        per_seed = [values[i] for i in ok.index]
        rows.append(dict(zip(KEYS, keys, strict=True)) | _statistics(ok, per_seed) | _failures(group))
        seed_values.append(np.stack(per_seed) if per_seed else None)
    summary = pd.DataFrame(rows, columns=[*KEYS, *STATISTICS, "n_failed", "n_not_run"])
    whole = {name: "Int64" for name in KEYS + STATISTICS if name in WHOLE}
    summary = summary.astype(whole | {name: float for name in STATISTICS if name.endswith("_nats")})
    summary["best"] = _best(summary, seed_values, cards)
    return summary


def main_rows(group: pd.DataFrame) -> pd.DataFrame:
    """The rows worth showing: of a chain only its longest run from noise."""
    steps = group["n_chain_steps"].where(group["chain_start"] == "noise")
    longest = steps.groupby(group["model"]).transform("max")
    return group[group["n_chain_steps"].isna() | (steps == longest).fillna(False)]


def _failures(group: pd.DataFrame) -> dict[str, int]:
    """How many seeds failed, and how many the machine could not do."""
    return {"n_failed": int((group["status"] == FAILED).sum()), "n_not_run": int((group["status"] == NOT_RUN).sum())}


def _statistics(ok: pd.DataFrame, per_seed: list[np.ndarray]) -> dict[str, Any]:
    """Mean, standard error over test points of the seed average, and the standard deviation between seeds."""
    if not per_seed:
        return {"n_seeds": 0}
    average = np.mean(per_seed, axis=0)
    return {
        "n_seeds": len(per_seed),
        "n_points": len(average),
        "claim": weakest([Claim(text) for text in ok["claim"]]),
        "mean_nats": average.mean(),
        "standard_error_nats": average.std(ddof=1) / np.sqrt(len(average)),
        "seed_std_nats": ok["mean_nats"].std(ddof=1) if len(ok) > 1 else np.nan,
        "median_nats": np.median(average),
        "bits_per_dim": ok["bits_per_dim"].mean(),
        "exact_nats": ok["exact_nats"].mean(),
        "excess_nats": ok["excess_nats"].mean(),
        "model_exact_nats": ok["model_exact_nats"].mean(),
    }


def _best(summary: pd.DataFrame, seed_values: list[np.ndarray | None], cards: Cards) -> list[bool]:
    """Whether a row beats every other trained model in its column."""
    may_compete = [name for name, card in cards.items() if card.competes]
    competing = (summary["kind"] != "control") & (summary["n_seeds"] > 0) & summary["estimator"].isin(may_compete)
    best = [False] * len(summary)
    for _, group in summary[competing].groupby(["dataset", "estimator", "n_importance_samples"], dropna=False):
        for row in group.index:
            others = [other for other in group.index if other != row]
            best[row] = bool(others) and all(_exceeds(seed_values[row], seed_values[other]) for other in others)
    return best


def _exceeds(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the mean of a (seeds, n) exceeds that of b by more than chance allows; not where either has one seed.

    The variance of the difference is the sum of three, over points and over the seeds of either. The degrees of freedom
    of such a sum are those of B. L. Welch, "The generalization of Student's problem", 1947.
    """
    if min(len(a), len(b)) < 2:
        return False
    difference = a.mean(0) - b.mean(0)
    sizes = np.array([len(difference), len(a), len(b)])
    variances = np.array([x.var(ddof=1) for x in (difference, a.mean(1), b.mean(1))]) / sizes
    if variances.sum() == 0.0:
        return bool(difference.mean() > 0.0)
    freedom = variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum()
    return bool(difference.mean() > stdtrit(freedom, BEST_QUANTILE) * np.sqrt(variances.sum()))
