"""What is known of every model's log-likelihood: its own bound, its tightest bound with the gap, or its exact value."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, GREY, OF_THE_DATA, no_values
from workflow.tables.identity import first_seeds, label
from workflow.tables.tightest import tightest

ROW_HEIGHT = 0.15  # inches
WORDS = OWN, EXACT, TIGHTEST, GAP = "own bound", "exact", "tightest bound", "its gap on simulated data"
DOT = {"fmt": "o", "markersize": 3.5, "elinewidth": 0.8, "markeredgewidth": 0.9}


def likelihoods(material: Material) -> Figure:
    """A row per model, the one with the highest value above; two standard errors beside every dot.

    A line shows the exact value of the data where it is known.
    """
    title = f"{material.dataset}: log-likelihoods"
    summary = material.summary[material.summary["n_seeds"] > 0]
    own, exact = (_named(summary[summary["estimator"] == name]) for name in ("lower_bound", "exact"))
    tight = _named(first_seeds(tightest(material.certificates)))
    values = [own["mean_nats"], exact["mean_nats"], tight["test_nats"]]
    order = pd.concat(values).groupby(level=0, sort=False).max().sort_values(ascending=False, kind="stable").index
    if order.empty:
        return no_values(title)
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 1.1 + ROW_HEIGHT * len(order)))
    places = pd.Series(range(len(order)), index=order)
    _gaps(axes, tight, places)
    _dots(axes, own["mean_nats"], own["standard_error_nats"], places, OWN, COLORS[0], "white")
    _dots(axes, tight["test_nats"], tight["test_standard_error_nats"], places, TIGHTEST, COLORS[1], COLORS[1])
    _dots(axes, exact["mean_nats"], exact["standard_error_nats"], places, EXACT, GREY, GREY)
    if material.exact_nats is not None:
        axes.axvline(material.exact_nats, **OF_THE_DATA)
    axes.set_yticks(range(len(order)), order, fontsize=6)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(axis="y", linewidth=0.3)
    axes.set_xlabel("log-likelihood (nats per example)")
    figure.suptitle(title)
    known = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    words = [name for name in (*WORDS, OF_THE_DATA["label"]) if name in known]
    figure.legend([known[name] for name in words], words, fontsize=6, ncols=2, loc="outside lower center")
    return figure


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by the names of their models."""
    return rows.set_index(pd.Index([label(row) for _, row in rows.iterrows()], dtype=object))


def _gaps(axes: Axes, tight: pd.DataFrame, places: pd.Series) -> None:
    """From every tightest bound to what it would be with the gap added."""
    if len(tight):
        start, end = tight["test_nats"], tight["test_nats"] + tight["gap_nats"].clip(lower=0.0)
        style = {"color": COLORS[1], "alpha": 0.35, "linewidth": 3.5, "label": GAP}
        axes.hlines(places[tight.index], start, end, **style)


def _dots(
    axes: Axes, values: pd.Series, errors: pd.Series, places: pd.Series, words: str, dot_color: tuple, face: object
) -> None:
    if len(values):
        axes.errorbar(
            values, places[values.index], xerr=2.0 * errors, color=dot_color, markerfacecolor=face, label=words, **DOT
        )
