"""Bound and tightest bound against the number of levels, for levels at fixed ends and for those that a pilot chose."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, GREY, no_values
from workflow.tables.tightest import tightest

MARKERS = "os^Dv"


def schedules(material: Material) -> Figure:
    """Per family of cascades: the paper's bound (line), the tightest bound (open marks), and what the pilot promised.

    Families are the first one of the grid, whose levels lie between fixed ends, and all whose levels a pilot chose.
    """
    summary = material.summary[(material.summary["kind"] == "cdae") & (material.summary["n_seeds"] > 0)]
    bounds = summary[summary["estimator"] == "lower_bound"]
    chosen = list(dict.fromkeys(material.predicted_bounds["model"]))
    if bounds.empty or not chosen:
        return no_values(f"{material.dataset}: levels by schedule")
    first = [name for name in dict.fromkeys(bounds["model"]) if name not in chosen][:1]
    tight = tightest(material.certificates)
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 3.0))
    for i, family in enumerate([*first, *chosen]):
        rows = bounds[bounds["model"] == family].sort_values("n_levels")
        style = {"color": COLORS[i], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        _errorbar(axes, rows, "mean_nats", _error(rows), f"{family}: bound (Eq. 4)", linestyle="-", **style)
        rows = tight[tight["model"] == family].sort_values("n_levels")
        error, label = 2.0 * rows["test_standard_error_nats"], f"{family}: tightest bound"
        _errorbar(axes, rows, "test_nats", error, label, linestyle="none", markerfacecolor="white", **style)
    promised = material.predicted_bounds.groupby("n_levels")["predicted_validation_nats"].mean()
    axes.plot(promised.index, promised, ":", color=GREY, label="promised by the pilot")
    n_levels = sorted(bounds.loc[bounds["model"].isin([*first, *chosen]), "n_levels"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xticks(n_levels, [f"{k:g}" for k in n_levels])
    axes.set(xlabel="number of levels k", ylabel="log-likelihood (nats per example)", title=material.dataset)
    figure.legend(fontsize=6.0, ncols=2, loc="outside lower center")
    return figure


def _error(rows: pd.DataFrame) -> pd.Series:
    """Two standard errors, of points and of seeds together."""
    seed_var = (rows["seed_std_nats"].fillna(0.0) ** 2) / rows["n_seeds"]
    return 2.0 * np.sqrt(rows["standard_error_nats"] ** 2 + seed_var)


def _errorbar(axes: Axes, rows: pd.DataFrame, values: str, error: pd.Series, label: str, **style: object) -> None:
    if len(rows):
        axes.errorbar(rows["n_levels"], rows[values], yerr=error, label=label, capsize=2, linewidth=1.2, **style)
