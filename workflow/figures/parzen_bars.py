"""Parzen estimates of all models as bars, beside what real images and their centres score."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, no_values
from workflow.tables.identity import label
from workflow.tables.summary import main_rows

BAR_HEIGHT = 0.15  # inches


def parzen_bars(material: Material) -> Figure:
    """One bar per set of samples: means in one colour, samples in another, controls in grey."""
    title = f"{material.dataset}: Parzen estimates"
    rows = material.summary[(material.summary["estimator"] == "parzen") & (material.summary["n_seeds"] > 0)]
    rows = main_rows(rows).iloc[::-1]
    if rows.empty:
        return no_values(title)
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 0.8 + BAR_HEIGHT * len(rows)))
    for y, (_, row) in enumerate(rows.iterrows()):
        error = 2.0 * row["standard_error_nats"]
        axes.barh(y, row["mean_nats"], xerr=error, color=_color(row), height=0.75, error_kw={"linewidth": 0.8})
    axes.set_yticks(range(len(rows)), [_name(row) for _, row in rows.iterrows()], fontsize=5.5)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_xlabel("Parzen (nats per example)")
    figure.suptitle(title)
    return figure


def _name(row) -> str:
    variant = row["variant"].replace("last step ", "").replace("training examples", "")
    return f"{label(row)}{', ' if variant else ''}{variant}"


def _color(row) -> object:
    if row["kind"] == "control":
        return "0.6"
    return COLORS[0] if row["last_step"] == "mean" else COLORS[1]
