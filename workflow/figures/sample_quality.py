"""Samples of all models beside real examples, as dots: manifolds, distance, copies, and Parzen estimates."""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, PAGE_WIDTH, no_values
from workflow.grid.record import OK
from workflow.tables.identity import first_seeds, label
from workflow.tables.sample_quality import PARZEN

REAL = "real examples"
ROW_HEIGHT = 0.16  # inches
MOST_TICKS = 3  # of the logarithmic axis, which is narrow
PANELS = (  # columns of the table with their colour, and the axis below them
    ({"precision": 0, "recall": 1}, "share"),
    ({"density": 0, "coverage": 1}, "density, share"),
    ({"frechet_distance": 2}, "Fréchet distance"),
    ({"copies": 3, "spurious": 4}, "share"),
    ({PARZEN: 5}, "nats"),
)


def sample_quality(material: Material) -> Figure:
    """One row per set of samples, of a chain after its most steps from noise; controls above, then by coverage."""
    rows = _shown(material.sample_quality)
    if rows.empty:
        return no_values(f"{material.dataset}: quality of samples")
    size = (PAGE_WIDTH, 1.1 + ROW_HEIGHT * len(rows))
    figure, panels = plt.subplots(1, len(PANELS), figsize=size, sharey=True)
    for axes, (names, below) in zip(panels, PANELS, strict=True):
        for name, index in names.items():
            _dots(axes, rows, name, COLORS[index])
        axes.set_xlabel(below)
        axes.grid(axis="y", linewidth=0.3)
        axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1, borderpad=0.1)
    _log_axis(panels[2], rows["frechet_distance"])
    panels[0].set_yticks(range(len(rows)), [_name(row) for _, row in rows.iterrows()], fontsize=6)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.suptitle(
        f"{material.dataset}: {rows['n_samples'].max():,} samples beside {rows['n_real'].max():,} test examples"
    )
    return figure


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Rows without failures, the first seed of each model, and of chains the states that are furthest from a start."""
    rows = table[table["status"] == OK]
    rows = rows[rows["chain_start"] != "data"]
    rows = first_seeds(rows)
    last = rows.groupby(["model", "n_levels"], dropna=False)["n_chain_steps"].transform("max")
    rows = rows[(rows["n_chain_steps"] == last) | rows["n_chain_steps"].isna()]
    order = (1.0 - rows["coverage"]).where(rows["seed"].notna(), -1.0)  # controls first
    return rows.assign(order=order).sort_values("order", kind="stable").reset_index(drop=True)


def _log_axis(axes: Axes, values: pd.Series) -> None:
    """Few ticks at 1, 2 and 5 times powers of ten, where the values lie."""
    low, high = (math.floor(math.log10(value)) for value in (values.min(), values.max()))
    ticks = [digit * 10.0**power for power in range(low, high + 2) for digit in (1, 2, 5)]
    inner = [tick for tick in ticks if values.min() <= tick <= values.max()]
    inner = inner[:: -(-len(inner) // MOST_TICKS) or 1]
    axes.set_xscale("log")
    axes.set_xticks(inner or [values.mean()], [f"{tick:g}" for tick in inner or [values.mean()]])
    axes.set_xticks([], minor=True)


def _dots(axes: Axes, rows: pd.DataFrame, name: str, dot_color: tuple[float, float, float]) -> None:
    """A dot per row with two standard errors, and a line at what real examples have."""
    error = 2.0 * rows[f"{name}_standard_error"] if f"{name}_standard_error" in rows else None
    label_of = {"frechet_distance": "Fréchet distance", PARZEN: "Parzen"}.get(name, name)
    style = {"color": dot_color, "markersize": 3.5, "elinewidth": 0.8, "label": label_of}
    axes.errorbar(rows[name], rows.index, xerr=error, fmt="o", **style)
    for value in rows.loc[rows["model"] == REAL, name]:
        axes.axvline(value, color=dot_color, linewidth=0.7, linestyle=":")


def _name(row: pd.Series) -> str:
    variant = "" if row["variant"] in ("sample", "training examples") else row["variant"].replace("last step ", "")
    return ", ".join(filter(None, (label(row), variant)))
