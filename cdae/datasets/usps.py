"""USPS: 9,298 handwritten digits from envelopes, 16 x 16 grey pixels, 7,291 to train with and 2,007 to test with.

A file holds one digit per line, `class 1:v 2:v ... 256:v` with a class from 1 to 10 and v in [-1, 1], in bzip2. The
values become 256 levels floor((v + 1) / 2 * 255), as in torchvision's class of the data set. (That class computes in
single precision, and so has 50 for v = -0.6, where the formula gives 51.) The text is finer, v is a multiple of 0.001,
so likelihoods are those of the coarser data, which others use too. Level 255 is v = 1 alone.

1,000 digits of the training file, by a fixed seed, are the validation split. The test file is the test split: it is
known to be harder than the training file.

Source: Y. LeCun et al., "Handwritten Digit Recognition with a Back-Propagation Network", 1990, in the form of LIBSVM.
"""

import bz2
from pathlib import Path

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData
from cdae.datasets.known_files import KnownFile, found_copy, obtained

SIDE = 16
N_INTENSITY_LEVELS = 256
N_VALIDATION = 1_000
HALF_RANGE = 127.5  # (v + 1) / 2 * 255 is (v + 1) times this

URL = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass"
COPIES = {  # the MD5 is that of the archive at the URL; the SHA-256, of the same values written and packed again
    "text": (
        KnownFile(
            "USPS/usps.bz2",
            (
                "md5:ec16c51db3855ca6c91edd34d0e9b197",
                "sha256:17dda8723042004b3fe6512c8769022bf7cec5322be1fb98a623d5de13b70666",
            ),
            f"{URL}/usps.bz2",
        ),
        KnownFile(
            "USPS/usps.t.bz2",
            (
                "md5:8ea070ee2aca1ac39742fdd1ef5ed118",
                "sha256:22bb89593ed8a6c80fbd69e16bc34c935f462e7c8531a812fc3d2a141d17c298",
            ),
            f"{URL}/usps.t.bz2",
        ),
    )
}


def load(data_root: str | None = None) -> RawData:
    """Load USPS as uint8 levels (n, 256), 6,291 / 1,000 / 2,007 digits with labels 0 .. 9.

    Raises:
        ValueError: if files are missing, altered or cannot be downloaded; the message says which and what to do.
    """
    _, (train_path, test_path) = obtained("usps", COPIES, data_root)
    (images, labels), (test, test_labels) = read(train_path), read(test_path)
    order = np.random.default_rng(seed_from("usps", "split")).permutation(len(images))
    validation, train = np.split(order, [N_VALIDATION])
    return RawData(
        images[train],
        images[validation],
        test,
        N_INTENSITY_LEVELS,
        unit_interval=True,
        image_shape=(SIDE, SIDE),
        labels=(labels[train], labels[validation], test_labels),
    )


def check_available(name: str, data_root: str | None = None) -> None:
    """Raise ValueError if a given root folder lacks a file; see `known_files.found_copy`."""
    found_copy(name, COPIES, data_root)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The levels (n, 256) and the labels (n,) of a file.

    Raises:
        ValueError: unless every line is a class and 256 numbered values.
    """
    text, n_pixels = bz2.decompress(path.read_bytes()).decode("ascii"), SIDE * SIDE
    try:
        numbers = np.fromstring(text.replace(":", " "), sep=" ").reshape(-1, 1 + 2 * n_pixels)
        is_numbered = bool((numbers[:, 1::2] == np.arange(1, n_pixels + 1)).all())
    except ValueError:
        is_numbered = False
    if not is_numbered:
        raise ValueError(
            f"{path}: got other lines, expected a class and the values 1 to {n_pixels} in each; delete the file and "
            "copy or download it again"
        )
    return as_levels(numbers[:, 2::2]), numbers[:, 0].astype(np.int64) - 1


def as_levels(values: np.ndarray) -> np.ndarray:
    """floor((v + 1) / 2 * 255) of values v in [-1, 1], as uint8; exact for all multiples of 0.001."""
    return np.floor((values + 1.0) * HALF_RANGE).astype(np.uint8)
