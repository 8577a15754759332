"""How every estimator orders the models, beside the order of their tightest or exact values: a line per estimator."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, GREY, PAGE_WIDTH, no_values
from workflow.tables.identity import IDENTITY, label
from workflow.tables.ranking import CERTIFIED


def ranking(material: Material) -> Figure:
    """Models from left to right by their reference; a line's height is the rank of the model by that estimator.

    Estimators that agree fully climb in step. A line passes over models that the estimator has no value of; ranks are
    among those that it has, spread over the whole height.
    """
    values, taus = material.ranked_values, material.ranking
    if taus.empty:
        return no_values(f"{material.dataset}: ranks of models")
    order = values.drop_duplicates(IDENTITY).sort_values("reference_nats", kind="stable")
    places = {key: place for place, key in enumerate(_cells(order))}
    figure, axes = plt.subplots(figsize=(PAGE_WIDTH, 3.6))
    for i, (_, tau) in enumerate(taus.iterrows()):
        group = values[(values["estimator"] == tau["estimator"]) & (values["variant"] == tau["variant"])]
        _line(axes, group, places, tau, i)
    ends = [0, len(places) - 1]
    axes.plot(ends, [0.0, 1.0], color="black", linewidth=0.8, linestyle=":", label="in step with the reference")
    names = [label(row) for _, row in order.iterrows()]
    axes.set_xticks(range(len(places)), names, rotation=60, ha="right", fontsize=6)
    axes.set_yticks([0.0, 1.0], ["worst", "best"])
    axes.set(title=f"{material.dataset}: ranks of models by every estimator", ylabel="rank")
    figure.legend(fontsize=6, ncols=1, loc="outside right upper", title="Kendall's tau [95%]", title_fontsize=6)
    return figure


def _cells(values: pd.DataFrame) -> list[str]:
    """The cell of every row as text, also of models without levels."""
    return ["/".join(map(str, row)) for row in values[IDENTITY].itertuples(index=False)]


def _line(axes: Axes, group: pd.DataFrame, places: dict[str, int], tau: pd.Series, i: int) -> None:
    """The ranks of one estimator, from 0 to 1, at the places of its models."""
    at = [places[cell] for cell in _cells(group)]
    ranks = (group["mean_nats"].rank() - 1.0) / max(len(group) - 1, 1)
    line = pd.DataFrame({"x": at, "y": ranks}).sort_values("x")
    is_reference = tau["n_own"] == tau["n_models"]
    style = {"color": GREY if is_reference else COLORS[i % len(COLORS)], "linestyle": "--" if i >= len(COLORS) else "-"}
    axes.plot(line["x"], line["y"], marker="o", markersize=2.5, linewidth=1.0, label=_name(tau), **style)


def _name(tau: pd.Series) -> str:
    words = tau["estimator"].replace("_", " ").replace("importance weighted", "IW")
    variant = tau["variant"].removeprefix(CERTIFIED).removeprefix(", ")
    own = f", {tau['n_own']} of {tau['n_models']} its own" if tau["n_own"] else ""
    numbers = f"{tau['kendall_tau']:z.2f} [{tau['low_tau']:z.2f}, {tau['high_tau']:z.2f}]"
    return f"{', '.join(filter(None, (words, variant)))}: {numbers}{own}"
