"""The true files, where CDAE_DATA_ROOT has them: checksums are right, and splits have the documented sizes."""

import os
import warnings

import numpy as np
import pytest

from cdae.datasets.known_files import ROOT_VARIABLE, found_copy
from cdae.datasets.registry import loader
from cdae.interfaces import InputWarning
from tests.cdae.datasets.test_known_files import MODULES

SIZES = {"usps": (6_291, 1_000, 2_007), "frey_faces": (1_365, 200, 400), "cifar10": (40_000, 10_000, None)}
MEANS = {"cifar10": (0.4914, 0.4822, 0.4465)}  # of the colours of all training images, on [0, 1], as is well known
N_OF_CLASS_0 = {"usps": 1_194, "cifar10": 5_000}  # in the file or files of training images


@pytest.mark.parametrize("name", MODULES)
def test_the_real_files_hold_what_is_documented(name):
    root = os.environ.get(ROOT_VARIABLE)
    if not root:
        pytest.skip(f"{ROOT_VARIABLE} is not set")
    try:
        found_copy(name, MODULES[name].COPIES, root)
    except ValueError as error:
        pytest.skip(str(error))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        raw = loader(name)()
    raw.check(name)
    sizes = tuple(map(len, (raw.train, raw.validation, raw.test)))
    assert sizes[:2] == SIZES[name][:2] and sizes[2] in ((1_000, 10_000) if name == "cifar10" else SIZES[name][2:])
    images = np.concatenate([raw.train, raw.validation])
    if name in N_OF_CLASS_0:
        assert (np.concatenate(raw.labels[:2]) == 0).sum() == N_OF_CLASS_0[name]
    if name in MEANS:
        means = images.reshape(len(images), -1, 3).mean((0, 1), dtype=np.float64) / 255
        np.testing.assert_allclose(means, MEANS[name], atol=5e-5)
