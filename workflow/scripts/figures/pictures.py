"""What the models make: samples, chains from the prior, and reconstructions at every corruption level.

Data of more than two dimensions that are no images are shown by their first two coordinates.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from workflow.scripts.figures.material import PAGE_WIDTH, Material, show

N_PANEL_COLUMNS = 6
N_CHAINS = 3
N_RECONSTRUCTED = 3
SAMPLES_SIDE = 8


def samples(material: Material) -> Figure:
    """Samples of every model beside real test examples; for a chain, its longest run from noise."""
    panels = [("test data", material.test[: SAMPLES_SIDE**2] if material.is_images else material.test[:2_000])]
    for model, arrays in material.pictures.items():
        names = [name.removeprefix("samples/") for name in arrays if name.startswith("samples/")]
        panels += [(f"{model}\n{name}", arrays[f"samples/{name}"]) for name in _shown(names)]
    n_rows = -(-len(panels) // N_PANEL_COLUMNS)
    size = (PAGE_WIDTH, 1.42 * n_rows)
    figure, grid = plt.subplots(n_rows, N_PANEL_COLUMNS, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, values) in zip(grid.flat, panels, strict=False):
        axes.set_axis_on()
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


def chain_from_prior(material: Material) -> Figure:
    """Ancestral sampling level by level: the prior on the left, data on the right, every cascade ending together."""
    cascades = _cascades(material)
    n_states = max(len(arrays["path"]) for arrays in cascades.values())
    n_rows = len(cascades) * (N_CHAINS if material.is_images else 1)
    width = PAGE_WIDTH / (n_states + 2)
    figure, grid = plt.subplots(n_rows, n_states, figsize=(PAGE_WIDTH, 1.1 * width * n_rows + 0.5), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    row = 0
    for model, arrays in cascades.items():
        path = arrays["path"]
        first = n_states - len(path)
        for chain in range(N_CHAINS if material.is_images else 1):
            for state in range(len(path)):
                axes = grid[row, first + state]
                values = path[state, chain : chain + 1] if material.is_images else path[state]
                show(axes, values, material, 1)
            if chain == 0:
                grid[row, first].set_title(model, fontsize=5.5, loc="right")
            row += 1
    for state in range(n_states):
        name = "mean" if state == n_states - 1 else f"$x_{{{n_states - 1 - state}}}$"
        grid[0, state].text(0.5, 1.75, name, transform=grid[0, state].transAxes, ha="center", fontsize=6)
    figure.suptitle(f"{material.dataset}: from the prior (left) to the mean of the last step (right)", y=1.06)
    return figure


def reconstructions(material: Material) -> Figure:
    """Corrupted test examples and what the denoiser makes of them, at every level of the deepest cascade."""
    cascades = _cascades(material)
    model, arrays = max(cascades.items(), key=lambda item: len(item[1]["noisy"]))
    n_levels, n_shown = len(arrays["noisy"]), N_RECONSTRUCTED if material.is_images else 1
    width = PAGE_WIDTH / (n_levels + 1)
    size = (PAGE_WIDTH, 2.15 * width * n_shown + 0.6)
    figure, grid = plt.subplots(2 * n_shown, n_levels + 1, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for i in range(n_shown):
        chosen = slice(i, i + 1) if material.is_images else slice(None)
        show(grid[2 * i, 0], arrays["clean"][chosen], material, 1)
        for level in range(n_levels):
            show(grid[2 * i, level + 1], arrays["noisy"][level, chosen], material, 1)
            show(grid[2 * i + 1, level + 1], arrays["reconstructed"][level, chosen], material, 1)
    grid[0, 0].set_title("clean", fontsize=6)
    for level in range(n_levels):
        grid[0, level + 1].set_title(f"$i$ = {level + 1}", fontsize=6)
    figure.suptitle(f"{material.dataset}, {model}: corrupted test examples (upper) and $r(x_i)$ (lower) at every level")
    return figure
