"""One figure: ratios over peers on one axis, shares of the machine's limits on another; plain figures are not drawn."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, PercentFormatter

from bench.quantities import FASTER, LONGER, SHARE, SMALLER, digits
from bench.report import Row
from workflow.figures.style import COLORS, COLUMN_WIDTH, save, use_style

MARKERS = {FASTER: (COLORS[0], "o"), LONGER: (COLORS[1], "s"), SMALLER: (COLORS[3], "^"), SHARE: (COLORS[2], "D")}


def draw(path: Path, rows: list[Row]) -> None:
    """path.svg and path.png, of the ratios and shares that have a number."""
    known = [row for row in rows if row.measured.value is not None]
    *kinds, shares = ([row for row in known if row.quantity.unit == unit] for unit in MARKERS)
    ratios = [row for kind in kinds for row in kind]
    heights = [max(1, len(group)) for group in (ratios, shares)]
    use_style()
    size = (COLUMN_WIDTH, 1.1 + 0.3 * sum(heights))
    figure, (above, below) = plt.subplots(2, figsize=size, height_ratios=heights)
    draw_rows(above, ratios, start=1.0)
    above.set(xscale="log", xlabel="ratio over the peer")
    above.margins(x=0.2)
    above.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    above.xaxis.set_major_formatter("{x:g}")
    above.minorticks_off()
    if ratios:
        above.legend(loc="center right", bbox_to_anchor=(1.0, 0.34), fontsize=7, handletextpad=0.2)
    draw_rows(below, shares, start=0.0)
    below.set(xlim=(0.0, 1.2), xticks=(0.0, 0.5, 1.0), xlabel="share of the limit in FLOP/s")
    below.xaxis.set_major_formatter(PercentFormatter(1.0))
    save(figure, path)


def draw_rows(axes: Axes, rows: list[Row], *, start: float) -> None:
    """A marker and its number at each row, the first on top, and a line to it from `start`."""
    for unit, (color, marker) in MARKERS.items():
        points = [(row.measured.value, -i) for i, row in enumerate(rows) if row.quantity.unit == unit]
        for value, height in points:
            axes.hlines(height, start, value, color=color, linewidth=1.0)
            place = (max(1.0, value), height)
            axes.annotate(digits(value, unit), place, (5, 0), textcoords="offset points", va="center", fontsize=7)
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, markersize=4.5, label=unit)
    axes.axvline(1.0, color="0.3", linewidth=1.0, zorder=0)
    labels = [f"{row.quantity.what}\nover {row.quantity.peer}" for row in rows]
    axes.set_ylim(-max(1, len(rows)) + 0.4, 0.6)
    axes.set_yticks([-i for i in range(len(rows))], labels, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
