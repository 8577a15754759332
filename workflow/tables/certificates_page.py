"""The page of certificates: every estimator of every certified model, data set by data set."""

from collections.abc import Iterator

import pandas as pd

from cdae.certificates.claims import CERTIFIED_BITS_PER_DIM, CERTIFIED_NATS, FEWEST_CHECKED, FEWEST_REPEATS, Claim
from workflow.grid.record import OK
from workflow.tables.identity import label
from workflow.tables.markup import Section
from workflow.tables.numbers import count_or_blank, or_blank, with_error

NOTE = (
    "Stochastic lower bounds on log p(x) of the trained model on random test points, in nats per example ± standard "
    "error over points. The column `Lower bound` is for the whole test split: its points are predicted from those by a "
    "regression on the model's own bound (Eq. 4). For a model without one it is their mean. A double dagger ‡ marks a "
    "value where more than one standard error rests on test points whose own bound is outside the range of the sample. "
    "The gap is the mean of upper minus lower bound on all the data simulated from the model. "
    "It is certified where it is, with two standard errors, at most "
    f"{CERTIFIED_BITS_PER_DIM:g} bits per dimension, or {CERTIFIED_NATS:g} nats for data without levels. That says how "
    "tight the estimator is on the model's own data, and not how far a value on test data is from the log-likelihood. "
    f"Repeats agree where averaging {FEWEST_REPEATS} or more independent repeats of the whole estimate, on "
    f"{FEWEST_CHECKED} or more test points, adds no more than that either, with two standard errors. A bound has not "
    "converged where its weights, its gap or its repeats say so, or where another row of the same model is higher by "
    "more than three standard errors of the paired difference. Slope: what the last doubling of the number of weights "
    "added. Pareto k: above 0.7 the average of the weights is not to be trusted. Variance ratio: of transition over "
    "inference model, the largest; it is given where denoisers are bounded, that is for data in the unit interval, and "
    "there the weights have infinite variance if it is 2 or more."
)


def sections(certificates: pd.DataFrame) -> Iterator[Section]:
    """Every estimator of every certified model, data set by data set."""
    for dataset, group in certificates.groupby("dataset", sort=False):
        table = [
            {
                "Model": label(row),
                "Estimator": _estimator(row),
                "Weights": count_or_blank(row["n_importance_samples"]),
                "Points": count_or_blank(row["n_points"]),
                "Mean log weight": with_error(row, "bound"),
                "Lower bound": with_error(row, "test") + (" ‡" if row["extrapolates"] else ""),
                "Over the own bound": with_error(row, "over_own_bound"),
                "Gap, simulated": with_error(row, "gap"),
                "Repeats add": with_error(row, "repeats_add"),
                "Effective weights": or_blank(row["mean_effective_sample_size"], 1),
                "Pareto k": or_blank(row["mean_pareto_k"]),
                "Slope": or_blank(row["mean_slope"]),
                "Variance ratio": or_blank(row["largest_variance_ratio"]),
                "Claim": _claim(row),
            }
            for _, row in group.iterrows()
        ]
        yield Section(dataset, pd.DataFrame(table))


def _estimator(row: pd.Series) -> str:
    name = row["estimator"].replace("_", " ")
    if pd.notna(row["n_distributions"]):
        name += f" over {row['n_distributions']:,}"
    return f"{name}, {row['variant']}" if row["variant"] else name


def _claim(row: pd.Series) -> str:
    """What is claimed, with the sizes that it rests on; or why there is no number."""
    if row["status"] != OK:
        return f"{row['status']}: {row['reason']}"
    if pd.isna(row["gap_nats"]):
        return row["claim"]
    sizes = f"{row['claim']}: the gap is {with_error(row, 'gap')} nats"
    return sizes + (f", repeats add {with_error(row, 'repeats_add')}" if row["claim"] == Claim.CHECKED else "")
