"""Bound and tightest bound against the number of levels, for levels at fixed ends and for those that a pilot chose."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.by_levels import MARKERS, set_axis_of_levels, two_errors
from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, no_values
from workflow.tables.tightest import tightest


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
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 3.5))
    for i, family in enumerate([*first, *chosen]):
        rows = bounds[bounds["model"] == family].sort_values("n_levels")
        style = {"color": COLORS[i], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        _errorbar(axes, rows, "mean_nats", two_errors(rows), f"{family}: bound (Eq. 4)", linestyle="-", **style)
        rows = tight[tight["model"] == family].sort_values("n_levels")
        error, label = 2.0 * rows["test_standard_error_nats"], f"{family}: tightest bound"
        _errorbar(axes, rows, "test_nats", error, label, linestyle="none", markerfacecolor="white", **style)
        _promised(axes, material.predicted_bounds[material.predicted_bounds["model"] == family], COLORS[i])
    set_axis_of_levels(axes, bounds.loc[bounds["model"].isin([*first, *chosen]), "n_levels"])
    axes.set(ylabel="log-likelihood (nats per example)", title=material.dataset)
    figure.legend(fontsize=6.5, loc="outside lower center")
    return figure


def _promised(axes: Axes, rows: pd.DataFrame, line_color: tuple[float, float, float]) -> None:
    """What the pilot promised to a family whose levels it chose, on validation examples."""
    if len(rows):
        promised = rows.groupby("n_levels")["predicted_validation_nats"].mean()
        axes.plot(
            promised.index, promised, ":", color=line_color, label=f"{rows['model'].iloc[0]}: promised by the pilot"
        )


def _errorbar(axes: Axes, rows: pd.DataFrame, values: str, error: pd.Series, label: str, **style: object) -> None:
    if len(rows):
        axes.errorbar(rows["n_levels"], rows[values], yerr=error, label=label, capsize=2, linewidth=1.2, **style)
