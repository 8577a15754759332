"""A user's own data by an import path: arrays, tensors, data sets with items, or RawData."""

import numpy as np
import pytest
import torch
from PIL import Image

from cdae.data import RawData
from cdae.datasets import arrays, own
from cdae.datasets.registry import loader

LEVELS = np.random.default_rng(0).integers(0, 256, (120, 4, 5)).astype(np.uint8)
REALS = np.random.default_rng(1).random((120, 4, 5))
EXPECTED = arrays.from_arrays([LEVELS], "expected")


class Items:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Broken(Items):
    def __getitem__(self, index):
        raise IndexError("no\nitem")


def to_tensor(image):
    """As torchvision's ToTensor: channels first, in [0, 1]."""
    return torch.from_numpy(image).div(255.0)[None]


MADE = {  # what the user's function returns, by its option
    "array": LEVELS,
    "tensor": torch.from_numpy(LEVELS),
    "pairs": Items([(image, 7) for image in LEVELS]),
    "pillow": Items([(Image.fromarray(image), 7) for image in LEVELS]),
    "dicts": Items([{"label": 7, "image": Image.fromarray(image)} for image in LEVELS]),
    "dicts of img": Items([{"img": image} for image in LEVELS]),
    "bare": Items(list(LEVELS)),
    "to tensor": Items([(to_tensor(image), 7) for image in LEVELS]),
    "tensor in [0, 1]": torch.from_numpy(LEVELS).div(255.0),
}


@pytest.fixture
def name(tmp_path):
    """An import path of a function that returns an entry of MADE."""
    file = tmp_path / "mine.py"
    file.write_text("from tests.cdae.datasets.test_own import MADE\ndef mine(key): return MADE[key]\nNOTHING = 3\n")
    return f"{file}:mine"


def same(found, expected):
    for split in ("train", "validation", "test"):
        assert np.array_equal(getattr(found, split), getattr(expected, split)), split
    assert (found.n_intensity_levels, found.image_shape) == (expected.n_intensity_levels, expected.image_shape)


@pytest.mark.parametrize("key", MADE)
def test_the_same_images_in_any_form_are_the_same_data(name, key):
    same(loader(name)(options={"key": key}), EXPECTED)


def test_three_parts_are_the_three_splits(name, monkeypatch):
    parts = (LEVELS[:80], torch.from_numpy(LEVELS[80:110]), Items(list(LEVELS[110:])))
    monkeypatch.setitem(MADE, "parts", parts)
    found = own.load(name, {"key": "parts"})
    flat = LEVELS.reshape(120, 20)
    assert np.array_equal(found.train, flat[:80]) and np.array_equal(found.validation, flat[80:110])
    assert np.array_equal(found.test, flat[110:]) and found.n_intensity_levels == 256


def test_real_values_stay_real(name, monkeypatch):
    monkeypatch.setitem(MADE, "reals", REALS)
    found = own.load(name, {"key": "reals"})
    assert found.n_intensity_levels is None and found.unit_interval and found.train.dtype == np.float64


def test_keys_of_levels_are_passed_on(name, monkeypatch):
    monkeypatch.setitem(MADE, "few", LEVELS // 64)
    assert own.load(name, {"key": "few"}, n_intensity_levels=4).n_intensity_levels == 4
    monkeypatch.setitem(MADE, "half", REALS.astype(np.float16).astype(np.float32))
    with pytest.warns(UserWarning, match="allow_discrete takes them as continuous"):
        own.load(name, {"key": "half"}, allow_discrete=True)


def test_raw_data_are_taken_as_they_are(name, monkeypatch):
    raw = RawData(REALS[:5, :, 0] * 9, REALS[5:7, :, 0], REALS[7:9, :, 0], None, unit_interval=False)
    monkeypatch.setitem(MADE, "raw", raw)
    assert own.load(name, {"key": "raw"}) is raw
    with pytest.raises(ValueError, match="says its levels itself"):
        own.load(name, {"key": "raw"}, n_intensity_levels=4)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (3, r"mine\.py:mine: gives a int, expected RawData"),
        ((LEVELS, LEVELS), "got 2 arrays, expected one, or three"),
        ((LEVELS, LEVELS[:, :3], LEVELS), r"splits of uint8 \(120, 4, 5\), uint8 \(120, 3, 5\)"),
        (LEVELS[:50], r"images have shape \(50, 4, 5\), expected"),
        (2.0 * REALS - 1.0, r"expected \[0, 1\]; rescale"),
        (Items([LEVELS[0], LEVELS[1, :2]]), r"images of shapes \[\(2, 5\), \(4, 5\)\], expected one shape"),
        (Items([{"picture": 1}]), r"items with the keys \['picture'\], expected 'image'"),
        (Items([]), r"images of shapes \[\], expected one shape"),
        (Broken([1]), "its length or an item raised IndexError: no item; expected items 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(name, monkeypatch, made, expected):
    monkeypatch.setitem(MADE, "made", made)
    with pytest.raises(ValueError, match=expected) as caught:
        own.load(name, {"key": "made"})
    assert "\n" not in str(caught.value)


def test_options_that_do_not_fit_are_named(name):
    with pytest.raises(ValueError, match=r"mine\(\*\*options\) raised TypeError: .*the options are {'kye': 1}"):
        own.load(name, {"kye": 1})
    with pytest.raises(ValueError, match=r"NOTHING\(\*\*options\) raised TypeError"):
        own.load(name.replace(":mine", ":NOTHING"))
