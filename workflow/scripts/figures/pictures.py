"""What the models make: samples, chains from the prior, and reconstructions at every corruption level.

Data of more than two dimensions that are no images are shown by their first two coordinates.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.figures.material import PAGE_WIDTH, Material, show

N_PANEL_COLUMNS = 6
N_CHAINS = 3
N_RECONSTRUCTED = 3
SAMPLES_SIDE = 8
N_SMALL_POINTS = 400  # more would fill a small panel
MAX_PANEL_WIDTH = 0.9  # inches


def samples(material: Material) -> Figure:
    """Samples of every model beside real test examples; for a chain, its longest run from noise."""
    panels = [("test data", material.test[: SAMPLES_SIDE**2] if material.is_images else material.test[:2_000])]
    for model, arrays in material.pictures.items():
        names = [name.removeprefix("samples/") for name in arrays if name.startswith("samples/")]
        panels += [(f"{model}\n{textwrap.fill(name, 20)}", arrays[f"samples/{name}"]) for name in _shown(names)]
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


def _shown(variants: list[str]) -> list[str]:
    """All variants of a direct sampler; of a chain, the states after its most steps from noise."""
    chains = [v for v in variants if "from noise" in v]
    if not chains:
        return variants
    most = max(int(v.split()[-2]) for v in chains)
    return [v for v in chains if int(v.split()[-2]) == most]


def _cascades(material: Material) -> dict[str, dict[str, np.ndarray]]:
    return {model: arrays for model, arrays in material.pictures.items() if "path" in arrays}


def _grid(n_rows: int, n_columns: int) -> tuple[Figure, np.ndarray]:
    """Square empty panels, as wide as the page allows and at most MAX_PANEL_WIDTH, with room for titles."""
    width = min(PAGE_WIDTH / (n_columns + 0.5), MAX_PANEL_WIDTH)
    size = ((n_columns + 0.5) * width, n_rows * 1.12 * width + 0.5)
    figure, grid = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def _row_title(axes: Axes, text: str, *, makes_room: bool) -> None:
    title = axes.text(-0.15, 0.5, text, transform=axes.transAxes, ha="right", va="center", fontsize=6)
    title.set_in_layout(makes_room)


def chain_from_prior(material: Material) -> Figure:
    """Ancestral sampling level by level: the prior on the left, data on the right, every cascade ending together."""
    cascades = _cascades(material)
    n_chains = N_CHAINS if material.is_images else 1
    n_columns = max(len(arrays["path"]) for arrays in cascades.values()) + 2  # two for the names of the models
    figure, grid = _grid(len(cascades) * n_chains, n_columns)
    for i, (model, arrays) in enumerate(cascades.items()):
        path, rows = arrays["path"], grid[i * n_chains : (i + 1) * n_chains, n_columns - len(arrays["path"]) :]
        for chain, state in np.ndindex(rows.shape):
            values = path[state, chain : chain + 1] if material.is_images else path[state, :N_SMALL_POINTS]
            show(rows[chain, state], values, material, 1)
        for state, axes in enumerate(rows[0]):
            level = len(path) - 1 - state
            axes.set_title(f"$x_{{{level}}}$" if level else "$r(x_1)$", fontsize=6)
        _row_title(rows[n_chains // 2, 0], model, makes_room=False)
    figure.suptitle(f"{material.dataset}: from the prior (left) to the mean of the last step (right)")
    return figure


def reconstructions(material: Material) -> Figure:
    """Corrupted test examples and what the denoiser makes of them, at every level of the deepest cascade."""
    model, arrays = max(_cascades(material).items(), key=lambda item: len(item[1]["noisy"]))
    n_levels, n_shown = len(arrays["noisy"]), N_RECONSTRUCTED if material.is_images else 1
    figure, grid = _grid(2 * n_shown, n_levels + 1)
    for i in range(n_shown):
        chosen = slice(i, i + 1) if material.is_images else slice(N_SMALL_POINTS)
        show(grid[2 * i, 0], arrays["clean"][chosen], material, 1)
        for level in range(n_levels):
            show(grid[2 * i, level + 1], arrays["noisy"][level, chosen], material, 1)
            show(grid[2 * i + 1, level + 1], arrays["reconstructed"][level, chosen], material, 1)
        _row_title(grid[2 * i, 1], "$x_i$", makes_room=True)
        _row_title(grid[2 * i + 1, 1], "$r(x_i)$", makes_room=True)
    grid[0, 0].set_title("$x_0$", fontsize=6)
    for level in range(n_levels):
        grid[0, level + 1].set_title(f"$i$ = {level + 1}", fontsize=6)
    figure.suptitle(f"{material.dataset}, {model}: test examples corrupted and denoised at every level")
    return figure
