"""Examples as pictures: images in tiles, and other data as points."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.figures.material import Material
from workflow.figures.style import COLORS, COLUMN_WIDTH, PAGE_HEIGHT, PAGE_WIDTH

MAX_PANEL_WIDTH = 0.9  # inches
N_SMALL_POINTS = 400  # more would fill a small panel


def tile(images: np.ndarray, image_shape: tuple[int, ...], n_columns: int) -> np.ndarray:
    """Images (n, dim) as one array, row by row, with a light line between them."""
    height, width = image_shape[:2]
    color = image_shape[2:]
    n_rows = -(-len(images) // n_columns)
    canvas = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1, *color), 0.5)
    for i, image in enumerate(images):
        row, column = divmod(i, n_columns)
        top, left = row * (height + 1), column * (width + 1)
        canvas[top : top + height, left : left + width] = image.reshape(height, width, *color)
    return canvas.clip(0.0, 1.0)


def show_images(axes: Axes, images: np.ndarray, image_shape: tuple[int, ...], n_columns: int, color_map: str) -> None:
    axes.imshow(tile(images, image_shape, n_columns), cmap=color_map, vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_axis_off()


def show_points(axes: Axes, points: np.ndarray, limits: np.ndarray) -> None:
    """The first two coordinates over fixed limits (2, 2), rows are axes; one alone as a histogram."""
    if points.shape[1] == 1:
        axes.hist(points[:, 0], bins=np.linspace(*limits[0], 60), histtype="stepfilled", linewidth=0, color=COLORS[0])
        axes.set(xlim=limits[0], xticks=[], yticks=[])
    else:
        axes.scatter(points[:, 0], points[:, 1], s=0.6, linewidths=0, color=COLORS[0], rasterized=True)
        axes.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[], aspect="equal")
    axes.set_axis_on()
    axes.spines[:].set(visible=True, color="0.8", linewidth=0.5)


def point_limits(test: np.ndarray, margin: float = 0.25) -> np.ndarray:
    """Limits that hold the first two coordinates of the data with a margin on either side."""
    low, high = test[:, :2].min(0), test[:, :2].max(0)
    return np.stack([low - margin * (high - low), high + margin * (high - low)], axis=1)


def show(axes: Axes, values: np.ndarray, material: Material, n_columns: int) -> None:
    """Examples as images or, where they are none, as points."""
    if material.is_images:
        show_images(axes, values, material.image_shape, n_columns, material.color_map)
    else:
        show_points(axes, values, point_limits(material.test))


def cascades(material: Material) -> dict[str, dict[str, np.ndarray]]:
    """The pictures of the models that have corruption levels."""
    return {model: arrays for model, arrays in material.pictures.items() if "path" in arrays}


def empty_panels(n_rows: int, n_columns: int, *, names: bool = False) -> tuple[Figure, np.ndarray]:
    """Square empty panels over the width of a column or of a page, smaller where they would be taller than one.

    Args:
        names: whether room is left for the names of rows.
    """
    room = n_columns + (1.2 if names else 0.5)
    total = COLUMN_WIDTH if room * MAX_PANEL_WIDTH <= 1.5 * COLUMN_WIDTH else PAGE_WIDTH
    height = min(n_rows * 1.2 * min(total / room, MAX_PANEL_WIDTH) + 0.4, PAGE_HEIGHT)
    figure, grid = plt.subplots(n_rows, n_columns, figsize=(total, height), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def row_title(axes: Axes, text: str, *, makes_room: bool) -> None:
    """Write a title to the left of a row of panels."""
    title = axes.text(-0.15, 0.5, text, transform=axes.transAxes, ha="right", va="center", fontsize=6)
    title.set_in_layout(makes_room)
