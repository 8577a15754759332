"""MNIST and Fashion-MNIST: 28 x 28 grey images with 256 intensity levels, read by torchvision's classes.

The first 50,000 images of the training file are the training split, and its last 10,000 are the validation split. The
test file is the test split. All four files are needed, those of the labels too.

The files lie under a root folder (`known_files`), as `<root>/MNIST/raw/train-images-idx3-ubyte` and so on. If none is
given, torchvision downloads them once into a cache folder. Every file must have the known size and SHA-256, so a
truncated or altered file is an error.

Sources: Y. LeCun, C. Cortes and C. Burges, "The MNIST Database of Handwritten Digits"; H. Xiao, K. Rasul and
R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
"""

from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np

from cdae.data import RawData
from cdae.datasets.known_files import ROOT_VARIABLE, cache_folder, check_checksum, failed_download, given_root
from cdae.datasets.torchvision_import import torchvision_datasets

IMAGE_SHAPE = (28, 28)
N_INTENSITY_LEVELS = 256
IMAGE_HEADER_BYTES, LABEL_HEADER_BYTES = 16, 8  # an IDX header is type and rank, then a 4-byte size per axis

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@dataclass(frozen=True)
class Source:
    """The four files of a data set.

    Attributes:
        torchvision_class: the name of the class, which is also the name of the folder under the root.
        sha256: file name -> SHA-256 of the uncompressed file, for all four files.
        n_train_file: the number of images in the training file, which holds the training and validation splits.
        n_test: the number of images in the test file.
        n_validation: the number of images of the validation split.
    """

    torchvision_class: str
    sha256: dict[str, str]
    n_train_file: int = 60_000
    n_test: int = 10_000
    n_validation: int = 10_000

    def file(self, root: Path, name: str) -> Path:
        """Return the path of a file under the root folder."""
        return root / self.torchvision_class / "raw" / name

    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes: its header, and one byte per pixel or label."""
        image_bytes = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]
        return {
            TRAIN_IMAGES: IMAGE_HEADER_BYTES + image_bytes * self.n_train_file,
            TRAIN_LABELS: LABEL_HEADER_BYTES + self.n_train_file,
            TEST_IMAGES: IMAGE_HEADER_BYTES + image_bytes * self.n_test,
            TEST_LABELS: LABEL_HEADER_BYTES + self.n_test,
        }


SOURCES = {
    "mnist": Source(
        "MNIST",
        {
            TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion_mnist": Source(
        "FashionMNIST",
        {
            TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


def load_mnist(data_root: str | None = None) -> RawData:
    """Load MNIST as uint8 levels (n, 784), 50,000 / 10,000 / 10,000 images.

    Raises:
        ValueError: if files are missing, altered or cannot be downloaded; the message says which and what to do.
    """
    return _load("mnist", data_root)


def load_fashion_mnist(data_root: str | None = None) -> RawData:
    """Load Fashion-MNIST as uint8 levels (n, 784), 50,000 / 10,000 / 10,000 images.

    Raises:
        ValueError: if files are missing, altered or cannot be downloaded; the message says which and what to do.
    """
    return _load("fashion_mnist", data_root)


def check_available(name: str, data_root: str | None = None) -> None:
    """Check that the files of a data set exist and have the right sizes; fast enough to run before any computation.

    Without a root folder, files that are missing from the cache are no error, because loading downloads them.

    Raises:
        ValueError: for an unknown name, for missing files, which the message lists, or for a file of another size.
    """
    if name not in SOURCES:
        raise ValueError(f"image data set: got {name!r}, expected one of {', '.join(SOURCES)}")
    source, given = SOURCES[name], given_root(data_root)
    root = given or cache_folder()
    missing = [path for file in source.sizes() if not (path := source.file(root, file)).is_file()]
    if missing and given:
        raise ValueError(
            f"{name}: missing {', '.join(map(str, missing))}; put the uncompressed files there (gunzip those that end "
            f"in .gz), or set neither data_root nor {ROOT_VARIABLE} to have torchvision download them"
        )
    for file, expected in source.sizes().items():
        path = source.file(root, file)
        if path.is_file() and (size := path.stat().st_size) != expected:
            raise ValueError(
                f"{path}: has {size:,} bytes, expected {expected:,}; delete the file and copy or download it again"
            )


def _load(name: str, data_root: str | None) -> RawData:
    check_available(name, data_root)
    source, root = SOURCES[name], given_root(data_root)
    if root is None:
        root = cache_folder()
        _download(source, name, root)
    for file, digest in source.sha256.items():
        check_checksum(source.file(root, file), f"sha256:{digest}")
    end = [source.n_train_file - source.n_validation]
    train, validation = np.split(_images(source, root, TRAIN_IMAGES, train=True), end)
    labels, validation_labels = np.split(_labels(source, root, TRAIN_LABELS), end)
    return RawData(
        train,
        validation,
        _images(source, root, TEST_IMAGES, train=False),
        N_INTENSITY_LEVELS,
        unit_interval=True,
        image_shape=IMAGE_SHAPE,
        labels=(labels, validation_labels, _labels(source, root, TEST_LABELS)),
    )


def _download(source: Source, name: str, root: Path) -> None:
    """Download the files by torchvision, which checks the MD5 of every archive and skips files that exist."""
    try:
        getattr(torchvision_datasets(), source.torchvision_class)(root, download=True)
    except (RuntimeError, OSError, EOFError, HTTPException) as error:
        files = [str(source.file(Path(), file)) for file in source.sha256]
        raise failed_download(name, root, str(error), files) from error


def _images(source: Source, root: Path, file: str, *, train: bool) -> np.ndarray:
    """Read the images of one file by torchvision, as uint8 levels (n, 784)."""
    images = getattr(torchvision_datasets(), source.torchvision_class)(root, train=train).data.numpy()
    checked = np.fromfile(source.file(root, file), dtype=np.uint8, offset=IMAGE_HEADER_BYTES)
    if not np.array_equal(images.ravel(), checked):  # torchvision prefers files that its old versions wrote
        processed = root / source.torchvision_class / "processed"
        raise ValueError(f"{processed}: holds other images than {source.file(root, file)}; delete this old folder")
    return images.reshape(len(images), -1)


def _labels(source: Source, root: Path, file: str) -> np.ndarray:
    return np.fromfile(source.file(root, file), dtype=np.uint8, offset=LABEL_HEADER_BYTES)
