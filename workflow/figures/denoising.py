"""Squared errors of denoisers against the level, beside the best linear denoiser and the best of the training set."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.by_levels import MARKERS
from workflow.figures.material import Material
from workflow.figures.style import COLORS, GREY, PAGE_WIDTH, no_values
from workflow.grid.record import OK
from workflow.tables.identity import first_seeds, label

PANELS = {"relative_mse": "test examples", "relative_mse_train": "training examples"}
CONTROL_STYLES = ("--", ":")  # lines of the controls, in the order of the table


def denoising(material: Material) -> Figure:
    """Lines are denoisers, of the first seed each; the controls have no marks. An error of 1 is the data's variance."""
    table = material.denoising[material.denoising["status"] == OK]
    if table.empty:
        return no_values(f"{material.dataset}: errors of denoisers")
    rows = first_seeds(table)
    rows = rows.assign(name=[label(row) for _, row in rows.iterrows()])
    figure, panels = plt.subplots(1, len(PANELS), figsize=(PAGE_WIDTH, 3.2), sharey=True)
    for axes, (measure, title) in zip(panels, PANELS.items(), strict=True):
        _lines(axes, rows, measure)
        axes.set(xscale="log", yscale="log", title=title, xlabel="level (standard deviations of the data)")
    panels[0].set_ylabel("mean squared error / variance of the data")
    panels[0].set_ylim(0.5 * rows["relative_mse"].min(), 2.0 * rows["relative_mse"].max())
    figure.suptitle(material.dataset)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=6.5, ncols=4, loc="outside lower center")
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    controls = rows[rows["seed"].isna()]
    for style, (name, share) in zip(CONTROL_STYLES, controls.groupby("name", sort=False), strict=False):
        axes.plot(share["relative_std"], share[measure], style, color=GREY, linewidth=1.4, label=name)
    for i, (name, share) in enumerate(rows[rows["seed"].notna()].groupby("name", sort=False)):
        style = {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 3}
        error = 2.0 * share[f"{measure}_standard_error"]
        axes.errorbar(share["relative_std"], share[measure], yerr=error, linewidth=0.9, label=name, **style)
