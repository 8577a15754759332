"""Binarized images: gray in training, drawn once for validation and test, and drawn anew by every training step."""

import numpy as np
import pytest
import torch

from cdae.binary_images import binary, check_binarized, draw_binary, standardize
from cdae.data import RawData, TrainingSet, load_evaluation_set, load_training_set, prepare
from cdae.datasets import binarized as module
from cdae.datasets.binarized import binarized
from cdae.datasets.registry import AVAILABILITY, BINARIZED, LOADERS, check_available
from tests.helpers import assert_mean, mutated, seeded

GRAY = np.array([[0, 1, 8, 15, 16]], dtype=np.uint8)  # of 17 levels


def raw(n: int = 4_000) -> RawData:
    levels = GRAY.repeat(n, 0)
    return RawData(levels[:2], levels, levels, 17, unit_interval=True, image_shape=None)


def share_errors(made: RawData) -> float:
    """The largest difference of a pixel's share of ones from its gray value, in standard errors."""
    p = GRAY[0] / 16.0
    error = np.sqrt(np.maximum(p * (1 - p), 1e-9) / 4_000)
    return max(np.abs((part.mean(0) - p) / error).max() for part in (made.validation, made.test))


def test_pixels_are_one_as_often_as_they_are_gray():
    made = binarized(raw(), "toy")
    assert share_errors(made) < 5.0
    assert set(np.unique(made.test)) == {0, 1}
    np.testing.assert_allclose(made.train, GRAY.repeat(2, 0) / 16.0, rtol=1e-6)
    assert (made.n_intensity_levels, made.unit_interval, made.log_density) == (None, True, None)


MUTANTS = [
    "rng.random(gray.shape) < gray -> rng.random(gray.shape) > gray",
    "< gray) -> < 0.5 * gray)",
    "or 2) - 1 -> or 2)",
]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_of_the_draw_are_seen(mutant):
    assert share_errors(mutated(module, *mutant.split(" -> ")).binarized(raw(), "toy")) > 5.0


def test_the_draw_is_fixed_by_the_name_and_differs_between_splits():
    first, again, other = (binarized(raw(), name) for name in ("toy", "toy", "another"))
    assert np.array_equal(first.test, again.test) and np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.test, other.test) and not np.array_equal(first.test, first.validation)


def test_images_that_are_black_and_white_stay_what_they_are():
    levels = np.array([[0, 1], [1, 1], [1, 0]], dtype=np.uint8)
    made = binarized(RawData(levels, levels, levels, 2, unit_interval=True), "toy")
    assert np.array_equal(made.test, levels) and np.array_equal(made.validation, levels)
    x = torch.from_numpy(made.train)
    assert torch.equal(draw_binary(x, generator=seeded(0)), x) and binary(x) is x


def test_data_outside_the_unit_interval_are_refused():
    values = np.ones((2, 2))
    with pytest.raises(ValueError, match="toy: got real values"):
        binarized(RawData(values, values, values, None, unit_interval=False), "toy")


def test_what_is_prepared_has_gray_training_images_and_a_black_and_white_test_split(tmp_path):
    """Levels divided by none, with no noise added, and no bits per dimension."""
    prepare(binarized(raw(), "toy"), "toy", tmp_path / "toy.npz")
    training, data = load_training_set(tmp_path / "toy.npz"), load_evaluation_set(tmp_path / "toy.npz")
    np.testing.assert_allclose(training.draw(generator=seeded(0)), GRAY.repeat(2, 0) / 16.0, rtol=1e-6)
    assert torch.equal(data.examples, data.pixels) and set(data.examples.unique().tolist()) == {0.0, 1.0}
    assert training.n_intensity_levels is None
    check_binarized(training)


def test_training_draws_differ_and_have_the_gray_values_as_means():
    gray = torch.from_numpy(GRAY / np.float32(16.0)).expand(20_000, -1)
    generator = seeded(1)
    first, second = (draw_binary(gray, generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert_mean(first.numpy(), gray[0].numpy())
    assert_mean((first * second).numpy(), gray[0].numpy() ** 2)


def test_a_gray_image_is_the_same_black_and_white_one_at_every_call():
    """With the right mean, and another one in every row."""
    gray = torch.from_numpy(GRAY / np.float32(16.0)).expand(20_000, -1)
    x = binary(gray)
    assert torch.equal(x, binary(gray)) and set(x.unique().tolist()) == {0.0, 1.0}
    assert_mean(x.numpy(), gray[0].numpy())


def test_black_and_white_images_are_standardised_by_the_mean_of_gray_ones():
    """To mean 0 and pooled variance 1; constant pixels alone have no variance."""
    gray = torch.from_numpy(GRAY / np.float32(16.0)).expand(20_000, -1)
    x = standardize(draw_binary(gray, generator=seeded(2)), gray[0])
    assert_mean(x.numpy(), 0.0)
    assert_mean(x.square().mean(1).numpy(), 1.0)
    assert standardize(torch.ones(2, 3), torch.ones(3)).abs().max() == 0.0


@pytest.mark.parametrize(
    "training_set",
    [TrainingSet(torch.zeros(3, 2, dtype=torch.uint8), 256, True), TrainingSet(torch.zeros(3, 2))],
)
def test_data_that_are_not_binarized_are_refused(training_set):
    with pytest.raises(ValueError, match="expected binarized images"):
        check_binarized(training_set)


def test_digits_are_loaded_with_their_splits_and_labels():
    made = module.load_digits()
    assert [len(part) for part in (made.train, made.validation, made.test)] == [1_097, 300, 400]
    made.check("binarized_digits")
    assert made.image_shape == (8, 8) and made.labels is not None


def test_files_are_asked_for_under_the_name_of_the_gray_images(tmp_path):
    for name in BINARIZED & set(AVAILABILITY):
        with pytest.raises(ValueError, match=f"^{name.removeprefix('binarized_')}: missing"):
            check_available(name, str(tmp_path))
    assert set(LOADERS) >= BINARIZED
