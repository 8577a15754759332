"""Which estimator ranks models right: its values beside the tightest or exact value of every model.

A model's reference is its exact log density where it has one, or else the lower bound with the smallest gap
(`tightest`). Its value then lies somewhere from this bound to the bound plus the gap with two standard errors, and the
order of two models is settled if these ranges do not meet. Agreement is Kendall's tau-b, from -1 to 1, over the pairs
of models of one data set whose order is settled. Its interval comes from a bootstrap over models: the middle 95% of
2,000 resamples. It says how far the models at hand decide, and counts no errors of means over test points. The gap is
that of simulated data, as everywhere.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow.grid.record import OK
from workflow.tables.identity import IDENTITY, table
from workflow.tables.tightest import tightest

REFERENCE = ["reference_estimator", "reference_variant", "reference_nats", "highest_reference_nats"]
VALUES = [*IDENTITY, "estimator", "variant", "mean_nats", *REFERENCE]
COLUMNS = [
    "dataset",
    "estimator",
    "variant",
    "n_models",
    "n_own",
    "n_settled_pairs",
    "kendall_tau",
    "low_tau",
    "high_tau",
]
N_RESAMPLES = 2_000
FEWEST = 4  # models that an agreement is given for
EVALUATED = ("lower_bound", "importance_weighted", "parzen")  # of evaluations; those of certificates are all
CERTIFIED = "certified"  # what variants of certificates begin with


def ranked_values(long: pd.DataFrame, certificates: pd.DataFrame) -> pd.DataFrame:
    """One row per model with a reference and estimator, values in nats; chains of states have no reference.

    Args:
        long: of all estimates.
        certificates: of all estimators of certificates.
    """
    known = long[(long["status"] == OK) & long["estimator"].isin(EVALUATED)]
    known = known[known["n_chain_steps"].isna()]
    is_parzen = known["estimator"] == "parzen"
    evaluated = known.assign(variant=known["last_step"].where(is_parzen, ""))
    certified = certificates[(certificates["status"] == OK) & certificates["test_nats"].notna()]
    certified = certified[certified["estimator"] != "exact"]
    certified = certified.assign(variant=CERTIFIED + ", " + certified["variant"], mean_nats=certified["test_nats"])
    names = [*IDENTITY, "estimator", "variant", "mean_nats"]
    both = pd.concat([evaluated[names], certified[names]], ignore_index=True)
    return both.merge(_references(long, certificates), on=IDENTITY, how="inner")[VALUES]


def _references(long: pd.DataFrame, certificates: pd.DataFrame) -> pd.DataFrame:
    """The value that a model has, by cell: exact or tightest."""
    exact = long[(long["estimator"] == "exact") & (long["status"] == OK)]
    exact = exact.assign(
        reference_nats=exact["mean_nats"],
        highest_reference_nats=exact["mean_nats"],
        reference_estimator="exact",
        reference_variant="",
    )
    tight = tightest(certificates)
    at_most = (tight["gap_nats"] + 2.0 * tight["gap_standard_error_nats"]).clip(lower=0.0)
    tight = tight.assign(
        reference_nats=tight["test_nats"],
        highest_reference_nats=tight["test_nats"] + at_most,
        reference_estimator=tight["estimator"],
        reference_variant=CERTIFIED + ", " + tight["variant"],
    )
    names = [*IDENTITY, *REFERENCE]
    return pd.concat([exact[names], tight[names]], ignore_index=True).drop_duplicates(IDENTITY)


def ranking(values: pd.DataFrame) -> pd.DataFrame:
    """One row per data set and estimator, the estimators that agree most first; `n_own` counts its own references."""
    rows = []
    for (dataset, estimator, variant), group in values.groupby(["dataset", "estimator", "variant"], sort=False):
        if len(group) >= FEWEST:
            names = ("reference_estimator", "reference_variant")
            own = (group[names[0]] == estimator) & (group[names[1]] == variant)
            named = {"dataset": dataset, "estimator": estimator, "variant": variant}
            rows.append(named | {"n_models": len(group), "n_own": int(own.sum())} | _agreement(group))
    found = table(rows, COLUMNS)
    order = {name: i for i, name in enumerate(dict.fromkeys(values["dataset"]))}
    keys = found.assign(place=found["dataset"].map(order), most=-found["kendall_tau"])
    return found.loc[keys.sort_values(["place", "most"], kind="stable").index].reset_index(drop=True)


def _agreement(group: pd.DataFrame) -> dict[str, Any]:
    """Tau of the values with their references, and its interval; missing where all values are equal."""
    x, low, high = (group[name].to_numpy(dtype=float) for name in ("mean_nats", *REFERENCE[2:]))
    known = settled(low, high)
    drawn = np.random.default_rng(0).integers(len(x), size=(N_RESAMPLES, len(x)))
    counts = np.stack([np.bincount(row, minlength=len(x)) for row in drawn])
    resampled = taus(x, known, counts)
    least, most = np.nanquantile(resampled, [0.025, 0.975]) if np.isfinite(resampled).any() else (np.nan, np.nan)
    tau = taus(x, known, np.ones((1, len(x))))[0]
    return {"n_settled_pairs": int((known > 0).sum()), "kendall_tau": tau, "low_tau": least, "high_tau": most}


def settled(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the order of every pair (n, n): 1 if the range from low to high of i is above that of j, -1 if below.

    It is 0 where the two ranges meet.
    """
    above = low[:, None] > high
    return above.astype(float) - above.T


def taus(x: np.ndarray, t: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Kendall's tau-b between values x (n,) and an order t (n, n) of pairs, over those where t is not 0.

        sum_ij w_ij s_ij t_ij / sqrt(sum_ij w_ij s_ij^2 . sum_ij w_ij),   s = signs of differences of x,

    where a pair has the weight w_ij = w_i w_j t_ij^2: it counts as often as its models.

    Args:
        counts: (rows, n), how often each model was drawn: one tau per row.
    """
    s = np.sign(x[:, None] - x)
    agreement, of_x, of_t = (((counts @ pairs) * counts).sum(1) for pairs in (s * t, (s * t) ** 2, t * t))
    with np.errstate(invalid="ignore", divide="ignore"):
        return agreement / np.sqrt(of_x * of_t)
