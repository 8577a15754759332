"""The table of how far training alone moves an estimate, for every trained model with three seeds or more.

    seed_std_nats                   s, the standard deviation between seeds, all on the same test points
    low_, high_seed_std_nats        its 95% interval s sqrt((n - 1) / q) with the quantiles q of a chi-square with
                                    n - 1 degrees of freedom, as if values of seeds were normal
    standard_error_nats             of one estimate over test points: the median over seeds
    n_failed                        seeds of which the estimator has no value, as after training that diverged
    n_far                           seeds whose value is further than 5 s* from the median over seeds, where s* is
                                    1.4826 times the median distance from it (s of normal values)

With fewer than ten seeds nothing is called far: of three normal values one would be in 21% of cases, of twenty in
1.3%. Not here: controls, which do not train, and what the machine could not run.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtri

from workflow.grid.record import FAILED, OK
from workflow.tables.estimators import CARDS, Cards
from workflow.tables.identity import SAMPLES, label, table
from workflow.tables.markup import Section
from workflow.tables.numbers import error, estimate
from workflow.tables.summary import main_rows

MODEL = ["dataset", "model", "kind", "n_levels"]
VARIANT = ["variant", *SAMPLES, "n_importance_samples"]
COLUMNS = [
    *MODEL, "estimator", *VARIANT, "n_seeds", "n_failed", "n_far", "mean_nats", "seed_std_nats", "low_seed_std_nats",
    "high_seed_std_nats", "min_nats", "max_nats", "standard_error_nats",
]  # fmt: skip
FEWEST, MANY = 3, 10  # seeds that a row has, and that tell a far one from the others
FAR, NORMAL = 5.0, 1.4826
TAIL = 0.025  # on either side of the interval


def stability(long: pd.DataFrame) -> pd.DataFrame:
    """One row per trained model and estimate.

    Args:
        long: the table `log_likelihood`.
    """
    trained = long[long["kind"] != "control"]
    rows = []
    for keys, group in trained.groupby([*MODEL, "estimator"], dropna=False, sort=False):
        if group["seed"].nunique() < FEWEST:
            continue
        model = dict(zip([*MODEL, "estimator"], keys, strict=True))
        model["n_failed"] = group.loc[group["status"] == FAILED, "seed"].nunique()
        found = group[group["status"] == OK]
        for _, seeds in found.groupby(VARIANT, dropna=False, sort=False):
            rows.append(model | variant(seeds) | spread(seeds))
        if found.empty:
            rows.append(model | variant(group) | {"n_seeds": 0})
    return table(rows, COLUMNS)


def variant(rows: pd.DataFrame) -> dict[str, Any]:
    """What tells one estimate of an estimator from its others."""
    return rows.iloc[0][VARIANT].to_dict()


def spread(seeds: pd.DataFrame) -> dict[str, Any]:
    """Of the rows of all seeds of one estimate."""
    values = seeds["mean_nats"].to_numpy(dtype=float)
    n, s = len(values), seeds["mean_nats"].std(ddof=1)
    low, high = (s * np.sqrt((n - 1) / chdtri(n - 1, tail)) for tail in (TAIL, 1.0 - TAIL))
    return {
        "n_seeds": n,
        "n_far": n_far(values) if n >= MANY else None,
        "mean_nats": values.mean(),
        "seed_std_nats": s,
        "low_seed_std_nats": low,
        "high_seed_std_nats": high,
        "min_nats": values.min(),
        "max_nats": values.max(),
        "standard_error_nats": seeds["standard_error_nats"].median(),
    }


def n_far(values: np.ndarray) -> int:
    """How many values are far from their median."""
    distances = np.abs(values - np.median(values))
    return int((distances > FAR * NORMAL * np.median(distances)).sum())


def sections(rows: pd.DataFrame, cards: Cards = CARDS) -> Iterator[Section]:
    """By data set, the estimates of models with ten seeds or more; of one that failed for all of them too."""
    shown = main_rows(rows[(rows["n_seeds"] + rows["n_failed"] >= MANY) & rows["estimator"].isin(list(cards))])
    for dataset, group in shown.groupby("dataset", sort=False):
        cells = [_cells(row, cards) for _, row in group.iterrows()]
        yield Section(f"{dataset}: how far seeds are apart", pd.DataFrame(cells), (SENTENCE,))


SENTENCE = (
    "The error of the mean is that of the spread between seeds. Error of one: over test points, the median over seeds; "
    "it does not count that spread, and the spread does not count it, as seeds share the test points. Diverged: seeds "
    "without a value, or further than 5 robust standard deviations from the median."
)


def _cells(row: pd.Series, cards: Cards) -> dict[str, str]:
    n_diverged = row["n_failed"] + (0 if pd.isna(row["n_far"]) else row["n_far"])
    cells = {
        "Model": label(row),
        "Estimate": cards[row["estimator"]].title.format(**row),
        "Seeds": str(row["n_seeds"] + row["n_failed"]),
        "Diverged": str(n_diverged),
    }
    if row["n_seeds"] < FEWEST:
        return cells | dict.fromkeys(("Mean", "Between seeds [95%]", "Range", "Error of one"), "")
    low, high = error(row["low_seed_std_nats"]), error(row["high_seed_std_nats"])
    return cells | {
        "Mean": estimate(row["mean_nats"], row["seed_std_nats"] / np.sqrt(row["n_seeds"])),
        "Between seeds [95%]": f"{error(row['seed_std_nats'])} [{low}, {high}]",
        "Range": f"{row['min_nats']:.2f} to {row['max_nats']:.2f}",
        "Error of one": error(row["standard_error_nats"]),
    }
