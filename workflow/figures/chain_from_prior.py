"""Ancestral sampling of every cascade, level by level, from the prior to the mean of the last step."""

import numpy as np
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.panels import N_SMALL_POINTS, cascades, empty_panels, row_title, show
from workflow.figures.style import no_values

MOST_STATES = 5  # columns; of longer chains some states are left out
SIDE = 2  # chains of images stand in squares of so many by so many


def chain_from_prior(material: Material) -> Figure:
    """Every cascade begins in the first column and ends in the last one, its states at even distances between."""
    title = f"{material.dataset}:\nfrom the prior (left) to the mean of the last step (right)"
    models = cascades(material)
    if not models:
        return no_values(title)
    n_columns = min(MOST_STATES, max(len(arrays["path"]) for arrays in models.values()))
    figure, grid = empty_panels(len(models), n_columns, names=True)
    for row, (model, arrays) in zip(grid, models.items(), strict=True):
        path = arrays["path"]
        for column, state in zip(*aligned(len(path), n_columns), strict=True):
            level = len(path) - 1 - state
            show(row[column], path[state, : SIDE**2 if material.is_images else N_SMALL_POINTS], material, SIDE)
            row[column].set_title(f"$x_{{{level}}}$" if level else "$r(x_1)$", fontsize=6, pad=2)
        row_title(row[0], model, makes_room=True)
    figure.suptitle(title)
    return figure


def aligned(n_states: int, n_columns: int) -> tuple[list[int], list[int]]:
    """Columns and the states in them: both begin at 0 and end together, with even steps and each at most once."""
    n = min(n_states, n_columns)
    columns, states = (np.linspace(0, last - 1, n).round().astype(int) for last in (n_columns, n_states))
    return columns.tolist(), states.tolist()
