"""A user's own samples: taken as they are, and refused with the reason where they cannot be."""

import numpy as np
import pytest
import torch

from baselines.samples import SampleFile
from cdae.data import TrainingSet
from tests.helpers import seeded

IMAGES = TrainingSet(torch.zeros(5, 6, dtype=torch.uint8), 256, unit_interval=True)
VALUES = np.random.default_rng(0).random((9, 6))


def build(tmp_path, samples: np.ndarray, training_set: TrainingSet = IMAGES, key: str = "samples") -> SampleFile:
    np.savez(tmp_path / "own.npz", **{key: samples})
    return SampleFile.build({"path": str(tmp_path / "own.npz")}, training_set, generator=seeded(0))


@pytest.mark.parametrize("shape", [(9, 6), (9, 2, 3), (9, 1, 2, 3)])
def test_samples_are_flattened_and_kept_in_order(shape, tmp_path):
    (samples,) = build(tmp_path, VALUES.reshape(shape)).sample_sets(4, generator=seeded(1))
    assert samples.variant == "file"
    np.testing.assert_array_equal(samples.values, VALUES[:4].astype(np.float32))


def test_fewer_samples_than_asked_for_are_all_of_them(tmp_path):
    (samples,) = build(tmp_path, VALUES).sample_sets(10_000, generator=seeded(1))
    assert len(samples.values) == 9


def test_numbers_are_samples_of_one_dimension(tmp_path):
    model = build(tmp_path, VALUES[:, 0], TrainingSet(torch.zeros(5, 1)))
    assert model.values.shape == (9, 1)


BAD_SAMPLES = {
    "other dimension": (VALUES[:, :5], r"samples have shape \(9, 5\), expected \(m, ...\) with 6 values each"),
    "none": (VALUES[:0], r"samples have shape \(0, 6\)"),
    "nan": (np.full((9, 6), np.nan), "samples must be finite floats"),
    "levels": ((255 * VALUES).astype(np.uint8), r"samples must be finite floats .*\[0, 1\]"),
    "scalar": (np.array(1.0), "samples have shape"),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_samples_that_do_not_fit_are_refused_with_the_reason(name, tmp_path):
    samples, message = BAD_SAMPLES[name]
    with pytest.raises(ValueError, match=rf"own\.npz: {message}"):
        build(tmp_path, samples)


def test_a_file_without_samples_says_what_it_has(tmp_path):
    with pytest.raises(ValueError, match=r"own\.npz: has the arrays \['images'\], expected 'samples'"):
        build(tmp_path, VALUES, key="images")
