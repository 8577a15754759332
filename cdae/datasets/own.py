"""A user's own data set by its import path: a class or a function that is called with the configured options.

What it gives may be

- `cdae.data.RawData`, which is taken as it is: also for data that are no images, and with a known log density;
- one array or tensor of images (n, ...), split by a fixed seed, or three: training, validation and test;
- a data set in the manner of torch, torchvision or Hugging Face, with a length and items: an image, a pair (image,
  label), or a dict with `image`; it is split by a fixed seed. Three of them are the three splits.

Images are as in an npz file (`arrays`): uint8 levels, or real values in [0, 1]. Images of Pillow are levels. Tensors of
real values that are all multiples of 1/255, as torchvision's ToTensor makes them, are turned back into levels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor

from cdae.data import RawData
from cdae.datasets.arrays import from_arrays, in_native_numbers
from cdae.import_path import ImportPath

KEYS = ("image", "img")  # of an item that is a dict
TOP_LEVEL = 255
ROUNDING = 1e-4  # of a level


def load(
    name: str,
    options: dict[str, Any] | None = None,
    allow_discrete: bool = False,
    n_intensity_levels: int | None = None,
) -> RawData:
    """Run the user's code and read what it gives.

    Args:
        name: the import path.
        options: keywords of the class or the function.

    Raises:
        ValueError: in one line, if it cannot be run, or gives nothing that can be used.
    """
    made = _made(ImportPath.parse(name), options or {})
    if isinstance(made, RawData):
        if allow_discrete or n_intensity_levels is not None:
            raise ValueError(f"{name}: gives RawData, which says its levels itself; remove the keys of levels")
        return made
    parts = list(made) if isinstance(made, tuple) else [made]
    return from_arrays([as_array(part, name) for part in parts], name, allow_discrete, n_intensity_levels)


def as_array(part: Any, name: str) -> np.ndarray:
    """Images (n, ...) of an array, a tensor or a data set, as uint8 levels or real values.

    Raises:
        ValueError: if it is none of them, or its images differ in shape.
    """
    if isinstance(part, np.ndarray | Tensor):
        return _numbers(part)
    if not (callable(getattr(part, "__len__", None)) and callable(getattr(part, "__getitem__", None))):
        raise ValueError(
            f"{name}: gives a {type(part).__name__}, expected RawData, one or three arrays or tensors, or a data set "
            "with a length and items; return one of them"
        )
    images = [np.asarray(_image(item, name)) for item in _items(part, name)]
    shapes = sorted({image.shape for image in images})
    if len(shapes) != 1:
        raise ValueError(f"{name}: has images of shapes {shapes[:3]}, expected one shape; resize or crop them")
    return _numbers(np.stack(images))


def _made(path: ImportPath, options: dict[str, Any]) -> Any:
    maker = path.load()
    with _one_line(f"{path}: {path.name}(**options)", f"the options are {options}; correct them"):
        return maker(**options)


def _items(part: Any, name: str) -> list[Any]:
    with _one_line(f"{name}: its length or an item", "expected items 0 .. length - 1; repair the data set"):
        return [part[i] for i in range(len(part))]


@contextmanager
def _one_line(what: str, advice: str) -> Iterator[None]:
    """Whatever a user's code raises, in one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{what} raised {type(error).__name__}: {' '.join(str(error).split())}; {advice}") from error


def _image(item: Any, name: str) -> Any:
    """The image of an item, without its label."""
    if isinstance(item, dict):
        for key in KEYS:
            if key in item:
                return item[key]
        raise ValueError(f"{name}: has items with the keys {sorted(map(str, item))}, expected {KEYS[0]!r}; rename it")
    return item[0] if isinstance(item, tuple | list) else item


def _numbers(images: np.ndarray | Tensor) -> np.ndarray:
    """Numbers that are read alike on every machine; multiples of 1/255 in [0, 1] as levels."""
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else images
    array = in_native_numbers(array)
    if array.dtype.kind != "f" or not array.size or not (array.min() >= 0.0 and array.max() <= 1.0):
        return array
    levels = array.astype(np.float64) * TOP_LEVEL
    is_levels = bool((np.abs(levels - np.rint(levels)) <= ROUNDING).all())
    return np.rint(levels).astype(np.uint8) if is_levels else array
