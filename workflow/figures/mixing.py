"""Chains beside independent samples: the correlation of classes along a chain, and how often they change."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, PAGE_WIDTH, no_values
from workflow.grid.record import OK
from workflow.tables.identity import first_seeds, label
from workflow.tables.mixing import LAGS

DOTS = (  # measure, words below its axis, scale
    ("effective_share", "effective share", "log"),
    ("transitions", "transitions\nper 1,000", "linear"),
    ("spurious", "spurious", "linear"),
)
ROW_HEIGHT = 0.2  # inches
STYLES = {"data": "-", "noise": "--", "": ":"}


def mixing(material: Material) -> Figure:
    """Left: autocorrelation against the lag, a line per chain. Right: measures as dots, with two standard errors."""
    rows = first_seeds(material.mixing[material.mixing["status"] == OK])
    rows = rows[~rows["variant"].str.endswith("step mean")].reset_index(drop=True)
    if rows.empty:
        return no_values(f"{material.dataset}: mixing")
    size = (PAGE_WIDTH, max(2.4, 1.3 + ROW_HEIGHT * len(rows)))
    widths = {"width_ratios": [2.2, *[1.0] * len(DOTS)]}
    figure, (left, *right) = plt.subplots(1, 1 + len(DOTS), figsize=size, gridspec_kw=widths)
    models = list(dict.fromkeys(map(label, rows.to_dict("records"))))
    colors = {model: COLORS[i % len(COLORS)] for i, model in enumerate(models)}
    for _, row in rows.iterrows():
        _correlation(left, row, colors[label(row)])
    left.axhline(0.0, color="black", linewidth=0.6)
    left.set(xscale="log", xlabel="lag (steps)", ylabel="autocorrelation of classes")
    left.set_xticks([1, 10, 100], ["1", "10", "100"])
    for axes, (name, below, scale) in zip(right, DOTS, strict=True):
        _dots(axes, rows, name, [colors[label(row)] for _, row in rows.iterrows()])
        axes.set(xlabel=below, xscale=scale)
        if scale == "linear":
            axes.set_xlim(left=0.0)
        axes.set_yticks(range(len(rows)), [])
    right[0].set_yticks(range(len(rows)), [_name(row) for _, row in rows.iterrows()], fontsize=6)
    figure.suptitle(f"{material.dataset}: {rows['n_chains'].max()} chains of {rows['n_steps'].max():,} steps")
    return figure


def _correlation(axes: Axes, row: pd.Series, line_color: tuple[float, float, float]) -> None:
    known = [lag for lag in LAGS if pd.notna(row[f"autocorrelation_{lag}"])]
    values = [row[f"autocorrelation_{lag}"] for lag in known]
    errors = [2.0 * row[f"autocorrelation_{lag}_standard_error"] for lag in known]
    style = {"color": line_color, "linestyle": STYLES[row["chain_start"]], "marker": "o", "markersize": 2.5}
    axes.errorbar(known, values, yerr=errors, linewidth=1.0, elinewidth=0.6, label=_name(row), **style)


def _dots(axes: Axes, rows: pd.DataFrame, name: str, colors: list[tuple[float, float, float]]) -> None:
    for y, (_, row) in enumerate(rows.iterrows()):
        error = 2.0 * row[f"{name}_standard_error"]
        axes.errorbar(row[name], y, xerr=error, fmt="o", color=colors[y], markersize=3.5, elinewidth=0.8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", linewidth=0.3)


def _name(row: pd.Series) -> str:
    words = row["variant"].removeprefix("independent, ").replace("last step sample", "independent")
    return f"{label(row)}, {words.replace('sample', 'independent') if not row['chain_start'] else words}"
