"""Test examples corrupted at levels of the deepest cascade, and what its denoiser makes of them."""

import numpy as np
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.panels import N_SMALL_POINTS, cascades, empty_panels, row_title, show
from workflow.figures.style import no_values

N_RECONSTRUCTED = 3
MOST_LEVELS = 16  # that are shown; of more, every so many, with the first and the last


def reconstructions(material: Material) -> Figure:
    """Corrupted test examples and what the denoiser makes of them, at levels of the deepest cascade."""
    models = cascades(material)
    if not models:
        return no_values(f"{material.dataset}: test examples corrupted and denoised at every level")
    model, arrays = max(models.items(), key=lambda item: len(item[1]["noisy"]))
    n_levels, n_shown = len(arrays["noisy"]), N_RECONSTRUCTED if material.is_images else 1
    levels = np.linspace(0, n_levels - 1, min(n_levels, MOST_LEVELS)).round().astype(int)
    figure, grid = empty_panels(2 * n_shown, len(levels) + 1)
    for i in range(n_shown):
        chosen = slice(i, i + 1) if material.is_images else slice(N_SMALL_POINTS)
        show(grid[2 * i, 0], arrays["clean"][chosen], material, 1)
        for column, level in enumerate(levels, 1):
            show(grid[2 * i, column], arrays["noisy"][level, chosen], material, 1)
            show(grid[2 * i + 1, column], arrays["reconstructed"][level, chosen], material, 1)
        row_title(grid[2 * i, 1], "$x_i$", makes_room=True)
        row_title(grid[2 * i + 1, 1], "$r(x_i)$", makes_room=True)
    grid[0, 0].set_title("$x_0$", fontsize=6)
    for column, level in enumerate(levels, 1):
        grid[0, column].set_title(f"$i$ = {level + 1}", fontsize=6)
    which = "every level" if len(levels) == n_levels else f"{len(levels)} of {n_levels} levels"
    figure.suptitle(f"{material.dataset}, {model}:\ntest examples corrupted and denoised at {which}")
    return figure
