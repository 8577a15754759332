"""Which estimators order the models as their tightest or exact values do, and how three of them order each model."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, GREY, PAGE_WIDTH, no_values
from workflow.tables.identity import IDENTITY, label
from workflow.tables.ranking import CERTIFIED

ROW_HEIGHT = 0.16  # inches
SHOWN = {  # estimators whose ranks are drawn, by name and variant: mark and words
    ("lower_bound", ""): ("o", "paper's or own bound"),
    ("importance_weighted", ""): ("^", "IW-M"),
    ("parzen", "sample"): ("s", "Parzen of samples"),
}


def ranking(material: Material) -> Figure:
    """Left: Kendall's tau of every estimator with its interval. Right: ranks of models by three of them.

    Ranks of an estimator are among the models that it has a value of, spread over the whole height.
    """
    values, taus = material.ranked_values, material.ranking
    if taus.empty:
        return no_values(f"{material.dataset}: ranks of models")
    order = values.drop_duplicates(IDENTITY).sort_values("reference_nats", kind="stable")
    size = (PAGE_WIDTH, 1.2 + ROW_HEIGHT * max(len(taus), len(order)))
    figure, (left, right) = plt.subplots(1, 2, figsize=size)
    _taus(left, taus.reset_index(drop=True))
    _ranks(right, values, order)
    figure.suptitle(f"{material.dataset}: estimators beside the order of models by tightest or exact values")
    figure.legend(*right.get_legend_handles_labels(), fontsize=6.5, ncols=4, loc="outside lower center")
    return figure


def _taus(axes: Axes, taus: pd.DataFrame) -> None:
    """A row per estimator, the best above; grey where its own values are the reference of every model."""
    for y, tau in taus.iterrows():
        is_reference = tau["n_own"] == tau["n_models"]
        interval = [[tau["kendall_tau"] - tau["low_tau"]], [tau["high_tau"] - tau["kendall_tau"]]]
        style = {"color": GREY if is_reference else COLORS[0], "markersize": 3.5, "elinewidth": 0.8}
        axes.errorbar(tau["kendall_tau"], y, xerr=interval, fmt="o", **style)
    axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(taus)), [_name(tau) for _, tau in taus.iterrows()], fontsize=6)
    axes.set(xlim=(-1.05, 1.05), ylim=(len(taus) - 0.5, -0.5), xlabel="Kendall's tau, 95% over models")
    axes.grid(axis="y", linewidth=0.3)


def _ranks(axes: Axes, values: pd.DataFrame, order: pd.DataFrame) -> None:
    """A row per model, the best by its reference above; in step with it is the dotted line."""
    places = {key: place for place, key in enumerate(_cells(order))}
    for i, ((estimator, variant), (marker, words)) in enumerate(SHOWN.items()):
        group = values[(values["estimator"] == estimator) & (values["variant"] == variant)]
        at = [places[cell] for cell in _cells(group)]
        ranks = (group["mean_nats"].rank() - 1.0) / max(len(group) - 1, 1)
        style = {"color": COLORS[i], "markersize": 4, "markerfacecolor": "none", "markeredgewidth": 1.1}
        axes.plot(ranks, at, linestyle="none", marker=marker, label=words, **style)
    axes.plot([0.0, 1.0], [0, len(places) - 1], color="black", linewidth=0.8, linestyle=":", label="same order")
    axes.set_yticks(range(len(places)), [label(row) for _, row in order.iterrows()], fontsize=6)
    axes.set_xticks([0.0, 1.0], ["worst", "best"])
    axes.set(xlabel="rank by each estimator", ylim=(-0.5, len(places) - 0.5))
    axes.grid(axis="y", linewidth=0.3)


def _cells(values: pd.DataFrame) -> list[str]:
    """The cell of every row as text, also of models without levels."""
    return ["/".join(map(str, row)) for row in values[IDENTITY].itertuples(index=False)]


def _name(tau: pd.Series) -> str:
    """Estimator, variant, and how many models it is compared on."""
    words = tau["estimator"].replace("_", " ").replace("importance weighted", "IW")
    variant = tau["variant"].removeprefix(CERTIFIED).removeprefix(", ")
    return f"{', '.join(filter(None, (words, variant)))} ({tau['n_models']})"
