"""Test errors from representations as dots, a panel per number of labels: linear probe and nearest neighbour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, PAGE_WIDTH, no_values
from workflow.grid.record import OK
from workflow.tables.identity import first_seeds, label

NAMES = {"probe_error": "linear probe", "neighbour_error": "nearest neighbour"}
ROW_HEIGHT = 0.17  # inches


def representation(material: Material) -> Figure:
    """Rows are representations, of the first seed each: controls, then by the probe's error with all labels."""
    table = material.representation[material.representation["status"] == OK]
    if table.empty:
        return no_values(f"{material.dataset}: representations")
    rows = first_seeds(table)
    rows = rows.assign(name=[", ".join(filter(None, (label(row), row["variant"]))) for _, row in rows.iterrows()])
    sizes = sorted(rows["n_labels"].unique(), reverse=True)
    whole = rows[rows["n_labels"] == sizes[0]]
    order = whole["probe_error"].where(whole["seed"].notna(), -1.0)
    names = whole.assign(order=order).sort_values("order", kind="stable")["name"].tolist()
    size = (PAGE_WIDTH, 1.2 + ROW_HEIGHT * len(names))
    figure, panels = plt.subplots(1, len(sizes), figsize=size, sharey=True, squeeze=False)
    for axes, n_labels in zip(panels[0], sizes, strict=True):
        _dots(axes, rows[rows["n_labels"] == n_labels], names)
        axes.set(title=f"{n_labels:,} labels", xlabel="test error")
        axes.set_xlim(left=0.0)
        axes.grid(axis="y", linewidth=0.3)
    panels[0, 0].set_yticks(range(len(names)), names, fontsize=6)
    panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(material.dataset)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=6.5, ncols=2, loc="outside lower center")
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """With two errors of the test examples and of the draws of labelled examples together."""
    places = [names.index(name) for name in rows["name"]]
    for i, (name, words) in enumerate(NAMES.items()):
        draws = (rows[f"{name}_draw_std"].fillna(0.0) ** 2) / rows["n_draws"].astype(float)
        error = 2.0 * np.sqrt(rows[f"{name}_standard_error"] ** 2 + draws)
        style = {"color": COLORS[i], "markersize": 3.5, "elinewidth": 0.8, "label": words}
        axes.errorbar(rows[name], places, xerr=error, fmt="o", **style)
