"""What figures are drawn from: the tables, the pictures kept by each cell, and the style they share."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMN_WIDTH, PAGE_WIDTH = 3.4, 7.0  # inches, of a two-column page
TABLES = ("summary", "bound_terms", "diagnostics", "levels", "training_curve", "certificates")
COLORS = sns.color_palette("colorblind")


@dataclass(frozen=True)
class Material:
    """One data set's share of the tables, and its pictures by model (in the order of the grid).

    Attributes:
        pictures: model -> array name -> array, as `evaluate` kept them.
        test: real examples (n, dim); image_shape: () where they are no images.
    """

    dataset: str
    summary: pd.DataFrame
    terms: pd.DataFrame
    diagnostics: pd.DataFrame
    levels: pd.DataFrame
    curve: pd.DataFrame
    certificates: pd.DataFrame
    pictures: dict[str, dict[str, np.ndarray]]
    test: np.ndarray
    image_shape: tuple[int, ...]

    @property
    def is_images(self) -> bool:
        return bool(self.image_shape)


def load(dataset: str, tables: Path, data: Path, picture_files: list[Path]) -> Material:
    frames = [pd.read_csv(tables / f"{name}.csv") for name in TABLES]
    chosen = [frame[frame["dataset"] == dataset] for frame in frames]
    with np.load(data, allow_pickle=False) as file:
        test, image_shape = file["test_continuous"], tuple(file["image_shape"].tolist())
    pictures = {}
    for path in picture_files:
        with np.load(path, allow_pickle=False) as file:
            pictures[path.parent.name] = dict(file)
    return Material(dataset, *chosen, pictures, test, image_shape)


def use_style() -> None:
    """Sizes readable at column width, and the same bytes for the same numbers."""
    sns.set_theme(style="ticks", palette="colorblind", context="paper", font_scale=0.85)
    mpl.rcParams |= {"svg.hashsalt": "cdae", "savefig.dpi": 200, "figure.constrained_layout.use": True}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    mpl.rcParams |= {"figure.titlesize": 8, "axes.titlesize": 8}


def save(figure: Figure, path: Path) -> None:
    """Write path.svg and path.png, each whole or not at all."""
    from cdae.computing.files import written_whole

    for suffix, metadata in [("svg", {"Date": None}), ("png", {"Software": None})]:
        with written_whole(path.with_suffix(f".{suffix}")) as partial:
            figure.savefig(partial, format=suffix, metadata=metadata)
    plt.close(figure)


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


def show_images(axes: Axes, images: np.ndarray, image_shape: tuple[int, ...], n_columns: int) -> None:
    axes.imshow(tile(images, image_shape, n_columns), cmap="gray_r", vmin=0.0, vmax=1.0, interpolation="nearest")
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
        show_images(axes, values, material.image_shape, n_columns)
    else:
        show_points(axes, values, point_limits(material.test))
