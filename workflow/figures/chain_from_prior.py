"""Ancestral sampling of every cascade, level by level, from the prior to the mean of the last step."""

import numpy as np
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.panels import N_SMALL_POINTS, cascades, empty_panels, row_title, show
from workflow.figures.style import no_values

N_CHAINS = 3


def chain_from_prior(material: Material) -> Figure:
    """Ancestral sampling level by level: the prior on the left, data on the right, every cascade ending together."""
    title = f"{material.dataset}: from the prior (left) to the mean of the last step (right)"
    models = cascades(material)
    if not models:
        return no_values(title)
    n_chains = N_CHAINS if material.is_images else 1
    n_columns = max(len(arrays["path"]) for arrays in models.values()) + 2  # two for the names of the models
    figure, grid = empty_panels(len(models) * n_chains, n_columns)
    for i, (model, arrays) in enumerate(models.items()):
        path, rows = arrays["path"], grid[i * n_chains : (i + 1) * n_chains, n_columns - len(arrays["path"]) :]
        for chain, state in np.ndindex(rows.shape):
            values = path[state, chain : chain + 1] if material.is_images else path[state, :N_SMALL_POINTS]
            show(rows[chain, state], values, material, 1)
        for state, axes in enumerate(rows[0]):
            level = len(path) - 1 - state
            axes.set_title(f"$x_{{{level}}}$" if level else "$r(x_1)$", fontsize=6)
        row_title(rows[n_chains // 2, 0], model, makes_room=False)
    figure.suptitle(title)
    return figure
