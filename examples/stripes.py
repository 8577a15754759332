"""Small grey images of stripes, as a data set in the manner of torch: a length, and items (image, label).

It imports nothing of the benchmark, which splits the images into training, validation and test by a fixed seed.
`python examples/stripes.py FOLDER` saves them as files, for `folder.yaml`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset


class Stripes(Dataset):
    """Images (4, 4) of levels 0 .. 255, striped along rows (label 0) or columns (label 1), with noise."""

    options_schema = {  # noqa: RUF012  read as it is written, before anything runs
        "type": "object",
        "additionalProperties": False,
        "required": ["n_images"],
        "properties": {
            "n_images": {"description": "number of images", "type": "integer", "minimum": 1},
            "seed": {"description": "of their random numbers", "type": "integer", "minimum": 0},
        },
    }

    def __init__(self, n_images: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(2, size=n_images)
        stripe = 60 + 120 * rng.integers(2, size=(n_images, 4, 1)) + rng.normal(0.0, 12.0, (n_images, 4, 4))
        turned = np.where(self.labels[:, None, None] == 1, stripe.transpose(0, 2, 1), stripe)
        self.images = np.clip(np.rint(turned), 0, 255).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.images[index], int(self.labels[index])


def save(folder: str, n_images: int) -> None:
    """Write the images as files into a new folder."""
    Path(folder).mkdir(parents=True)
    for i, image in enumerate(Stripes(n_images).images):
        Image.fromarray(image).save(f"{folder}/{i:04}.png")


if __name__ == "__main__":
    save(sys.argv[1], n_images=2_000)
