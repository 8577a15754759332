"""Samples of every model beside real test examples.

Data of more than two dimensions that are no images are shown by their first two coordinates.
"""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.panels import show
from workflow.figures.style import PAGE_WIDTH, no_values
from workflow.tables.summary import main_rows

N_PANEL_COLUMNS = 6
SAMPLES_SIDE = 8


def samples(material: Material) -> Figure:
    """Samples of every model beside real test examples; for a chain, its longest run from noise."""
    panels = [("test data", material.test[: SAMPLES_SIDE**2] if material.is_images else material.test[:2_000])]
    hidden = _variants(material.summary) - _variants(main_rows(material.summary))
    for model, arrays in material.pictures.items():
        names = [name.removeprefix("samples/") for name in arrays if name.startswith("samples/")]
        shown = [name for name in names if (model, name) not in hidden]
        panels += [(f"{model}\n{textwrap.fill(name, 20)}", arrays[f"samples/{name}"]) for name in shown]
    if len(panels) == 1:
        return no_values(f"{material.dataset}: samples")
    n_rows = -(-len(panels) // N_PANEL_COLUMNS)
    size = (PAGE_WIDTH, 1.42 * n_rows)
    figure, grid = plt.subplots(n_rows, N_PANEL_COLUMNS, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, values) in zip(grid.flat, panels, strict=False):
        show(axes, values, material, SAMPLES_SIDE)
        axes.set_title(title, fontsize=5.5)
    figure.suptitle(f"{material.dataset}: samples")
    return figure


def _variants(summary: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(summary["model"], summary["variant"], strict=True))
