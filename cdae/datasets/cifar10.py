"""CIFAR-10: 32 x 32 colour photographs of ten classes with 256 levels, 50,000 to train with and 10,000 to test with.

The first four training batches are the training split, and the fifth, 10,000 images, is the validation split. Pixels
are flattened with the colours last, (32, 32, 3).

Two copies will do. `cifar-10-binary.tar.gz`, as published: records of one byte of label, then 1,024 bytes of red, of
green and of blue. (The archive for Python holds pickles, which can run any code, and is not read.) Or PNG sheets: one
of 100 x 100 images per training batch, and the first 1,000 test images in one of 20 x 50, with `labels.npz`. Their
pixels are the same, but a test split of 1,000 images is not the whole one, and a note says so.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import tarfile
import warnings
from pathlib import Path

import numpy as np

from cdae.data import RawData
from cdae.datasets.known_files import KnownFile, found_copy, obtained
from cdae.interfaces import InputWarning

SIDE, N_COLOURS = 32, 3
IMAGE_SHAPE = (SIDE, SIDE, N_COLOURS)
N_INTENSITY_LEVELS = 256
N_BATCHES = 5
N_TEST = 10_000

FOLDER_IN_ARCHIVE = "cifar-10-batches-bin"
SHEETS_SHA256 = {
    "train_batch_1.png": "ee3c0cd76509228a3c5866f01be7462f2ba0f750bad0587641e76322e1c5563d",
    "train_batch_2.png": "53c89e7975cc4c051cf2de9dbb0a33d875685a831b0b4d5ed3f7a619008242ff",
    "train_batch_3.png": "5ecbb08a6a29c39fc9c35e67f0b43774ba340536785730139b4440f104c7d81b",
    "train_batch_4.png": "ec94f4bed89ef3d81caf044635599990f84683eabd534de33298b219a3359111",
    "train_batch_5.png": "45be8b140d56d3d900de4699149481d84d2ebebea4250b6ad534698b1237df22",
    "test_first1000.png": "e87f27612031860e0a724fd71324f8ea31f7ea868dc53354d93a92c1c3a61364",
    "labels.npz": "1d76329304eefe42c359607bbf5a4e5b200d7a96a569b7308a0311bc58f61175",
}
COPIES = {
    "archive": (
        KnownFile(
            "CIFAR10/cifar-10-binary.tar.gz",
            ("md5:c32a1d4ab5d03f1284b67883e8d87530",),
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        ),
    ),
    "sheets": tuple(KnownFile(f"CIFAR10/{name}", (f"sha256:{digest}",)) for name, digest in SHEETS_SHA256.items()),
}


def load(data_root: str | None = None) -> RawData:
    """Load CIFAR-10 as uint8 levels (n, 3072), 40,000 / 10,000 / 10,000 images, or 1,000 in the last; labels 0 .. 9.

    Raises:
        ValueError: if files are missing, altered or cannot be downloaded; the message says which and what to do.
    """
    copy, paths = obtained("cifar10", COPIES, data_root)
    batches = read_archive(*paths) if copy == "archive" else read_sheets(paths)
    *train, (validation, validation_labels), (test, test_labels) = batches
    if len(test) < N_TEST:
        warnings.warn(
            f"the test split is the first {len(test):,} of {N_TEST:,} test images, so results are not those "
            "of the whole test set",
            InputWarning,
            stacklevel=2,
        )
    labels = np.concatenate([labels for _, labels in train]), validation_labels, test_labels
    return RawData(
        np.concatenate([images for images, _ in train]),
        validation,
        test,
        N_INTENSITY_LEVELS,
        unit_interval=True,
        image_shape=IMAGE_SHAPE,
        labels=labels,
    )


def check_available(name: str, data_root: str | None = None) -> None:
    """Raise ValueError if a given root folder has no complete copy; see `known_files.found_copy`."""
    found_copy(name, COPIES, data_root)


Batch = tuple[np.ndarray, np.ndarray]  # levels (n, 3072) with colours last, and labels (n,)


def read_archive(path: Path) -> list[Batch]:
    """The five training batches and the test batch; nothing is unpacked to the disk."""
    names = [*(f"data_batch_{i + 1}.bin" for i in range(N_BATCHES)), "test_batch.bin"]
    with tarfile.open(path) as archive:
        contents = {name: archive.extractfile(f"{FOLDER_IN_ARCHIVE}/{name}") for name in names}
        return [records(file.read()) for file in contents.values() if file is not None]


def records(content: bytes) -> Batch:
    """The images and labels of a file of records."""
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + SIDE * SIDE * N_COLOURS)
    channels_first = rows[:, 1:].reshape(-1, N_COLOURS, SIDE, SIDE)
    return channels_first.transpose(0, 2, 3, 1).reshape(len(rows), -1), rows[:, 0]


def read_sheets(paths: list[Path]) -> list[Batch]:
    """The same from PNG sheets, of which the last is a part of the test batch, and the file of labels."""
    *sheets, label_file = paths
    images = [sheet(path) for path in sheets]
    with np.load(label_file, allow_pickle=False) as file:
        labels = [*np.split(file["train"], N_BATCHES), file["test_first1000"]]
    return list(zip(images, labels, strict=True))


def sheet(path: Path) -> np.ndarray:
    """The images (n, 3072) of a grid of tiles, row by row."""
    from PIL import Image  # here: the archive needs none

    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    n_rows, n_columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    tiles = pixels.reshape(n_rows, SIDE, n_columns, SIDE, N_COLOURS).swapaxes(1, 2)
    return tiles.reshape(n_rows * n_columns, -1)
