"""The handwritten digits of scikit-learn: 1,797 images of 8 x 8 pixels with 17 intensity levels.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
(its test part, as shipped with scikit-learn). The split is random and fixed: 1,097 / 300 / 400 images.
"""

import hashlib

import numpy as np

from cdae.computing.seeds import seed_from
from cdae.data import RawData

N_VALIDATION, N_TEST = 300, 400
N_INTENSITY_LEVELS = 17
SHA256 = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"


def load() -> RawData:
    """Load the digits as uint8 levels 0 .. 16, (n, 64), with labels 0 .. 9.

    Raises:
        ValueError: if the installed copy has another SHA-256.
    """
    from sklearn.datasets import load_digits  # the import takes a second, and only this loader needs it

    digits = load_digits()
    images, labels = digits.data.astype(np.uint8), digits.target
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"digits: sha256 of the pixels is {digest}, expected {SHA256}; install the pinned scikit-learn"
        )
    order = np.random.default_rng(seed_from("digits", "split")).permutation(len(images))
    test, validation, train = np.split(order, [N_TEST, N_TEST + N_VALIDATION])
    return RawData(
        images[train],
        images[validation],
        images[test],
        N_INTENSITY_LEVELS,
        unit_interval=True,
        image_shape=(8, 8),
        labels=(labels[train], labels[validation], labels[test]),
    )
