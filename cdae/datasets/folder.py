"""A folder of image files as a data set: read by Pillow, in the order of their names, all of one size, grey or colour.

Every file in the folder counts but hidden ones, whose names begin with a dot. Files of 8 bits per channel alone are
taken. An image with a palette is read in colour, and transparency is refused, because what lies behind it is unknown.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from cdae.data import RawData
from cdae.datasets.arrays import from_arrays

GREY, COLOUR = ("L", "1"), ("RGB", "P")  # Pillow's modes
MODES = {**dict.fromkeys(GREY, "L"), **dict.fromkeys(COLOUR, "RGB")}


def load(path: str, n_intensity_levels: int | None = None) -> RawData:
    """A fixed random split of the images, as of `cdae.datasets.arrays.load`.

    Raises:
        ValueError: in one line, for a folder or a file that cannot be used.
    """
    if not Path(path).is_dir():
        raise ValueError(f"{path}: no such folder; give the path of a folder of images")
    files = sorted(file for file in Path(path).iterdir() if not file.name.startswith("."))
    if not files:
        raise ValueError(f"{path}: is empty, expected a folder of images; give another")
    images = [read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise ValueError(
                f"{file}: has shape {image.shape}, expected {images[0].shape} as {files[0].name} has; make all images "
                "of one size, all grey or all in colour"
            )
    return from_arrays([np.stack(images)], path, n_intensity_levels=n_intensity_levels)


def read_image(file: Path) -> np.ndarray:
    """One image as uint8 levels, (height, width) or (height, width, 3).

    Raises:
        ValueError: if it cannot be read, or has no 8 bits per channel.
    """
    try:
        with Image.open(file) as image:
            mode = image.mode
            has_transparency = "transparency" in image.info
            levels = np.asarray(image.convert(MODES[mode])) if mode in MODES and not has_transparency else None
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes its parser raise almost anything
        what = " ".join(str(error).split())
        raise ValueError(f"{file}: cannot be read ({what}), expected an image; remove or repair it") from error
    if levels is None:
        got = "transparency" if has_transparency else f"mode {mode}"
        raise ValueError(
            f"{file}: has {got}, expected grey or colour of 8 bits per channel; convert it, such as by "
            "Image.open(file).convert('RGB')"
        )
    return levels
