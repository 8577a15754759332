"""The tightest bound of every model, with an unbiased gap.

The smallest of several estimated gaps is too small on average. So one half of the simulated points chooses the
estimator, and the other half gives the gap that is reported. Points are independent, and so this gap is unbiased.
"""

import numpy as np
import pandas as pd

from workflow.grid.record import OK

HALVES = [
    "choosing_gap_nats",
    "choosing_gap_standard_error_nats",
    "reported_gap_nats",
    "reported_gap_standard_error_nats",
]
FEWEST_SIMULATED = 4  # two points in each half, or an error is unknown
OF_A_MODEL = ["dataset", "model", "n_levels", "seed"]


def halves(lower: np.ndarray, upper: np.ndarray) -> dict[str, float]:
    """The mean gap and its standard error, on either half of the simulated points; nothing for fewer than 4 points.

    The halves are the points 0, 2, 4 .. and 1, 3, 5 .. All estimators of a model have the same points, and so the same
    half chooses among them.

    Args:
        lower, upper: both sides on the simulated points, (n,), in nats.
    """
    if len(lower) < FEWEST_SIMULATED:
        return {}
    gaps = upper.astype(np.float64) - lower.astype(np.float64)
    found = [f(half) for half in (gaps[::2], gaps[1::2]) for f in (np.mean, _standard_error)]
    return dict(zip(HALVES, map(float, found), strict=True))


def _standard_error(values: np.ndarray) -> float:
    return values.std(ddof=1) / np.sqrt(len(values))


def tightest(certificates: pd.DataFrame) -> pd.DataFrame:
    """Choose for every model the row whose gap is surely smallest: the gap with two of its standard errors.

    The columns `gap_nats` and `gap_standard_error_nats` of what is returned are those of the half that did not choose.
    A model without a value for the whole test split, or with fewer than 4 simulated points, has no row.
    """
    at_most = surely_at_most(certificates)
    ok = certificates["status"] == OK  # a row can fail because of its gap
    known = certificates[ok & at_most.notna() & certificates["test_nats"].notna()]
    smallest = at_most[known.index].groupby([known[key] for key in OF_A_MODEL], dropna=False).idxmin()
    chosen = known.loc[sorted(smallest)]
    reported = {name.removeprefix("reported_"): chosen[name] for name in HALVES if name.startswith("reported_")}
    return chosen.assign(**reported)


def surely_at_most(certificates: pd.DataFrame) -> pd.Series:
    """The gap on the half that chooses, with two standard errors, in nats; missing where it is unknown."""
    return certificates["choosing_gap_nats"] + 2.0 * certificates["choosing_gap_standard_error_nats"]
