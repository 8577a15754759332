"""Data sets: what a loader returns, dequantization, the one file a data set is stored in, and what models may see.

Discrete images with levels y in 0 .. L-1 are uniformly dequantized, x = (y + u) / L with u ~ U[0, 1): without it a
continuous density of discrete data is unbounded and means nothing. Every test image has one fixed u, shared by all
models and draws; training draws a fresh one every epoch. The test split is read by `EvaluationSet` alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.computing.arrays import read_npz, write_npz
from cdae.computing.seeds import seed_from

SPLITS = ("train", "validation", "test")
COVARIANCE_ROWS = 5_000  # examples in double precision at a time
SMALLEST_SHARE = 1e-6  # of the pooled variance, that the variance of a pixel without levels is taken to have at least


@dataclass(frozen=True)
class RawData:
    """What a loader returns: three splits, flattened to (n, dim), of uint8 levels or of real values.

    Attributes:
        n_intensity_levels: L for levels 0 .. L-1; None for real-valued data.
        unit_interval: whether the data live in [0, 1].
        image_shape: (height, width) or (height, width, channels); None where examples are not images.
        log_density: the exact log density of the data in nats, on float64 arrays (n, dim); None where unknown.
        labels: the classes of the examples of every split, three arrays (n,) of whole numbers from 0; None where there
            are none. They are stored beside the examples, and no model sees them.
        binarized: whether training values are probabilities of black and white pixels (`datasets.binarized`).
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    n_intensity_levels: int | None
    unit_interval: bool
    image_shape: tuple[int, ...] | None = None
    log_density: Callable[[np.ndarray], np.ndarray] | None = None
    labels: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    binarized: bool = False

    def labels_by_split(self) -> dict[str, np.ndarray]:
        """Return the labels by the names of the splits; nothing where there are none."""
        return {} if self.labels is None else dict(zip(SPLITS, self.labels, strict=True))

    def check(self, name: str) -> None:
        """Raise ValueError, naming the data set, if a split is empty, misshapen, not finite or out of range.

        So it does if labels are not one whole number from 0 per example.
        """
        for split in SPLITS:
            values = getattr(self, split)
            if values.ndim != 2 or len(values) == 0 or values.shape[1] != self.train.shape[1]:
                raise ValueError(
                    f"{name}: {split} has shape {values.shape}, expected (n, {self.train.shape[1]}), n > 0"
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{name}: {split} has values that are not finite; remove or repair them")
            low, high = values.min(), values.max()
            top = self.n_intensity_levels - 1 if self.n_intensity_levels else 1
            if (self.n_intensity_levels or self.unit_interval) and not (low >= 0 and high <= top):
                raise ValueError(f"{name}: {split} has values in [{low}, {high}], expected [0, {top}]")
        for split, labels in self.labels_by_split().items():
            expected = (len(getattr(self, split)),)
            if labels.shape != expected or labels.dtype.kind not in "ui" or labels.min() < 0:
                raise ValueError(
                    f"{name}: {split} has labels of {labels.dtype} {labels.shape}, expected whole numbers from 0 in "
                    f"the shape {expected}; correct or remove them"
                )


def dequantize(levels: np.ndarray, n_intensity_levels: int, *, rng: np.random.Generator) -> np.ndarray:
    """(y + u) / L as float32, u ~ U[0, 1)."""
    return ((levels + rng.random(levels.shape)) / n_intensity_levels).astype(np.float32)


def prepare(raw: RawData, name: str, path: str | Path) -> None:
    """Check `raw`, fix the dequantization of its test split by the data set's name, and write all to one npz file."""
    raw.check(name)
    arrays = {split: getattr(raw, split) for split in SPLITS}
    test = arrays["test"].astype(np.float32)
    if raw.n_intensity_levels:
        rng = np.random.default_rng(seed_from(name, "test dequantization"))
        test = dequantize(arrays["test"], raw.n_intensity_levels, rng=rng)
    if raw.log_density:
        arrays["test_log_density"] = raw.log_density(test.astype(np.float64))
    arrays["test_continuous"] = test
    arrays["n_intensity_levels"] = np.array(raw.n_intensity_levels or 0)
    arrays["unit_interval"] = np.array(raw.unit_interval)
    arrays["binarized"] = np.array(raw.binarized)
    arrays["image_shape"] = np.array(raw.image_shape or (), dtype=np.int64)
    for split, labels in raw.labels_by_split().items():
        arrays[f"{split}_labels"] = labels.astype(np.int64)
    write_npz(path, arrays)


@dataclass(frozen=True)
class DataSummary:
    """Moments of a training set: mean and std per pixel (dim,), the std pooled over pixels about their own means.

    `variance_floor` is the least variance that a model may give a pixel: that of the dequantization noise,
    (1/L)^2 / 12, or for data without levels a tiny share of the pooled variance.
    """

    mean: Float[Tensor, "dim"]
    std: Float[Tensor, "dim"]
    pooled_std: float
    unit_interval: bool
    variance_floor: float


@dataclass(frozen=True)
class TrainingSet:
    """Training examples (n, dim): real values, or uint8 levels that are dequantized afresh at every draw.

    `image_shape` and `binarized` are as of `RawData`; `image_shape` is None where examples are not images.
    """

    values: Tensor
    n_intensity_levels: int | None = None
    unit_interval: bool = False
    image_shape: tuple[int, ...] | None = None
    binarized: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> "TrainingSet":
        """The same examples on a device."""
        return replace(self, values=self.values.to(device))

    def draw(self, *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
        """All examples as float32, dequantized if they are levels."""
        if self.n_intensity_levels is None:
            return self.values.float()
        uniform = torch.rand(self.values.shape, generator=generator, device=self.values.device)
        return uniform.add_(self.values).div_(self.n_intensity_levels)

    def pixels(self) -> Float[Tensor, "n dim"]:
        """All examples as float32 without dequantization: levels divided by L - 1."""
        return self.values.float() / ((self.n_intensity_levels or 2) - 1)

    def summary(self) -> DataSummary:
        """Moments of the dequantized data: those of the levels, with the variance of the uniform noise added."""
        values = self.values.double()
        mean, variance = values.mean(0), values.var(0, correction=0)
        if self.n_intensity_levels is not None:
            mean, variance = mean + 0.5, variance + 1.0 / 12.0
            mean, variance = mean / self.n_intensity_levels, variance / self.n_intensity_levels**2
        pooled = variance.mean()
        # A pixel that is constant in training could be given a variance of 0, and its test examples a density without
        # bound. With levels, corruption wider than one hides the noise within it: no honest variance is below its own.
        floor = SMALLEST_SHARE * pooled.item() if self.n_intensity_levels is None else self.n_intensity_levels**-2 / 12
        return DataSummary(mean, variance.sqrt(), pooled.sqrt().item(), self.unit_interval, floor)

    def covariance(self) -> Float[Tensor, "dim dim"]:
        """Covariance of the dequantized data, float64: that of the levels, with the noise's 1/12 on the diagonal."""
        mean, dim = self.values.mean(0, dtype=torch.float64), self.values.shape[1]
        covariance = torch.zeros(dim, dim, dtype=torch.float64, device=mean.device)
        for chunk in self.values.split(COVARIANCE_ROWS):
            centred = chunk.double() - mean
            covariance.addmm_(centred.T, centred, alpha=1.0 / len(self))
        if self.n_intensity_levels is None:
            return covariance
        covariance.diagonal().add_(1.0 / 12.0)
        return covariance.div_(self.n_intensity_levels**2)


def load_training_set(path: str | Path) -> TrainingSet:
    """The training split of a prepared file; nothing else in it is read."""
    return _load_split(path, "train")


def load_validation_set(path: str | Path) -> TrainingSet:
    """The validation split of a prepared file, in the form of a training set; nothing else in it is read."""
    return _load_split(path, "validation")


def _load_split(path: str | Path, split: str) -> TrainingSet:
    arrays = read_npz(path, split, "n_intensity_levels", "unit_interval", "image_shape", "binarized")
    return TrainingSet(
        torch.from_numpy(arrays[split]),
        int(arrays["n_intensity_levels"]) or None,
        bool(arrays["unit_interval"]),
        tuple(arrays["image_shape"].tolist()) or None,
        bool(arrays["binarized"]),
    )


@dataclass(frozen=True)
class EvaluationSet:
    """What evaluation reads: examples on their continuous scale, and pixels as Parzen wants them.

    The examples are the test split, unless training examples take its place (`seen_examples`).

    Attributes:
        examples: (n, dim), dequantized once and for all.
        pixels, validation_pixels: without dequantization; levels divided by L - 1.
        log_density: exact log density of the examples in nats, float64; None where unknown.
        bandwidth_unit: 1 for data in [0, 1], else the pooled standard deviation of the training data.
        training: the training split, for estimators with numbers to fit.
    """

    examples: Float[Tensor, "n dim"]
    pixels: Float[Tensor, "n dim"]
    validation_pixels: Float[Tensor, "v dim"]
    log_density: Float[Tensor, "n"] | None
    bandwidth_unit: float
    training: TrainingSet

    def to(self, device: torch.device) -> "EvaluationSet":
        """The same examples on a device; the exact log density stays where results are put beside it."""
        return replace(
            self,
            examples=self.examples.to(device),
            pixels=self.pixels.to(device),
            validation_pixels=self.validation_pixels.to(device),
            training=self.training.to(device),
        )

    def split_sizes(self) -> dict[str, int]:
        """Number of examples of every split."""
        return dict(zip(SPLITS, map(len, (self.training, self.validation_pixels, self.examples)), strict=True))

    def random_subset(self, n_points: int, *, seed: int) -> Int[Tensor, "n"]:
        """Indices of random examples, sorted; with the same seed a larger subset holds the smaller ones."""
        order = torch.randperm(len(self.examples), generator=torch.Generator().manual_seed(seed))
        return order[:n_points].sort().values


def load_evaluation_set(path: str | Path) -> EvaluationSet:
    """The held-out splits of a prepared file."""
    unit = 1.0 if (training_set := load_training_set(path)).unit_interval else training_set.summary().pooled_std
    top = (training_set.n_intensity_levels or 2) - 1
    arrays = read_npz(path)
    exact = torch.from_numpy(arrays["test_log_density"]) if "test_log_density" in arrays else None
    pixels = {split: torch.from_numpy(arrays[split]).float() / top for split in ("test", "validation")}
    test = torch.from_numpy(arrays["test_continuous"])
    return EvaluationSet(test, pixels["test"], pixels["validation"], exact, unit, training_set)
