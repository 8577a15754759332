"""Frey faces: 1,965 frames of a video of one face, 28 x 20 grey pixels with 256 levels.

There is no split of its own. Here it is random and fixed: 1,365 / 200 / 400 frames. Neighbouring frames are nearly
equal, so nearly every test frame has a near-copy among the training frames, and likelihoods are high for that reason.

Two files will do. `frey_rawface.mat`, as published, is a MATLAB file with an array `ff` of shape (560, 1965), uint8;
it has no published checksum, so its shape and type are checked, and a note says if its pixels are not those of the
other. `frey_rawface.npz` has the frames in the same order as `images` (1965, 28, 20), and a known SHA-256.

Source: S. Roweis, by courtesy of B. Frey. Frames have no labels.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData
from cdae.datasets.known_files import KnownFile, found_copy, obtained
from cdae.interfaces import InputWarning

IMAGE_SHAPE = (28, 20)
N_INTENSITY_LEVELS = 256
N_IMAGES, N_VALIDATION, N_TEST = 1_965, 200, 400
PIXELS_SHA256 = "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78"

COPIES = {
    "mat": (KnownFile("FreyFaces/frey_rawface.mat", (), "https://cs.nyu.edu/~roweis/data/frey_rawface.mat"),),
    "npz": (
        KnownFile(
            "FreyFaces/frey_rawface.npz", ("sha256:3c70375e0a9c4751ad49ad5f1f692bd094c46f133cf4aa8ea77d1cb14e1efcd1",)
        ),
    ),
}


def load(data_root: str | None = None) -> RawData:
    """Load the frames as uint8 levels (n, 560), 1,365 / 200 / 400 of them.

    Raises:
        ValueError: if the file is missing, altered or cannot be downloaded; the message says which and what to do.
    """
    copy, (path,) = obtained("frey_faces", COPIES, data_root)
    images = read_mat(path) if copy == "mat" else read_npz(path)
    order = np.random.default_rng(seed_from("frey_faces", "split")).permutation(len(images))
    test, validation, train = np.split(images[order], [N_TEST, N_TEST + N_VALIDATION])
    return RawData(train, validation, test, N_INTENSITY_LEVELS, unit_interval=True, image_shape=IMAGE_SHAPE)


def check_available(name: str, data_root: str | None = None) -> None:
    """Raise ValueError if a given root folder has neither file; see `known_files.found_copy`."""
    found_copy(name, COPIES, data_root)


def read_mat(path: Path) -> np.ndarray:
    """The frames (n, 560) of the MATLAB file; one per column.

    Raises:
        ValueError: if it cannot be read, or has other numbers than are expected.
    """
    from scipy.io import loadmat  # the import takes a while, and only this file needs it

    try:
        frames = loadmat(path, variable_names=["ff"]).get("ff")
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes its parser raise almost anything
        raise _unusable(path, " ".join(str(error).split())) from error
    expected = (IMAGE_SHAPE[0] * IMAGE_SHAPE[1], N_IMAGES)
    if not isinstance(frames, np.ndarray) or frames.shape != expected or frames.dtype != np.uint8:
        got = f"{frames.dtype} {frames.shape}" if isinstance(frames, np.ndarray) else "no array"
        raise _unusable(path, f"{got}, expected uint8 {expected}")
    images = np.ascontiguousarray(frames.T)
    if (digest := hashlib.sha256(images.tobytes()).hexdigest()) != PIXELS_SHA256:
        warnings.warn(
            f"{path}: sha256 of the frames is {digest}, not {PIXELS_SHA256} of the known copy, so numbers can differ "
            "from those of others",
            InputWarning,
            stacklevel=2,
        )
    return images


def read_npz(path: Path) -> np.ndarray:
    """The frames (n, 560) of the npz file, whose checksum is known to be right."""
    with np.load(path, allow_pickle=False) as file:
        return file["images"].reshape(len(file["images"]), -1)


def _unusable(path: Path, what: str) -> ValueError:
    return ValueError(f"{path}: ff: got {what}; delete the file and copy or download it again")
