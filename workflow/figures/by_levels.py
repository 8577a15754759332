"""What figures against the number of levels share: the axis of k, and error bars over test points and seeds."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

MARKERS = "os^DvPX<>*ph"  # of the families of cascades, one after another
KINDS = ("cdae", "bernoulli")  # of images, and of black and white ones


def of_cascades(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the paper's model, grey or black and white, which have a number of levels."""
    return table[table["kind"].isin(KINDS) & table["n_levels"].notna()]


def set_axis_of_levels(axes: Axes, n_levels: Iterable[int]) -> None:
    """Label the horizontal axis by these numbers of levels, in powers of two."""
    shown = sorted(set(n_levels))
    axes.set_xscale("log", base=2)
    axes.set_xticks(shown, [f"{k:g}" for k in shown])
    axes.set_xlabel("number of levels k")


def two_errors(rows: pd.DataFrame) -> pd.Series:
    """Two standard errors of means over seeds, those of the test points and of the seeds together."""
    seed_var = (rows["seed_std_nats"].fillna(0.0) ** 2) / rows["n_seeds"]
    return 2.0 * np.sqrt(rows["standard_error_nats"] ** 2 + seed_var)
