"""The user's own images: an npz file with `images` (n, ...), uint8 or float in [0, 1], and optionally `labels` (n,).

uint8 images are dequantized with 256 levels. Real-valued images are taken as continuous. Those that are evidently
levels after all have no bounded density, and are refused unless the configuration allows them, with a warning.
"""

import sys
import zlib
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData

MIN_ROWS = 100
MAX_DISCRETE_VALUES = 256
MIN_REPEATS = 4  # entries per distinct value that make few values levels; continuous ones hardly ever repeat
DENOMINATORS = (255, 256, 65_535, 65_536)  # levels of 8 and 16 bits, divided by the top one or by their number


def load(path: str, allow_discrete: bool = False) -> RawData:
    """A fixed random split of the images: 80% training, 10% validation, 10% test.

    Args:
        allow_discrete: take real values that are evidently levels as they are, with a warning on stderr.

    Raises:
        ValueError: if the file is missing or unreadable, lacks `images`, or holds values this suite cannot use.
    """
    images = read_array(path, "images")
    check_images(images, path)
    if images.dtype != np.uint8 and (found := evidence_of_levels(images)):
        if not allow_discrete:
            raise ValueError(
                f"{path}: images have {found}; expected continuous values, because a density of discrete ones is "
                "unbounded; save the levels 0 .. 255 as uint8, which are dequantized, or set allow_discrete: true"
            )
        print(
            f"WARNING: {path}: images have {found}, and allow_discrete takes them as continuous: their density is "
            "unbounded, so no likelihood on this data set means anything",
            file=sys.stderr,
        )
    flat = images.reshape(len(images), -1)
    order = np.random.default_rng(seed_from("npz", "split", len(flat))).permutation(len(flat))
    n_held_out = len(flat) // 10
    test, validation, train = np.split(flat[order], [n_held_out, 2 * n_held_out])
    levels = 256 if images.dtype == np.uint8 else None
    shape = images.shape[1:] if images.ndim in (3, 4) else None
    return RawData(train, validation, test, levels, unit_interval=True, image_shape=shape)


def read_array(path: str, key: str) -> np.ndarray:
    """One array of an npz file, with one clear ValueError for everything that can be wrong with the file."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; give the path of an npz file with an array {key!r}")
    try:
        if not is_zipfile(path):
            raise ValueError(f"is not a complete npz file; save with numpy.savez({key}=...)")
        with np.load(path, allow_pickle=False) as file:
            if key not in file:
                raise ValueError(f"has the arrays {sorted(file)}, expected {key!r}; save with numpy.savez({key}=...)")
            return np.asarray(file[key])
    except (ValueError, EOFError, OSError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error


def check_images(images: np.ndarray, path: str) -> None:
    """Raise ValueError unless the array has the shape, the type and the range that the module docstring asks for."""
    if images.ndim < 2 or len(images) < MIN_ROWS or images.size == 0:
        raise ValueError(
            f"{path}: images have shape {images.shape}, expected (n, ...) with n of at least {MIN_ROWS}, not empty"
        )
    if images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"{path}: images have dtype {images.dtype}, expected uint8 or floats in [0, 1]")
    if not np.isfinite(images).all():
        n_bad = int((~np.isfinite(images)).sum())
        raise ValueError(
            f"{path}: {n_bad} values of images are NaN or infinite, expected finite; remove or repair them"
        )
    if images.min() < 0 or images.max() > 1:
        low, high = images.min(), images.max()
        raise ValueError(
            f"{path}: images lie in [{low:g}, {high:g}], expected [0, 1]; rescale, or save levels as uint8"
        )


def evidence_of_levels(images: np.ndarray) -> str | None:
    """What says that real values in [0, 1] are discrete levels, in words; None where nothing does."""
    values = np.unique(images)
    found = f"only {len(values)} distinct values in {images.size} entries"
    for denominator in DENOMINATORS:
        if _are_multiples(values, denominator):
            return f"{found}, all multiples of 1/{denominator}"
    is_few = len(values) <= MAX_DISCRETE_VALUES and images.size >= MIN_REPEATS * len(values)
    return found if is_few else None


def _are_multiples(values: np.ndarray, denominator: int) -> bool:
    """Whether all values are whole multiples of 1/denominator, to the precision of float32."""
    if values.dtype.itemsize < 4:  # half precision is too coarse to tell
        return False
    levels = values.astype(np.float64) * denominator
    return bool((np.abs(levels - np.rint(levels)) <= 2.0 * np.finfo(np.float32).eps * levels).all())
