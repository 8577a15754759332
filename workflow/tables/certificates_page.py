"""The page of certificates: every estimator of every certified model, data set by data set."""

from collections.abc import Iterator

import pandas as pd

from workflow.grid.record import OK
from workflow.tables.estimators import CERTIFIED_NATS_PER_DIM
from workflow.tables.identity import label
from workflow.tables.markup import Section
from workflow.tables.numbers import count_or_blank, or_blank, with_error

NOTE = (
    "Stochastic lower bounds on log p(x) of the trained model on random test points, in nats per example ± standard "
    "error over points. The column `Lower bound` is for the whole test split: its points are predicted from those by a "
    "regression on the model's own bound (Eq. 4). A double dagger ‡ marks such a value where more than one standard "
    "error rests on test points whose own bound is outside the range of the sample. The gap is the mean of upper minus "
    "lower bound on all the data simulated from the model. A value is certified where its gap, with two standard "
    "errors, is at most "
    f"{CERTIFIED_NATS_PER_DIM:g} nats per dimension; one whose weights or gap say that it has not converged is a bound "
    "and no log-likelihood. Slope: what the last doubling of the number of weights added. Pareto k: above 0.7 the "
    "average of the weights is not to be trusted. Variance ratio: of transition over inference model, the largest; "
    "where it is 2 or more the weights have infinite variance."
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
                "Effective weights": or_blank(row["mean_effective_sample_size"], 1),
                "Pareto k": or_blank(row["mean_pareto_k"]),
                "Slope": or_blank(row["mean_slope"]),
                "Variance ratio": or_blank(row["largest_variance_ratio"]),
                "Claim": row["claim"] if row["status"] == OK else f"{row['status']}: {row['reason']}",
            }
            for _, row in group.iterrows()
        ]
        yield Section(dataset, pd.DataFrame(table))


def _estimator(row: pd.Series) -> str:
    name = row["estimator"].replace("_", " ")
    if pd.notna(row["n_distributions"]):
        name += f" over {row['n_distributions']:,}"
    return f"{name}, {row['variant']}" if row["variant"] else name
