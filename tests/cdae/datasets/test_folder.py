"""A folder of image files: read in the order of names, of one size, and split as the same images in an npz file."""

import numpy as np
import pytest
from PIL import Image

from cdae.datasets import arrays, folder


def levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def write(path, images, suffix="png", mode=None):
    path.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        made = Image.fromarray(image)
        (made.convert(mode) if mode else made).save(path / f"{i:04}.{suffix}")
    return str(path)


def same(found, expected):
    for split in ("train", "validation", "test"):
        assert np.array_equal(getattr(found, split), getattr(expected, split))
    assert (found.n_intensity_levels, found.image_shape) == (expected.n_intensity_levels, expected.image_shape)


@pytest.mark.parametrize("shape", [(100, 5, 4), (100, 5, 4, 3)])
def test_a_folder_is_read_as_the_same_images_in_an_npz_file(tmp_path, shape, capsys):
    images = levels(*shape)
    found = folder.load(write(tmp_path / "images", images))
    np.savez(tmp_path / "images.npz", images=images)
    same(found, arrays.load(str(tmp_path / "images.npz")))
    assert found.image_shape == shape[1:] and found.unit_interval


def test_the_order_is_that_of_names_and_hidden_files_do_not_count(tmp_path):
    images = levels(100, 3, 3)
    path = tmp_path / "images"
    write(path, images)
    (path / ".hidden").write_text("no image")
    (path / "0000.png").rename(path / "zzzz.png")
    same(folder.load(str(path)), arrays.from_arrays([np.roll(images, -1, axis=0)], ""))


def test_black_and_white_images_and_palettes_are_read_as_levels(tmp_path):
    grey = write(tmp_path / "a", levels(100, 8, 8), mode="1")
    assert set(np.unique(folder.load(grey, n_intensity_levels=256).train)) == {0, 255}
    assert folder.read_image(next(tmp_path.glob("a/*"))).shape == (8, 8)
    colour = write(tmp_path / "b", levels(100, 8, 8, 3), suffix="gif", mode="P")
    assert folder.load(colour, n_intensity_levels=256).image_shape == (8, 8, 3)


def odd_one(**how):
    def change(path):
        write(path, how.get("images", levels(1, 4, 4)), **{k: v for k, v in how.items() if k != "images"})

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: (path / "0003.png").write_text("no image"), r"0003\.png: cannot be read"),
        (lambda path: (path / "0003.png").write_bytes((path / "0003.png").read_bytes()[:60]), r"0003\.png: cannot be"),
        (lambda path: (path / "folder").mkdir(), "folder: cannot be read"),
        (odd_one(images=levels(1, 4, 5)), r"0001\.png: has shape \(4, 4\), expected \(4, 5\) as 0000\.png has"),
        (odd_one(images=levels(1, 4, 4, 3)), r"0001\.png: has shape \(4, 4\), expected \(4, 4, 3\)"),
        (odd_one(images=levels(1, 4, 4, 4)), r"0000\.png: has mode RGBA, expected grey or colour"),
        (odd_one(images=levels(1, 4, 4).astype(np.uint16)), r"0000\.png: has mode I;16, expected grey or colour"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, change, expected):
    write(tmp_path / "images", levels(100, 4, 4))
    change(tmp_path / "images")
    with pytest.raises(ValueError, match=expected) as caught:
        folder.load(str(tmp_path / "images"))
    assert "\n" not in str(caught.value)


def test_transparency_is_refused(tmp_path):
    image = Image.fromarray(levels(4, 4)).convert("P")
    image.save(tmp_path / "a.png", transparency=0)
    with pytest.raises(ValueError, match="has transparency, expected"):
        folder.read_image(tmp_path / "a.png")


def test_an_empty_folder_and_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is empty, expected a folder of images"):
        folder.load(str(tmp_path))
    with pytest.raises(ValueError, match="no such folder"):
        folder.load(str(tmp_path / "none"))
