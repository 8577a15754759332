"""Binarized images: every pixel is 1 with a probability that is its gray value, y / (L - 1) of levels 0 .. L-1.

Validation and test images are drawn once, by a fixed seed. Training images stay gray, and every training step draws
new ones (`binary_images`). Likelihoods are those of the discrete images, in nats: nothing is dequantized, and there
are no bits per dimension. Models with a density of real values have no bound on such data, so they are refused there.
"""

from dataclasses import replace

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData
from cdae.datasets import digits, images

PREFIX = "binarized_"


def binarized(raw: RawData, name: str) -> RawData:
    """Return the same images with gray training images in [0, 1], and all others black and white.

    Args:
        name: of the data; the seed is made of it.

    Raises:
        ValueError: for data that are neither levels nor in [0, 1].
    """
    if raw.n_intensity_levels is None and not raw.unit_interval:
        raise ValueError(f"{name}: got real values that are not in [0, 1], expected images; choose other data")
    top = (raw.n_intensity_levels or 2) - 1
    gray = {split: getattr(raw, split) / np.float32(top) for split in ("train", "validation", "test")}
    drawn = {split: _drawn(gray[split], name, split) for split in ("validation", "test")}
    train = gray["train"].astype(np.float32)
    told = {"n_intensity_levels": None, "unit_interval": True, "log_density": None, "binarized": True}
    return replace(raw, train=train, **drawn, **told)


def _drawn(gray: np.ndarray, name: str, split: str) -> np.ndarray:
    """Black and white images, uint8."""
    rng = np.random.default_rng(seed_from(name, f"{split} binarization"))
    return (rng.random(gray.shape) < gray).astype(np.uint8)


def load_digits() -> RawData:
    """Load scikit-learn's digits binarized, (n, 64), as `digits.load` splits them.

    Raises:
        ValueError: as of `digits.load`.
    """
    return binarized(digits.load(), "digits")


def load_mnist(data_root: str | None = None) -> RawData:
    """Load MNIST binarized, (n, 784), 50,000 / 10,000 / 10,000 images.

    Raises:
        ValueError: as of `images.load_mnist`.
    """
    return binarized(images.load_mnist(data_root), "mnist")


def load_fashion_mnist(data_root: str | None = None) -> RawData:
    """Load Fashion-MNIST binarized, (n, 784), 50,000 / 10,000 / 10,000 images.

    Raises:
        ValueError: as of `images.load_fashion_mnist`.
    """
    return binarized(images.load_fashion_mnist(data_root), "fashion_mnist")


def check_available(name: str, data_root: str | None = None) -> None:
    """Check the files of the gray images, as `images.check_available`.

    Raises:
        ValueError: as there.
    """
    images.check_available(name.removeprefix(PREFIX), data_root)
