"""Every estimator of the same cascades against the number of levels, and the gap that each of them leaves."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.by_levels import of_cascades, set_axis_of_levels
from workflow.figures.material import Material
from workflow.figures.style import OF_THE_DATA, PAGE_WIDTH, color, no_values
from workflow.tables.estimators import CARDS, Mark

SMALLEST_GAP = 1e-3  # nats; smaller and negative ones (noise) are drawn there


def certified_by_levels(material: Material) -> Figure:
    """Left: bounds on the test split against k; right: gaps between both sides on simulated data."""
    table = material.certificates
    cascades = of_cascades(table[table["status"] == "ok"])
    cascades = cascades[cascades["model"] == cascades["model"].iloc[0]] if len(cascades) else cascades
    cascades = cascades[cascades["seed"] == cascades["seed"].min()]
    if cascades.empty:
        return no_values(f"{material.dataset}: bounds and their gaps")
    model = cascades["model"].iloc[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 2.9), sharex=True)
    own = _own_bound(left, material.summary, cascades)
    for estimator, variant, mark in _marks():
        chosen = cascades[(cascades["estimator"] == estimator) & (cascades["variant"] == variant)]
        chosen = chosen.sort_values("n_levels")
        if len(chosen):
            name = mark.label.format(**chosen[["n_importance_samples", "n_distributions"]].mode().iloc[0])
            _line(left, chosen, chosen["test_nats"], chosen["test_standard_error_nats"], color(mark.color), name)
            gaps = chosen["gap_nats"].clip(lower=SMALLEST_GAP)
            if estimator != "exact":
                _line(right, chosen, gaps, None, color(mark.color), None)
                _name_other_sizes(right, chosen, gaps)
    if material.exact_nats is not None:
        left.axhline(material.exact_nats, **OF_THE_DATA)
    for axes in (left, right):
        set_axis_of_levels(axes, pd.concat([cascades["n_levels"], own["n_levels"]]))
    left.set(ylabel="log-likelihood (nats per example)", title=f"{material.dataset}: {model}, test split")
    right.set(yscale="log", ylabel="gap (nats per example)", title=f"{material.dataset}: upper minus lower, simulated")
    figure.legend(*left.get_legend_handles_labels(), fontsize=6.5, ncols=4, loc="outside lower center")
    return figure


def _marks() -> Iterator[tuple[str, str, Mark]]:
    """The estimators that are drawn, by variant: those whose card has a mark for a certificate."""
    for estimator, card in CARDS.items():
        for variant, mark in card.marks.items():
            if variant:
                yield estimator, variant, mark


def _own_bound(axes: Axes, summary: pd.DataFrame, cascades: pd.DataFrame) -> pd.DataFrame:
    """Draw the model's own bound (Eq. 4) on the whole test split, also at levels without certificates; its rows."""
    rows = of_cascades(summary[summary["estimator"] == "lower_bound"])
    rows = rows[rows["model"].isin(cascades["model"])].sort_values("n_levels")
    _line(
        axes,
        rows,
        rows["mean_nats"],
        rows["standard_error_nats"],
        color(CARDS["lower_bound"].marks[""].color),
        "own bound (Eq. 4)",
    )
    return rows


def _name_other_sizes(axes: Axes, rows: pd.DataFrame, gaps: pd.Series) -> None:
    """How many distributions a point has that does not have as many as most."""
    for k, n, gap in zip(rows["n_levels"], rows["n_distributions"], gaps, strict=True):
        if pd.notna(n) and n != rows["n_distributions"].mode().iloc[0]:
            text = f"over {n:,.0f}"
            axes.annotate(text, (k, gap), (6, 0), textcoords="offset points", va="center", fontsize=6.5)


def _line(
    axes: Axes, rows: pd.DataFrame, values: pd.Series, errors: pd.Series | None, line_color: tuple, name: str | None
) -> None:
    """A line over k, with two standard errors where they are given."""
    axes.errorbar(
        rows["n_levels"], values, yerr=None if errors is None else 2.0 * errors, color=line_color, marker="o",
        markersize=3, linewidth=1.1, capsize=2, elinewidth=0.7, label=name,
    )  # fmt: skip
