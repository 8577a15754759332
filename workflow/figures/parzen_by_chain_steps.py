"""The single DAE's Markov chain: its Parzen estimate and its distance from the start against the number of steps."""

from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, PAGE_WIDTH, no_values


def parzen_by_chain_steps(material: Material) -> Figure:
    """Chains from data and from noise; a chain near its training image scores like a copy of it."""
    rows = material.summary[material.summary["n_chain_steps"].notna() & (material.summary["n_seeds"] > 0)]
    if rows.empty:
        return no_values(f"{material.dataset}: Parzen estimates of chains")
    rows = rows.assign(distance=[_mean_distance(material.diagnostics, row) for _, row in rows.iterrows()])
    models = list(dict.fromkeys(rows["model"]))
    size = (PAGE_WIDTH, 4.0)
    figure, grid = plt.subplots(2, len(models), figsize=size, squeeze=False, sharex=True, sharey="row")
    for column, model in enumerate(models):
        for (last_step, start), line in rows[rows["model"] == model].groupby(["last_step", "chain_start"], sort=False):
            chain = "mean-only" if last_step == "mean" else "sampling"
            style = {
                "color": COLORS[0] if start == "data" else COLORS[1],
                "linestyle": "-" if chain == "sampling" else "--",
                "marker": "o",
                "markersize": 3.5,
                "label": f"{chain}, from {start}",
            }
            grid[0, column].plot(line["n_chain_steps"], line["mean_nats"], **style)
            grid[1, column].plot(line["n_chain_steps"], line["distance"], **style)
        grid[0, column].set_title(f"{material.dataset}: {model}")
        grid[1, column].set(xlabel="chain steps", xscale="log")
        steps = sorted(rows["n_chain_steps"].unique())
        grid[1, column].set_xticks(steps, [f"{n:g}" for n in steps], minor=False)
        grid[1, column].set_xticks([], minor=True)
    _controls(material, grid[0])
    grid[0, 0].set_ylabel("Parzen\n(nats per example)")
    grid[1, 0].set_ylabel("rms distance to start\n(per dimension)")
    figure.legend(*grid[0, -1].get_legend_handles_labels(), fontsize=6.5, ncols=4, loc="outside lower center")
    return figure


def _mean_distance(diagnostics: pd.DataFrame, row: pd.Series) -> float:
    same = (diagnostics["model"] == row["model"]) & (diagnostics["variant"] == row["variant"])
    return diagnostics[same & (diagnostics["diagnostic"] == "rms_distance_to_start")]["value"].mean()


def _controls(material: Material, top_row) -> None:
    """Parzen of real training examples: what a copy of the training set scores."""
    summary = material.summary
    controls = summary[(summary["kind"] == "control") & (summary["variant"] == "training examples")]
    for style, (_, control) in zip(cycle([":", "-.", "--"]), controls.iterrows(), strict=False):
        for axes in top_row:
            axes.axhline(control["mean_nats"], color="black", linewidth=1.0, linestyle=style, label=control["model"])
