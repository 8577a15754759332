"""The terms that the lower bound of every cascade is made of."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.by_levels import of_cascades
from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, PAGE_WIDTH, no_values

MOST_IN_A_COLUMN = 10  # models; the names of more run into one another


def bound_terms(material: Material) -> Figure:
    """The lower bound of every cascade taken apart: what each level takes away from the reconstruction term."""
    title = f"{material.dataset}: terms of the lower bound"
    own = material.summary.loc[material.summary["estimator"] == "lower_bound", "model"]
    terms = material.bound_terms
    terms = of_cascades(terms[terms["model"].isin(own)])
    if terms.empty:
        return no_values(title)
    terms = terms.groupby(["model", "n_levels", "term"], sort=False)["mean_nats"].mean().reset_index()
    models = list(terms[["model", "n_levels"]].drop_duplicates().itertuples(index=False))
    deepest = int(terms["n_levels"].max())
    level_colors = sns.color_palette("viridis", max(deepest - 1, 1))
    width = COLUMN_WIDTH if len(models) <= MOST_IN_A_COLUMN else PAGE_WIDTH
    figure, axes = plt.subplots(figsize=(width, 2.8))
    for x, (model, n_levels) in enumerate(models):
        rows = terms[(terms["model"] == model) & (terms["n_levels"] == n_levels)].set_index("term")["mean_nats"]
        _waterfall(axes, x, rows, level_colors)
    axes.axhline(0.0, color="black", linewidth=0.6)
    names = [f"{model}\nk = {k:g}" for model, k in models]
    axes.set_xticks(range(len(models)), names, rotation=90, fontsize="small")  # two lines overlap where they slant
    axes.set_ylabel("nats per example")
    axes.set_title(title)
    _legend(axes, level_colors)
    return figure


def _waterfall(axes: Axes, x: int, terms: pd.Series, level_colors: list) -> None:
    """Reconstruction from zero, then every divergence downwards from there to the bound."""
    top = terms["reconstruction"]
    axes.bar(x - 0.22, top, width=0.4, color=COLORS[0], linewidth=0)
    level_kl = [terms[f"level_kl_{i}"] for i in range(1, len(terms) - 1)]
    colors = [*level_colors[: len(level_kl)], "0.6"]
    for nats, color in zip([*level_kl, terms["prior_kl"]], colors, strict=True):
        axes.bar(x + 0.22, -nats, bottom=top, width=0.4, color=color, linewidth=0)
        top -= nats
    axes.plot([x - 0.42, x + 0.42], [top, top], color=COLORS[3], linewidth=2.0)


def _legend(axes: Axes, level_colors: list) -> None:
    entries = {"reconstruction": COLORS[0], "KL of level 1": level_colors[0], "KL of the prior": "0.6"}
    if len(level_colors) > 1:
        entries[f"KL of level {len(level_colors)}"] = level_colors[-1]
    handles = [plt.Rectangle((0, 0), 1, 1, color=color, label=label) for label, color in entries.items()]
    handles.append(plt.Line2D([], [], color=COLORS[3], linewidth=2.0, label="lower bound"))
    axes.figure.legend(handles=handles, fontsize=6, ncols=3, loc="outside lower center")
