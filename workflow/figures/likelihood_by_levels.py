"""Lower bound and IW-M of every cascade against the number of levels, and users' own estimators that have a mark."""

from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.by_levels import MARKERS, of_cascades, set_axis_of_levels, two_errors
from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, OF_THE_DATA, color, no_values
from workflow.tables.estimators import CARDS, Mark

ESTIMATORS = ["lower_bound", "importance_weighted"]
VAES = ("vae", "bernoulli")  # kinds, of which cascades have a number of levels besides
STYLES = (":", "-.", "--", (0, (1, 4)), (0, (6, 2, 1, 2, 1, 2)))  # of the lines of other models
LEGEND_ROW = 0.13  # inches


def likelihood_by_levels(material: Material) -> Figure:
    """Lower bound and IW-M of every cascade against k, with the exact value and the VAE for comparison."""
    summary = material.summary[material.summary["n_seeds"] > 0]
    marks = {name: CARDS[name].marks[""] for name in ESTIMATORS} | material.marks
    cascades = of_cascades(summary[summary["estimator"].isin(list(marks))])
    if cascades.empty:
        return no_values(material.dataset)
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 3.0))
    families = list(dict.fromkeys(cascades["model"]))
    for (model, estimator), rows in cascades.groupby(["model", "estimator"], sort=False):
        _errorbar(axes, rows, model, marks[estimator], position=families.index(model))
    _markov_line(axes, summary)
    if material.exact_nats is not None:
        axes.axhline(material.exact_nats, **OF_THE_DATA)
    _vae_lines(axes, summary)
    set_axis_of_levels(axes, cascades["n_levels"])
    axes.set_ylabel("log-likelihood (nats per example)")
    axes.set_title(material.dataset)
    n_rows = -(-len(axes.get_legend_handles_labels()[1]) // 2)
    figure.set_figheight(2.4 + LEGEND_ROW * n_rows)
    figure.legend(fontsize=6.0, handlelength=2.0, ncols=2, loc="outside lower center")
    return figure


def _errorbar(axes: Axes, rows: pd.DataFrame, model: str, mark: Mark, *, position: int) -> None:
    """Mean over seeds with two standard errors, of the test points and of the seeds; a line for the first family."""
    first = position == 0
    axes.errorbar(
        rows["n_levels"], rows["mean_nats"], yerr=two_errors(rows), color=color(mark.color), capsize=2,
        marker=MARKERS[position % len(MARKERS)], markersize=4,
        linestyle="-" if first else "none", markerfacecolor=color(mark.color) if first else "white", linewidth=1.2,
        label=f"{model}, {mark.label.format(**rows.iloc[0])}",
    )  # fmt: skip


def _markov_line(axes: Axes, summary: pd.DataFrame) -> None:
    """The bound of the other model that the first cascade's denoiser makes."""
    rows = summary[summary["estimator"] == "markov_bound"]
    if len(rows):
        rows, mark = rows[rows["model"] == rows["model"].iloc[0]], CARDS["markov_bound"].marks[""]
        style = {"color": color(mark.color), "alpha": 0.6, "linewidth": 1.0, "label": mark.label}
        axes.plot(rows["n_levels"], rows["mean_nats"], "--" if len(rows) > 1 else "_", **style)


def _vae_lines(axes: Axes, summary: pd.DataFrame) -> None:
    """The IW-M of every VAE."""
    weighted = summary[summary["estimator"] == "importance_weighted"]
    vae = weighted[weighted["kind"].isin(VAES) & weighted["n_levels"].isna()]
    for (_, row), style in zip(vae.iterrows(), cycle(STYLES)):
        label = CARDS["importance_weighted"].marks[""].label.format(**row)
        axes.axhline(
            row["mean_nats"], color=COLORS[2], linewidth=1.0, linestyle=style, label=f"{row['model']}, {label}"
        )
