"""What figures share: sizes, colours, and how they are written."""

from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from cdae.computing.files import written_whole

COLUMN_WIDTH, PAGE_WIDTH, PAGE_HEIGHT = 3.4, 7.0, 9.0  # inches, of a two-column page
LINE = 50  # letters of a title that fit in a column
COLORS = sns.color_palette("colorblind")
GREY = (0.35, 0.35, 0.35)
OF_THE_DATA = {"color": "black", "linewidth": 1.0, "linestyle": "--", "label": "exact (the data's own)"}


def color(index: int | None) -> tuple[float, float, float]:
    """A colour of the palette by the number that an estimator's mark gives it; None is grey."""
    return GREY if index is None else COLORS[index]


def use_style() -> None:
    """Sizes readable at column width, no display, and the same bytes for the same numbers."""
    mpl.use("agg")
    sns.set_theme(style="ticks", palette="colorblind", context="paper", font_scale=0.85)
    mpl.rcParams |= {"svg.hashsalt": "cdae", "savefig.dpi": 200, "figure.constrained_layout.use": True}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    mpl.rcParams |= {"figure.titlesize": 8, "axes.titlesize": 8}


def no_values(title: str) -> Figure:
    """A figure that says that there is nothing to draw: no model has such rows, or all of them failed."""
    figure = plt.figure(figsize=(COLUMN_WIDTH, 0.8))
    figure.suptitle(fill(title, LINE))
    figure.text(0.5, 0.35, "no values", ha="center", va="center", fontsize=7)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write path.svg and path.png, each whole or not at all."""
    for suffix, metadata in [("svg", {"Date": None}), ("png", {"Software": None})]:
        with written_whole(path.with_suffix(f".{suffix}")) as partial:
            figure.savefig(partial, format=suffix, metadata=metadata)
    plt.close(figure)
