"""Samples of every model beside real test examples.

Data of more than two dimensions that are no images are shown by their first two coordinates.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.panels import show
from workflow.figures.style import PAGE_HEIGHT, PAGE_WIDTH, no_values
from workflow.tables.summary import main_rows

PANEL_COLUMNS = (6, 8, 10, 12)  # the first with which the sheet is no taller than a page
SAMPLES_SIDE = 8
DATA = "training examples"  # samples of a control that are data, as the first panel is
Panel = tuple[str, np.ndarray]


def samples(material: Material) -> Figure:
    """Real test examples, then every model with both its last steps side by side; of a chain its longest from noise."""
    groups = _groups(material)
    if not groups:
        return no_values(f"{material.dataset}: samples")
    real = material.test[: SAMPLES_SIDE**2] if material.is_images else material.test[:2_000]
    rows = _fitting([[("test data", real)], *groups])
    n_columns = max(len(row) for row in rows)
    height = min(PAGE_HEIGHT, len(rows) * _row_height(n_columns))
    figure, grid = plt.subplots(len(rows), n_columns, figsize=(PAGE_WIDTH, height), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    size = _title_size([title for row in rows for title, _ in row], n_columns)
    for i, row in enumerate(rows):
        for axes, (title, values) in zip(grid[i], row, strict=False):
            show(axes, values, material, SAMPLES_SIDE)
            axes.set_title(title, fontsize=size, pad=2)
    figure.suptitle(f"{material.dataset}: samples")
    return figure


def _groups(material: Material) -> list[list[Panel]]:
    """The panels of every model, its mean before its draw; models with two of them first."""
    hidden = _variants(material.summary) - _variants(main_rows(material.summary))
    groups = []
    for model, arrays in material.pictures.items():
        names = [name.removeprefix("samples/") for name in arrays if name.startswith("samples/")]
        shown = [name for name in names if (model, name) not in hidden and name != DATA]
        shown.sort(key=lambda name: "mean" not in name)
        groups.append([(f"{model}\n{_short(name)}", arrays[f"samples/{name}"]) for name in shown])
    return sorted(filter(None, groups), key=len, reverse=True)  # stable


def _fitting(groups: list[list[Panel]]) -> list[list[Panel]]:
    """Rows of panels, no group broken over two rows, in the fewest columns with which they fit a page."""
    for n_columns in PANEL_COLUMNS:
        rows = _filled(groups, n_columns)
        if len(rows) * _row_height(n_columns) <= PAGE_HEIGHT:
            break
    return rows


def _filled(groups: list[list[Panel]], n_columns: int) -> list[list[Panel]]:
    rows: list[list[Panel]] = [[]]
    for group in groups:
        if len(rows[-1]) + len(group) > n_columns and rows[-1]:
            rows.append([])
        rows[-1] += group
    return rows


def _row_height(n_columns: int) -> float:
    """Inches of a square panel with two lines above it."""
    return PAGE_WIDTH / n_columns + 0.28


def _short(variant: str) -> str:
    """Which last step it is, and how long the chain is."""
    for long, short in (("last step ", ""), ("mean-only", "mean"), ("sampling", "sample"), (" from noise", "")):
        variant = variant.replace(long, short)
    return variant


def _variants(summary: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(summary["model"], summary["variant"], strict=True))


def _title_size(titles: list[str], n_columns: int) -> float:
    """Points, at most 6, with which no title is wider than its panel; a letter is about 0.6 of its size wide."""
    longest = max(len(line) for title in titles for line in title.splitlines())
    return min(6.0, 72.0 * PAGE_WIDTH / n_columns / (0.6 * longest))
