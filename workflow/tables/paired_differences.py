"""Differences between certified models at common test points, and what they say of the log-likelihoods.

Every two models of a data set and seed are a pair. Its reference is the one whose tightest bound has the smaller gap
(see `tightest`). With the bounds R of the reference and O of the other model at the same points, and the gaps of both,

    mean(R - O) - gap of O  <=  difference of the log-likelihoods  <=  mean(R - O) + gap of R

since each log-likelihood lies between its bound and its bound plus its gap. The gaps are those of simulated data, and
stand in for those of the test points, which are unknown. A gap is no less than 0, and an estimate below 0 counts as 0.
A model is called higher where the nearer end lies beyond 0 by more than two of its standard errors.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from workflow.grid.record import Identity
from workflow.tables.cells import Certified
from workflow.tables.identity import label, table
from workflow.tables.markup import Section
from workflow.tables.numbers import estimate, with_error
from workflow.tables.tightest import surely_at_most, tightest

ERRORS = 2.0
FEWEST_POINTS = 10  # in common; fewer tell nothing apart
SIDES = "reference", "other"
OF_A_SIDE = ["model", "n_levels", "estimator", "variant", "gap_nats", "gap_standard_error_nats"]
MEANS = "difference", "least_difference", "greatest_difference"
COLUMNS = [
    "dataset", "seed", *(f"{side}_{name}" for side in SIDES for name in OF_A_SIDE), "n_points",
    *(f"{mean}{suffix}" for mean in MEANS for suffix in ("_nats", "_standard_error_nats")), "conclusion",
]  # fmt: skip

NOTE = (
    "Paired differences: the tightest bounds of two models at the test points that both have. The reference is the "
    "model whose tightest bound has the smallest gap; `paired_differences.csv` has all other pairs. The difference of "
    "the log-likelihoods is at least the difference "
    "of the bounds minus the gap of the other model, and at most that difference plus the gap of the reference. Gaps "
    "are of simulated data, and stand in for those of test data. A model is called higher only where this holds by "
    f"{ERRORS:g} standard errors, and on at least {FEWEST_POINTS} points."
)


class Conclusion(StrEnum):
    """What a paired difference says of two models."""

    REFERENCE_HIGHER = "reference higher"
    OTHER_HIGHER = "other higher"
    NOT_TOLD_APART = "not told apart"


def paired_differences(cells: list[Certified], certificates: pd.DataFrame) -> pd.DataFrame:
    """One row for every two certified models of a data set and seed, those of the model with the smallest gap first.

    Args:
        cells: with the values of every estimator at its test points.
        certificates: the table of them.
    """
    values = {cell.record.identity: cell.values for cell in cells}
    rows = []
    for _, group in tightest(certificates).groupby(["dataset", "seed"], sort=False):
        order = surely_at_most(group).sort_values(kind="stable").index
        models = [group.loc[place] for place in [order[0], *group.index.drop(order[0])]]
        at_points = [_by_point(values, model) for model in models]
        for first, second in combinations(range(len(models)), 2):
            pair = sorted((first, second), key=lambda i: order.get_loc(models[i].name))
            rows.append(_pair(*(models[i] for i in pair), *(at_points[i] for i in pair)))
    return table(rows, COLUMNS)


def _by_point(values: dict[Identity, dict[str, np.ndarray]], row: pd.Series) -> pd.Series:
    """The values of an estimator by the indices of its test points, in nats."""
    n_levels = None if pd.isna(row["n_levels"]) else int(row["n_levels"])
    own = values[Identity(row["dataset"], row["model"], row["kind"], n_levels, int(row["seed"]))]
    key = f"{row['estimator']}/{row['variant']}"
    return pd.Series(own[f"{key}/values"].astype(np.float64), index=own[f"{key}/indices"])


def _pair(reference: pd.Series, other: pd.Series, of_reference: pd.Series, of_other: pd.Series) -> dict[str, Any]:
    """A row of the table, from the points that both have."""
    common = of_reference.index.intersection(of_other.index)
    differences, n = of_reference[common] - of_other[common], len(common)
    mean, error = (differences.mean(), differences.std(ddof=1) / np.sqrt(n)) if n > 1 else (np.nan, np.nan)
    least = mean - max(other["gap_nats"], 0.0), np.hypot(error, other["gap_standard_error_nats"])
    greatest = mean + max(reference["gap_nats"], 0.0), np.hypot(error, reference["gap_standard_error_nats"])
    row = {"dataset": reference["dataset"], "seed": reference["seed"], "n_points": n}
    for side, known in zip(SIDES, (reference, other), strict=True):
        row |= {f"{side}_{name}": known[name] for name in OF_A_SIDE}
    for name, (nats, its_error) in zip(MEANS, ((mean, error), least, greatest), strict=True):
        row |= {f"{name}_nats": nats, f"{name}_standard_error_nats": its_error}
    return row | {"conclusion": _conclusion(n, least, greatest)}


def _conclusion(n: int, least: tuple[float, float], greatest: tuple[float, float]) -> Conclusion:
    """From both ends, each with its error; an unknown end is beyond nothing."""
    if n >= FEWEST_POINTS and least[0] > ERRORS * least[1]:
        return Conclusion.REFERENCE_HIGHER
    if n >= FEWEST_POINTS and greatest[0] < -ERRORS * greatest[1]:
        return Conclusion.OTHER_HIGHER
    return Conclusion.NOT_TOLD_APART


def sections(pairs: pd.DataFrame) -> Iterator[Section]:
    """A table for every data set and seed, of the pairs of the model with the smallest gap, and a sentence for each."""
    for (dataset, seed), every in pairs.groupby(["dataset", "seed"], sort=False):
        reference = _name(every.iloc[0], "reference")
        group = every[[_name(row, "reference") == reference for _, row in every.iterrows()]]
        rows = [
            {
                "Other model": _name(row, "other"),
                "Common points": str(row["n_points"]),
                "Reference minus other": with_error(row, "difference"),
                "Minus the other's gap": with_error(row, "least_difference"),
                "Plus the reference's gap": with_error(row, "greatest_difference"),
                "Other's gap": with_error(row, "other_gap"),
                "Reference's gap": with_error(row, "reference_gap"),
                "Conclusion": str(row["conclusion"]),
            }
            for _, row in group.iterrows()
        ]
        title = f"{dataset}: paired differences, reference {reference} (seed {seed})"
        yield Section(title, pd.DataFrame(rows), tuple(sentence(row) for _, row in group.iterrows()))


def sentence(row: pd.Series) -> str:
    """What a pair shows, in words: the higher bound, by how much, and what the gap of the lower one leaves of it."""
    names = {side: _name(row, side) for side in SIDES}
    difference, error = row["difference_nats"], row["difference_standard_error_nats"]
    if pd.isna(difference):
        return f"{names['reference']} and {names['other']} have {row['n_points']} common points, too few to compare."
    higher, lower = SIDES if difference >= 0.0 else SIDES[::-1]
    end = "least_difference" if higher == "reference" else "greatest_difference"
    left = row[f"{end}_nats"] * np.sign(difference or 1.0)
    remains = f"{estimate(left, row[f'{end}_standard_error_nats'])} remain" if left > 0.0 else "nothing remains"
    is_doubtful = left > 0.0 and row["conclusion"] == Conclusion.NOT_TOLD_APART
    return (
        f"{names[higher]} is above {names[lower]} by {estimate(abs(difference), error)} nats on {row['n_points']} "
        f"common points; {remains} when the gap of the other is added"
        + (", which does not tell them apart." if is_doubtful else ".")
    )


def _name(row: pd.Series, side: str) -> str:
    """The model of one side and its number of levels."""
    return label(pd.Series({name: row[f"{side}_{name}"] for name in ("model", "n_levels")}))
