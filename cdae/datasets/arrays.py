"""The user's own images: an npz file with `images` (n, ...), levels or floats in [0, 1], and optionally `labels` (n,).

Whole numbers 0 .. 255 of any integer type are levels, and are dequantized; real numbers are taken as continuous. Which
is which, how many levels there are and which axis holds the channels is said in a line on stdout where the file alone
does not say it; what is evidently something else than it is taken for is refused (`levels`, `image_shapes`).
"""

import warnings
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData
from cdae.datasets.image_shapes import as_images, image_shape
from cdae.datasets.levels import FULL, evidence_of_fewer_levels, evidence_of_levels, notable_repetition
from cdae.interfaces import InputWarning

MIN_ROWS = 100
MIN_PIXELS = 16  # of images that hardly ever are equal by chance
NOTABLE_COPIES = 0.01  # share of images that are copies of others, from which it is worth a warning


def load(path: str, allow_discrete: bool = False, n_intensity_levels: int | None = None) -> RawData:
    """A fixed random split of the images: 80% training, 10% validation, 10% test.

    Args:
        allow_discrete: take real values that have no bounded density as they are, with a warning.
        n_intensity_levels: L of images with levels 0 .. L-1; None for 256, and 2 of booleans.

    Raises:
        ValueError: if the file is missing or unreadable, lacks `images`, or holds values this suite cannot use.
    """
    images = read_array(path, "images")
    with ZipFile(path) as archive:
        has_labels = "labels.npy" in archive.namelist()
    labels = read_array(path, "labels") if has_labels else None
    return from_arrays([images], path, allow_discrete, n_intensity_levels, labels)


def from_arrays(
    arrays: list[np.ndarray],
    path: str,
    allow_discrete: bool = False,
    n_intensity_levels: int | None = None,
    labels: np.ndarray | None = None,
) -> RawData:
    """All images as one array, which is split at random as `load` says, or as three: training, validation, test.

    Args:
        path: where they are from, which messages begin with.
        labels: (n,), the classes of the images in one array, whole numbers from 0.

    Raises:
        ValueError: if they hold values that this suite cannot use.
    """
    saved = joined(arrays, path)
    check_array(saved, path)
    images = as_images(saved, f"{path}: images")
    if images.shape != saved.shape:
        print(f"{path}: images of shape {saved.shape} are read as {images.shape}")
    flat = images.reshape(len(images), -1)
    check_variety(flat, path)
    if flat.dtype.kind == "f":
        check_continuous(flat, path, allow_discrete, n_intensity_levels)
    else:
        is_stated = n_intensity_levels is not None or saved.dtype == np.bool_
        if n_intensity_levels is None:
            n_intensity_levels = 2 if saved.dtype == np.bool_ else FULL
        flat = as_levels(flat, path)
        check_number_of_levels(flat, path, n_intensity_levels, is_stated=is_stated)
        n_values = len(np.unique(flat))
        print(f"{path}: {n_values} values of {saved.dtype} occur, which are taken as {n_intensity_levels} levels")
    warn_of_copies(flat, path)
    parts = random_split(len(flat)) if len(arrays) == 1 else np.split(np.arange(len(flat)), ends_of(arrays))
    train, validation, test = (flat[part] for part in parts)
    return RawData(
        train,
        validation,
        test,
        n_intensity_levels,
        unit_interval=True,
        image_shape=image_shape(images),
        labels=None if labels is None else split_labels(labels, parts, path),
    )


def joined(arrays: list[np.ndarray], path: str) -> np.ndarray:
    """The examples of all arrays in one.

    Raises:
        ValueError: unless there are one or three arrays, of examples that are alike.
    """
    if len(arrays) not in (1, 3):
        raise ValueError(f"{path}: got {len(arrays)} arrays, expected one, or three: training, validation and test")
    if len({(array.dtype, array.shape[1:]) for array in arrays}) > 1:
        got = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        raise ValueError(f"{path}: got splits of {got}, expected examples of one type and one shape; convert them")
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def ends_of(arrays: list[np.ndarray]) -> list[int]:
    """Where one array ends and the next begins, in all of them joined."""
    return np.cumsum([len(array) for array in arrays])[:-1].tolist()


def random_split(n_examples: int) -> list[np.ndarray]:
    """Indices of 80% training, 10% validation and 10% test, by a seed that depends on the number of examples alone."""
    order = np.random.default_rng(seed_from("npz", "split", n_examples)).permutation(n_examples)
    n_held_out = n_examples // 10
    test, validation, train = np.split(order, [n_held_out, 2 * n_held_out])
    return [train, validation, test]


def split_labels(labels: np.ndarray, parts: list[np.ndarray], path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels of every split, as int64.

    Raises:
        ValueError: unless there is one whole number from 0 per image.
    """
    n_images = sum(map(len, parts))
    is_number = labels.dtype.kind in "buif" and bool(np.isfinite(labels).all())
    if labels.shape != (n_images,) or not is_number or labels.min() < 0 or (labels != np.floor(labels)).any():
        raise ValueError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}, expected whole numbers from 0 of shape "
            f"({n_images},); correct or remove them"
        )
    train, validation, test = (labels[part].astype(np.int64) for part in parts)
    return train, validation, test


def read_array(path: str, key: str) -> np.ndarray:
    """One array of an npz file, in numbers that torch has.

    Raises:
        ValueError: one clear line for everything that can be wrong with the file.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; give the path of an npz file with an array {key!r}")
    if not is_zipfile(path):
        raise ValueError(f"{path}: is not a complete npz file; save with numpy.savez({key}=...)")
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = sorted(file)
            array = np.asarray(file[key]) if key in names else None
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive makes its parsers raise almost anything
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read ({reason}); save it again with numpy.savez({key}=...)") from error
    if array is None:
        raise ValueError(f"{path}: has the arrays {names}, expected {key!r}; save with numpy.savez({key}=...)")
    return in_native_numbers(array)


def in_native_numbers(array: np.ndarray) -> np.ndarray:
    """The same in this machine's byte order, and real numbers of more than double precision in double."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
            return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_array(images: np.ndarray, path: str) -> None:
    """Raise ValueError unless there are enough examples, of numbers or booleans."""
    if images.ndim < 2 or len(images) < MIN_ROWS or images.size == 0:
        raise ValueError(
            f"{path}: images have shape {images.shape}, expected (n, ...) with n of at least {MIN_ROWS}, not empty"
        )
    if images.dtype.kind not in "buif":
        raise ValueError(f"{path}: images have dtype {images.dtype}, expected uint8 or floats in [0, 1]")


def check_variety(images: np.ndarray, path: str) -> None:
    """Raise ValueError if all images are the same."""
    if (images == images[0]).all():
        raise ValueError(f"{path}: all {len(images)} images are the same, expected different ones; save others")


def warn_of_copies(images: np.ndarray, path: str) -> None:
    """Warn if many images are copies of others, unless they are so small that chance makes them equal."""
    n_copies = len(images) - len({hash(row.tobytes()) for row in images})
    if images.shape[1] >= MIN_PIXELS and n_copies > NOTABLE_COPIES * len(images):
        warnings.warn(
            f"{path}: {n_copies} of {len(images)} images are exact copies of others, so test images can stand in the "
            "training split; save every image once",
            InputWarning,
            stacklevel=2,
        )


def as_levels(images: np.ndarray, path: str) -> np.ndarray:
    """Integers or booleans as uint8.

    Raises:
        ValueError: if they are not in 0 .. 255.
    """
    low, high = int(images.min()), int(images.max())
    if low < 0 or high > FULL - 1:
        shifted = f"(images - {low})" if low > 0 else f"(images + {-low})" if low < 0 else "images"
        divided = f" // {-(-(high - low + 1) // FULL)}" if high - low > FULL - 1 else ""
        raise ValueError(
            f"{path}: images have whole numbers in [{low}, {high}], expected levels 0 .. {FULL - 1}; save "
            f"{shifted}{divided} as uint8"
        )
    return images.astype(np.uint8)


def check_number_of_levels(levels: np.ndarray, path: str, n_levels: int, *, is_stated: bool) -> None:
    """Raise ValueError if L is no number of levels, too small, or, where it is not stated, evidently another."""
    if not 2 <= n_levels <= FULL:
        raise ValueError(f"{path}: n_intensity_levels: got {n_levels}, expected 2 to {FULL}")
    evidence = evidence_of_fewer_levels(levels)
    if (high := levels.max()) >= n_levels:
        advice = f"they have {evidence}" if evidence else "set the number of levels that they have"
        raise ValueError(
            f"{path}: images have values up to {high}, expected 0 .. {n_levels - 1} with n_intensity_levels: "
            f"{n_levels}; {advice}"
        )
    if evidence and not is_stated:
        raise ValueError(f"{path}: images have {evidence}")


def check_continuous(images: np.ndarray, path: str, allow_discrete: bool, n_intensity_levels: int | None) -> None:
    """Raise ValueError unless real values are finite, in [0, 1] and continuous, so far as can be seen."""
    if n_intensity_levels is not None:
        raise ValueError(
            f"{path}: images are real numbers, but n_intensity_levels is {n_intensity_levels}; save their levels "
            f"0 .. {n_intensity_levels - 1} as uint8, or remove n_intensity_levels"
        )
    if not np.isfinite(images).all():
        n_bad = int((~np.isfinite(images)).sum())
        raise ValueError(
            f"{path}: {n_bad} values of images are NaN or infinite, expected finite; remove or repair them"
        )
    if images.min() < 0 or images.max() > 1:
        low, high = images.min(), images.max()
        raise ValueError(
            f"{path}: images lie in [{low:g}, {high:g}], expected [0, 1]; rescale, as (images + 1) / 2 where they are "
            "in [-1, 1], or save levels as uint8"
        )
    found = evidence_of_levels(images)
    if found and not allow_discrete:
        raise ValueError(
            f"{path}: images have {found}; expected continuous values, because a density of discrete ones is "
            "unbounded; save the levels 0 .. 255 as uint8, which are dequantized, remove pixels that never vary, or "
            "set allow_discrete: true"
        )
    if found:
        warnings.warn(
            f"{path}: images have {found}, and allow_discrete takes them as continuous: their density is unbounded, "
            "so no likelihood on this data set means anything",
            InputWarning,
            stacklevel=2,
        )
    elif repetition := notable_repetition(images):
        warnings.warn(
            f"{path}: images have {repetition}: where one value repeats exactly, a density is unbounded, and "
            "likelihoods can be too high",
            InputWarning,
            stacklevel=2,
        )
