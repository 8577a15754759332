"""Parzen estimates of all models as dots, beside what real images and their centres score."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, no_values
from workflow.tables.identity import label
from workflow.tables.summary import main_rows

ROW_HEIGHT = 0.15  # inches
STYLES = {  # last step: colour, face and words
    "mean": (COLORS[0], COLORS[0], "mean of the last step"),
    "sample": (COLORS[1], "white", "draw of the last step"),
    "control": ((0.35,) * 3, (0.35,) * 3, "control"),
}


def parzen(material: Material) -> Figure:
    """A row per model, controls above, then a group per kind of model, the highest first in each."""
    title = f"{material.dataset}: Parzen estimates"
    rows = material.summary[(material.summary["estimator"] == "parzen") & (material.summary["n_seeds"] > 0)]
    rows = main_rows(rows)
    if rows.empty:
        return no_values(title)
    rows = rows.assign(name=[_name(row) for _, row in rows.iterrows()])
    groups = _groups(rows)
    names = [name for group in groups for name in group]
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 1.1 + ROW_HEIGHT * len(names)))
    for style in STYLES:
        _dots(axes, rows[_style_of(rows) == style], names, style)
    for end in _ends(groups)[:-1]:
        axes.axhline(end - 0.5, color="0.8", linewidth=0.6)
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", linewidth=0.3)
    axes.set_xlabel("Parzen (nats per example)")
    figure.suptitle(title)
    figure.legend(fontsize=6, ncols=3, loc="outside lower center", handletextpad=0.1)
    return figure


def _groups(rows: pd.DataFrame) -> list[list[str]]:
    """The names of every kind of model, controls first, in each the one with the highest value first."""
    kinds = sorted(dict.fromkeys(rows["kind"]), key=lambda kind: kind != "control")  # stable
    best = [rows[rows["kind"] == kind].groupby("name")["mean_nats"].max() for kind in kinds]
    return [values.sort_values(ascending=False, kind="stable").index.tolist() for values in best]


def _ends(groups: list[list[str]]) -> list[int]:
    return [sum(len(group) for group in groups[: i + 1]) for i in range(len(groups))]


def _dots(axes: Axes, rows: pd.DataFrame, names: list[str], style: str) -> None:
    """With two standard errors."""
    if rows.empty:
        return
    dot_color, face, words = STYLES[style]
    places = [names.index(name) for name in rows["name"]]
    axes.errorbar(
        rows["mean_nats"], places, xerr=2.0 * rows["standard_error_nats"], fmt="o", color=dot_color,
        markerfacecolor=face, markersize=3.5, markeredgewidth=0.9, elinewidth=0.8, label=words,
    )  # fmt: skip


def _style_of(rows: pd.DataFrame) -> pd.Series:
    return rows["last_step"].where(rows["last_step"] == "mean", "sample").mask(rows["kind"] == "control", "control")


def _name(row: pd.Series) -> str:
    """A model, and how long its chain is; both last steps of it share a row."""
    return label(row) if pd.isna(row["n_chain_steps"]) else f"{label(row)}, {row['n_chain_steps']:,} steps"
