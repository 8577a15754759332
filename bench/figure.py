"""One figure: how much of each goal is reached, on one axis whichever way is better."""

from pathlib import Path

import matplotlib.pyplot as plt

from bench.goals import written
from bench.report import Row
from workflow.figures.style import COLORS, COLUMN_WIDTH, save, use_style

LARGEST = 4.0  # times `reach`; anything further is drawn here, with its number beside it
SMALLEST = 0.1


def draw(path: Path, rows: list[Row]) -> None:
    """path.svg and path.png, of the rows that have a number."""
    shown = [row for row in rows if row.measured.value is not None]
    use_style()
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 0.9 + 0.27 * max(1, len(shown))))
    for height, row in enumerate(reversed(shown)):
        draw_row(axes, height, row)
    axes.axvline(1.0, color="0.3", linewidth=1.0, zorder=0)
    axes.set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1.0, 2.0, 4.0]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=(SMALLEST * 0.9, LARGEST * 2.6), ylim=(-0.7, len(shown) - 0.3))
    axes.set_yticks(range(len(shown)), [label(row) for row in reversed(shown)])
    axes.tick_params(axis="y", length=0)
    figure.supxlabel("share of the goal reached; line: reach, bar: stretch", fontsize=7)
    save(figure, path)


def draw_row(axes: plt.Axes, height: int, row: Row) -> None:
    """A dot, filled where the goal is reached, a bar at stretch, and the number beside them."""
    goal, value = row.goal, row.measured.value
    x = min(max(goal.fraction(value, goal.reach), SMALLEST), LARGEST)
    reached = goal.fraction(value, goal.reach) >= 1.0
    color = COLORS[0] if reached else COLORS[3]
    axes.hlines(height, min(x, 1.0), max(x, 1.0), color=color, linewidth=1.0)
    stretch = goal.fraction(goal.stretch or goal.reach, goal.reach)
    axes.plot(stretch, height, "|", color="0.3", markersize=8, zorder=1)
    axes.plot(x, height, "o", color=color, markerfacecolor=color if reached else "white", markersize=4.5, zorder=2)
    axes.annotate(
        written(value, goal.unit),
        (max(x, stretch), height),
        (5, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
    )


def label(row: Row) -> str:
    peer = {"parzen-sklearn": "Parzen over scikit-learn", "parzen-logsumexp": "Parzen over logsumexp"}
    return peer.get(row.name, row.goal.what)
