"""Shapes of images: channels are found where only one reading is possible, and anything else is refused."""

import numpy as np
import pytest

from cdae.datasets.image_shapes import as_images, image_shape

IMAGES = np.random.default_rng(0).random((7, 4, 5, 3))


@pytest.mark.parametrize("images", [IMAGES[0, 0], IMAGES[..., 0]])
def test_arrays_without_channels_are_what_they_are(images):
    assert as_images(images, "images") is images


def test_an_example_is_an_image_from_two_axes_on():
    assert image_shape(IMAGES[0, 0]) is None
    assert image_shape(IMAGES[..., 0]) == (4, 5)
    assert image_shape(IMAGES) == (4, 5, 3)


def test_colours_come_last_wherever_they_were():
    assert np.array_equal(as_images(IMAGES, "images"), IMAGES)
    assert np.array_equal(as_images(IMAGES.transpose(0, 3, 1, 2), "images"), IMAGES)


@pytest.mark.parametrize("axis", [1, 3])
def test_a_single_channel_is_no_axis(axis):
    assert np.array_equal(as_images(np.expand_dims(IMAGES[..., 0], axis), "images"), IMAGES[..., 0])


@pytest.mark.parametrize("shape", [(7, 4, 5, 2), (7, 2, 4, 5), (7, 4, 5, 4), (7, 4, 3, 5)])
def test_other_numbers_of_channels_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"own: images have shape \(7, .*no axis of 1 or 3 channels, expected .*; remove"
    ):
        as_images(np.zeros(shape), "own: images")


@pytest.mark.parametrize("shape", [(7, 3, 5, 3), (7, 1, 5, 3), (7, 3, 5, 1), (7, 1, 5, 1)])
def test_two_possible_axes_of_channels_are_refused(shape):
    with pytest.raises(ValueError, match=r"own: images have shape .* can both be channels, expected .*; save grey"):
        as_images(np.zeros(shape), "own: images")


def test_five_axes_are_refused():
    with pytest.raises(ValueError, match=r"have shape \(7, 1, 4, 5, 3\), expected .*; remove axes of length 1"):
        as_images(IMAGES[:, None], "images")
