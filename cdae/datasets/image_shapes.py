"""Which axes of an array are examples, rows, columns and colours.

Inside this suite an image is (height, width), or (height, width, 3) in colour, and an example that is no image is
(dim,). Arrays with channels first are common elsewhere. They are understood where only one reading is possible.
"""

import numpy as np

CHANNELS = (1, 3)
EXPECTED = "expected (n, dim), (n, height, width), (n, height, width, 3) or (n, 3, height, width)"


def as_images(array: np.ndarray, what: str) -> np.ndarray:
    """(n, h, w) or (n, h, w, 3), of images with one or three channels, first or last, or with none; (n, dim) as it is.

    Raises:
        ValueError: for other shapes, and where the first and the last axis can both be the channels; it begins with
            `what`.
    """
    if array.ndim < 4:
        return array
    if array.ndim > 4:
        raise ValueError(f"{what} have shape {array.shape}, {EXPECTED}; remove axes of length 1, or reshape")
    is_first, is_last = array.shape[1] in CHANNELS, array.shape[3] in CHANNELS
    if is_first and is_last:
        raise ValueError(
            f"{what} have shape {array.shape}, where the second and the last axis can both be channels, {EXPECTED}; "
            "save grey images as (n, height, width), or any as (n, dim), which are not shown as images"
        )
    if not is_first and not is_last:
        raise ValueError(
            f"{what} have shape {array.shape}, with no axis of 1 or 3 channels, {EXPECTED}; remove a channel of "
            "transparency, or save them as (n, dim), which are not shown as images"
        )
    last = np.moveaxis(array, 1, 3) if is_first else array
    return last[..., 0] if last.shape[3] == 1 else last


def image_shape(images: np.ndarray) -> tuple[int, ...] | None:
    """(h, w) or (h, w, 3) of what `as_images` returns; None where examples are not images."""
    return images.shape[1:] if images.ndim > 2 else None
