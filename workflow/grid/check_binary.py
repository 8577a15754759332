"""The check of black and white images: which models run on which data, and the levels of flipped pixels.

A probability of discrete images and a density of real values are no two numbers to compare, so no model of one sort
runs on data of the other. What a user's own code makes or takes is not known here, and is checked when it is built.
"""

from baselines.registry import OF_BINARY_IMAGES
from cdae.datasets.registry import BINARIZED
from cdae.import_path import is_import_path
from workflow.grid.cells import Options, cells


def is_binarized(options: Options) -> bool:
    """Whether the keys of a data set are those of black and white images of ours."""
    return options.get("loader") in BINARIZED


def check_binary_images(config: Options) -> None:
    """Raise ValueError, naming the model, if a model's likelihood is of another sort than its data."""
    for cell in cells(config):
        options = config["datasets"][cell.dataset]
        if is_import_path(cell.kind) or is_import_path(options["loader"]):
            continue
        if is_binarized(options) != (cell.kind in OF_BINARY_IMAGES):
            data = "binarized" if is_binarized(options) else "not binarized"
            kinds = "one of " + ", ".join(sorted(OF_BINARY_IMAGES)) if is_binarized(options) else "a density"
            raise ValueError(
                f"models.{cell.family}.datasets: got {cell.kind!r} on {cell.dataset!r}, whose images are {data}, "
                f"expected {kinds}; name the data sets of this model in its key 'datasets'"
            )


def check_flips(where: str, options: Options) -> None:
    """Raise ValueError, naming the key, unless flips increase between their ends."""
    first, last = options["first_flip"], options["last_flip"]
    if not first < last:
        raise ValueError(
            f"{where}.last_flip: got {last}, expected more than first_flip = {first}: levels must increase"
        )
