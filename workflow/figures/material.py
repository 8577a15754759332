"""What the figures of one data set are drawn from: its share of the tables, and the pictures kept by each cell."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cdae.computing.arrays import read_npz
from workflow.tables.estimators import Mark
from workflow.tables.identity import read_csv

TABLES = (
    "summary",
    "bound_terms",
    "diagnostics",
    "levels",
    "snapshots",
    "certificates",
    "predicted_bounds",
    "sample_quality",
    "mixing",
    "representation",
    "denoising",
    "ranked_values",
    "ranking",
)


@dataclass(frozen=True)
class Material:
    """One data set's share of the tables, by their names, and its pictures by model, in the order of the grid.

    Attributes:
        pictures: model -> array name -> array, as evaluation kept them.
        test: real examples (n, dim); image_shape: () where they are no images.
        marks: of users' own estimators that have one, by name.
    """

    dataset: str
    summary: pd.DataFrame
    bound_terms: pd.DataFrame
    diagnostics: pd.DataFrame
    levels: pd.DataFrame
    snapshots: pd.DataFrame
    certificates: pd.DataFrame
    predicted_bounds: pd.DataFrame
    sample_quality: pd.DataFrame
    mixing: pd.DataFrame
    representation: pd.DataFrame
    denoising: pd.DataFrame
    ranked_values: pd.DataFrame
    ranking: pd.DataFrame
    pictures: dict[str, dict[str, np.ndarray]]
    test: np.ndarray
    image_shape: tuple[int, ...]
    marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def is_images(self) -> bool:
        return bool(self.image_shape)

    @cached_property
    def exact_nats(self) -> float | None:
        """The mean exact log-likelihood of the test points under the distribution they come from, where it is known."""
        known = self.summary.loc[self.summary["estimator"] == "lower_bound", "exact_nats"].dropna()
        return None if known.empty else float(known.iloc[0])

    @cached_property
    def color_map(self) -> str:
        """Of grey images: strokes on a dark ground are shown as ink on paper, and bright images as they are."""
        return "gray" if np.median(self.test) > 0.5 else "gray_r"


def load(
    dataset: str, tables: Path, data: Path, picture_files: list[Path], marks: dict[str, Mark] | None = None
) -> Material:
    """The material of one data set, from finished tables and the files of its cells."""
    frames = {name: read_csv(tables / f"{name}.csv") for name in TABLES}
    shares = {name: frame[frame["dataset"] == dataset] for name, frame in frames.items()}
    arrays = read_npz(data, "test_continuous", "image_shape")
    test, image_shape = arrays["test_continuous"], tuple(arrays["image_shape"].tolist())
    pictures = {path.parent.name: read_npz(path) for path in picture_files}
    return Material(dataset, **shares, pictures=pictures, test=test, image_shape=image_shape, marks=marks or {})
