"""Loaders: exact densities of the toys, exact splits of the digits, and every way a user's file can be wrong."""

from contextlib import nullcontext

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from cdae.data import prepare
from cdae.datasets import arrays, digits, toy
from cdae.datasets.registry import LOADERS, loader
from tests.helpers import assert_mean, assert_moments


def test_every_registered_loader_exists():
    assert all(callable(loader(name)) for name in LOADERS)


@pytest.mark.parametrize("name", ["gaussian_8d", "mixture_1d", "mixture_2d", "digits"])
def test_loaders_are_reproducible_and_pass_their_own_check(name):
    one, other = loader(name)(), loader(name)()
    one.check(name)
    assert np.array_equal(one.train, other.train) and np.array_equal(one.test, other.test)


@pytest.mark.parametrize("name", ["gaussian_8d", "mixture_1d", "mixture_2d"])
def test_toys_have_their_sizes_and_distinct_splits(name):
    raw = loader(name)()
    assert [len(split) for split in (raw.train, raw.validation, raw.test)] == [10_000, 2_000, 10_000]
    assert len(np.unique(np.concatenate([raw.train, raw.validation, raw.test]), axis=0)) > 21_900
    assert raw.train.dtype == np.float32 and raw.n_intensity_levels is None and not raw.unit_interval


def test_gaussian_log_density_equals_scipy_and_describes_the_draws():
    raw = loader("gaussian_8d")()
    exact = multivariate_normal(np.linspace(-1.0, 2.5, 8), 2.25 * np.eye(8))
    np.testing.assert_allclose(raw.log_density(raw.test[:100].astype(float)), exact.logpdf(raw.test[:100]), rtol=1e-12)
    assert_moments(raw.train, exact.mean, exact.cov)


def test_mixture_log_density_equals_scipy_and_describes_the_draws():
    """Six unequal modes on a circle: the share of draws nearest to each is its weight."""
    raw = loader("mixture_2d")()
    angles = np.arange(6) * np.pi / 3
    means, weights = 4.0 * np.stack([np.cos(angles), np.sin(angles)], 1), np.arange(1, 7) / 21
    x = raw.test[:100].astype(float)
    terms = [
        np.log(w) + multivariate_normal(m, 0.25 * np.eye(2)).logpdf(x) for m, w in zip(means, weights, strict=True)
    ]
    np.testing.assert_allclose(raw.log_density(x), logsumexp(np.stack(terms), axis=0), rtol=1e-12)
    nearest = np.square(raw.train[:, None] - means).sum(2).argmin(1)
    assert_mean(nearest[:, None] == np.arange(6), weights)
    assert_mean(np.square(raw.train - means[nearest]), 0.25)


def test_two_modes_equal_scipy_and_describe_the_draws():
    raw = loader("mixture_1d")()
    x = np.linspace(-2.0, 2.0, 41)[:, None]
    expected = 0.4 * multivariate_normal(-1.0, 0.04).pdf(x) + 0.6 * multivariate_normal(1.0, 0.04).pdf(x)
    np.testing.assert_allclose(raw.log_density(x), np.log(expected), rtol=1e-12)
    assert_mean(raw.train[:, 0] > 0, 0.6)
    assert_mean(np.square(np.abs(raw.train) - 1.0), 0.04)


@pytest.mark.parametrize(("name", "dim"), [("gaussian_8d", 8), ("mixture_2d", 2)])
def test_toy_densities_integrate_to_one(name, dim):
    """By importance sampling from a wider Gaussian, within 5 standard errors."""
    proposal = multivariate_normal(
        np.zeros(dim) + (0.75 if dim == 8 else 0.0), (4.0 if dim == 8 else 12.0) * np.eye(dim)
    )
    x = proposal.rvs(100_000, random_state=np.random.default_rng(0))
    density = {"gaussian_8d": toy.gaussian_log_density, "mixture_2d": toy.mixture_log_density}[name]
    assert_mean(np.exp(density(x) - proposal.logpdf(x)), 1.0)


def test_prepared_toy_carries_the_exact_density_of_its_test_points(tmp_path):
    raw = loader("gaussian_8d")()
    prepare(raw, "gaussian_8d", tmp_path / "data.npz")
    with np.load(tmp_path / "data.npz") as file:
        np.testing.assert_array_equal(file["test_log_density"], raw.log_density(file["test_continuous"].astype(float)))


def test_digits_are_split_without_loss_or_repetition():
    """1,097 + 300 + 400 images, which together are all 1,797, each as often as scikit-learn has it."""
    from sklearn.datasets import load_digits

    raw = digits.load()
    known = dict(zip(map(bytes, load_digits().data.astype(np.uint8)), load_digits().target, strict=True))
    for split, labels in zip((raw.train, raw.validation, raw.test), raw.labels, strict=True):
        assert [known[bytes(image)] for image in split] == labels.tolist()
    assert [len(split) for split in (raw.train, raw.validation, raw.test)] == [1_097, 300, 400]
    together = np.concatenate([raw.train, raw.validation, raw.test])
    everything = load_digits().data.astype(np.uint8)
    assert sorted(map(bytes, together)) == sorted(map(bytes, everything))
    assert raw.n_intensity_levels == 17 and together.max() == 16 and raw.image_shape == (8, 8)


def test_digits_are_shuffled_before_they_are_split():
    """Writers come in order in the source; the first images of it are spread over all splits."""
    from sklearn.datasets import load_digits

    train = set(map(bytes, digits.load().train))
    first = sum(bytes(image) in train for image in load_digits().data.astype(np.uint8)[:400])
    assert 200 < first < 290


def test_other_digits_than_the_known_ones_are_refused(monkeypatch):
    monkeypatch.setattr(digits, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"digits: sha256 of the pixels is .* install the pinned scikit-learn"):
        digits.load()


RNG = np.random.default_rng(0)
GOOD = RNG.integers(0, 256, (205, 4, 3), dtype=np.uint8)


def write(tmp_path, **named) -> str:
    np.savez(tmp_path / "images.npz", **named)
    return str(tmp_path / "images.npz")


@pytest.mark.parametrize("shape", [(205, 12), (205, 4, 3), (205, 2, 2, 3)])
def test_levels_of_a_user_are_split_without_loss(shape, tmp_path):
    """80 / 10 / 10 percent, every image once, 256 levels."""
    raw = arrays.load(write(tmp_path, images=GOOD.reshape(shape), labels=np.zeros(205)))
    assert [len(split) for split in (raw.train, raw.validation, raw.test)] == [165, 20, 20]
    together = np.concatenate([raw.train, raw.validation, raw.test])
    assert sorted(map(bytes, together)) == sorted(map(bytes, GOOD.reshape(205, 12)))
    assert raw.n_intensity_levels == 256 and raw.unit_interval
    assert raw.image_shape == (shape[1:] if len(shape) > 2 else None)
    assert not np.array_equal(together, GOOD.reshape(205, 12))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8", np.longdouble])
def test_real_images_of_a_user_are_taken_as_they_are(dtype, tmp_path):
    """In this machine's byte order, and in double precision at most."""
    images = RNG.random((120, 5)).astype(dtype)
    raw = arrays.load(write(tmp_path, images=images))
    assert raw.n_intensity_levels is None and raw.unit_interval
    assert raw.train.dtype == (np.float32 if np.dtype(dtype).itemsize == 4 else np.float64)
    assert raw.train.dtype.isnative
    images = images.astype(raw.train.dtype)
    assert sorted(map(tuple, np.concatenate([raw.train, raw.validation, raw.test]))) == sorted(map(tuple, images))
    prepare(raw, "own", tmp_path / "prepared.npz")


def with_value(value: float) -> np.ndarray:
    images = RNG.random((150, 4))
    images[3, 2] = value
    return images


BAD_ARRAYS = {
    "nan": (with_value(np.nan), "1 values of images are NaN or infinite, expected finite; remove or repair them"),
    "infinite": (with_value(np.inf), "1 values of images are NaN or infinite"),
    "too few rows": (GOOD[:99], r"images have shape \(99, 4, 3\), expected \(n, ...\) with n of at least 100"),
    "one dimension": (np.zeros(500, np.uint8), r"images have shape \(500,\), expected \(n, ...\)"),
    "no pixels": (np.zeros((500, 0), np.uint8), r"images have shape \(500, 0\), expected \(n, ...\)"),
    "no real pixels": (np.zeros((500, 0)), r"images have shape \(500, 0\), expected \(n, ...\)"),
    "above one": (
        255.0 * RNG.random((150, 4)),
        r"images lie in \[.*\], expected \[0, 1\]; rescale, .* or save .* uint8",
    ),
    "below zero": (with_value(-0.1), r"images lie in \[-0.1, .*\], expected \[0, 1\]; rescale, as \(images \+ 1\) / 2"),
    "large integers": (257 * GOOD.astype(np.uint16), r"whole numbers in \[0, 65535\], .*save images // 256 as uint8"),
    "signed integers": (
        GOOD.astype(np.int16) - 128,
        r"whole numbers in \[-128, 127\], .*save \(images \+ 128\) as uint8",
    ),
    "far integers": (GOOD.astype(int) * 2 + 7, r"whole numbers in \[7, 517\], .*save \(images - 7\) // 2 as uint8"),
    "zeros and ones": (
        GOOD // 128,
        "only 2 distinct values in 0 .. 1, which .* not 256 .*; set n_intensity_levels: 2;",
    ),
    "two levels far apart": (
        GOOD // 128 * 255,
        "only 2 distinct values .*; save images // 255 .*n_intensity_levels: 2;",
    ),
    "all zero": (0 * GOOD, "all 205 images are the same, expected different ones"),
    "all zero, real": (np.zeros((205, 4)), "all 205 images are the same"),
    "one image": (np.repeat(GOOD[:1], 205, 0), "all 205 images are the same"),
    "two channels": (
        RNG.random((205, 4, 5, 2)),
        r"images have shape \(205, 4, 5, 2\), with no axis of 1 or 3 channels",
    ),
    "a constant pixel": (
        RNG.random((205, 5)) * [0, 1, 1, 1, 1],
        "images have 1 of 5 pixels that never vary; .* remove",
    ),
    "many zeros": (np.maximum(RNG.random((500, 5)) - 0.5, 0), r"images have the value 0 in .*% of their entries"),
    "complex": (GOOD.astype(complex), "images have dtype complex128, expected uint8 or floats"),
    "words": (np.array([["a"]] * 100), "images have dtype <U1, expected uint8 or floats"),
    "objects": (np.array([[None]] * 100), r"cannot be read \(Object arrays cannot be loaded .* save it again"),
    "halves": (RNG.random((205, 9)).astype(np.float16), "images have values of at most 11 significant bits"),
    "too large": (np.longdouble(10.0) ** (400 * with_value(1.0).round()), r"\d+ values of images are NaN or infinite"),
    "levels as doubles": (
        GOOD / 255.0,
        "images have only 256 distinct values in 2460 entries, all multiples of 1/255; "
        "expected .* unbounded; save the levels .* uint8.* or set allow_discrete: true",
    ),
    "levels as floats": ((GOOD / 255.0).astype(np.float32), "images have only .*, all multiples of 1/255"),
    "levels times one over 255": (GOOD.astype(np.float32) * np.float32(1 / 255), "images have only .*1/255"),
    "levels as halves": ((GOOD / 255.0).astype(np.float16), "images have values of at most 11 significant bits"),
    "floats as doubles": ((GOOD / 255.0).astype(np.float32).astype(float), "all multiples of 1/255"),
    "levels over their number": (GOOD / 256.0, "all multiples of 1/256"),
    "few entries": (GOOD[:120, 0, :1] / 255.0, "images have only .* in 120 entries, all multiples of 1/255"),
    "16 bits": (RNG.integers(0, 65_536, (150, 9)) / 65_535.0, "all multiples of 1/65535"),
    "16 bits as floats": ((RNG.integers(0, 65_536, (150, 9)) / 65_535.0).astype(np.float32), "multiples of 1/65535"),
    "other levels": ((GOOD % 20) / 19.0, "images have only 20 distinct values in 2460 entries; expected"),
    "binary": ((GOOD > 100).astype(float), "images have only 2 distinct values"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_images_that_cannot_be_used_are_refused_with_the_reason(name, tmp_path):
    images, message = BAD_ARRAYS[name]
    with pytest.raises(ValueError, match=rf"images\.npz: .*{message}"):
        arrays.load(write(tmp_path, images=images))


def test_allowed_levels_are_taken_as_they_are_with_a_warning(tmp_path):
    path, images = write(tmp_path, images=GOOD / 255.0), GOOD.reshape(205, 12) / 255.0
    with pytest.warns(UserWarning, match=r"images\.npz: images have only 256 distinct values .*unbounded"):
        raw = arrays.load(path, allow_discrete=True)
    assert raw.n_intensity_levels is None
    assert sorted(map(tuple, np.concatenate([raw.train, raw.validation, raw.test]))) == sorted(map(tuple, images))


@pytest.mark.parametrize("images", [GOOD, RNG.random((150, 4))])
def test_nothing_is_warned_of_where_there_is_nothing_to_allow(images, tmp_path, capsys):
    """Warnings are errors in the tests."""
    raw = arrays.load(write(tmp_path, images=images), allow_discrete=True)
    assert capsys.readouterr().err == ""
    assert raw.n_intensity_levels == (256 if images is GOOD else None)


def test_a_repeated_value_that_proves_nothing_is_warned_of(tmp_path):
    images = RNG.random((500, 20))
    images[RNG.random(images.shape) < 0.02] = 1.0  # white, where a sensor saturates
    with pytest.warns(
        UserWarning, match=r"images\.npz: images have the value 1 in [12]\.\d% of their entries: .*unbounded"
    ):
        assert arrays.load(write(tmp_path, images=images)).n_intensity_levels is None


@pytest.mark.parametrize(("n_pixels", "n_copies", "is_warned"), [(16, 2, False), (16, 20, True), (15, 20, False)])
def test_copies_of_images_are_warned_of(n_pixels, n_copies, is_warned, tmp_path):
    """Where they are many, and too large to be equal by chance."""
    images = RNG.integers(0, 256, (205, n_pixels), dtype=np.uint8)
    path = write(tmp_path, images=np.concatenate([images, images[:n_copies]]))
    message = f"{n_copies} of {205 + n_copies} images are exact copies of others, so test images can stand in"
    with pytest.warns(UserWarning, match=message) if is_warned else nullcontext():
        arrays.load(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, ">i4"])
def test_levels_of_any_integer_type_are_levels_and_the_log_says_how_many(dtype, tmp_path, capsys):
    path = write(tmp_path, images=GOOD.astype(dtype))
    raw = arrays.load(path)
    assert raw.train.dtype == np.uint8 and raw.n_intensity_levels == 256
    together = np.concatenate([raw.train, raw.validation, raw.test])
    assert sorted(map(bytes, together)) == sorted(map(bytes, GOOD.reshape(205, 12)))
    assert (
        capsys.readouterr().out
        == f"{path}: 256 values of {np.dtype(dtype).newbyteorder('=')} occur, which are taken as 256 levels\n"
    )


@pytest.mark.parametrize(("images", "n_levels"), [(GOOD > 100, 2), (GOOD // 16, 16), (GOOD // 16, 256), (GOOD, 256)])
def test_the_number_of_levels_can_be_stated(images, n_levels, tmp_path, capsys):
    raw = arrays.load(write(tmp_path, images=images), n_intensity_levels=n_levels)
    assert raw.n_intensity_levels == n_levels and raw.train.max() == images.max()
    assert f"taken as {n_levels} levels" in capsys.readouterr().out
    raw.check("own")


BAD_NUMBERS = {
    "one": (GOOD, 1, "n_intensity_levels: got 1, expected 2 to 256"),
    "none": (GOOD, 0, "n_intensity_levels: got 0, expected 2 to 256"),
    "many": (GOOD, 257, "n_intensity_levels: got 257, expected 2 to 256"),
    "too few": (
        GOOD,
        16,
        r"values up to 255, expected 0 \.\. 15 with n_intensity_levels: 16; set the number of levels",
    ),
    "of levels with gaps": (GOOD // 128 * 255, 2, r"up to 255, expected 0 \.\. 1 .*; save images // 255 as uint8"),
    "of real values": (RNG.random((150, 4)), 16, r"are real numbers, but n_intensity_levels is 16; save .* 0 \.\. 15"),
}


@pytest.mark.parametrize("name", BAD_NUMBERS)
def test_a_number_of_levels_that_does_not_fit_is_refused(name, tmp_path):
    images, n_levels, message = BAD_NUMBERS[name]
    with pytest.raises(ValueError, match=rf"images\.npz: .*{message}"):
        arrays.load(write(tmp_path, images=images), n_intensity_levels=n_levels)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("is_levels", [True, False])
def test_channels_first_are_the_same_data_set_as_channels_last(n_channels, is_levels, tmp_path, capsys):
    shape = (205, 4, 5, n_channels)
    images = RNG.integers(0, 256, shape, dtype=np.uint8) if is_levels else RNG.random(shape)
    expected = arrays.load(write(tmp_path, images=images))
    capsys.readouterr()
    raw = arrays.load(path := write(tmp_path, images=np.moveaxis(images, 3, 1)))
    assert raw.image_shape == expected.image_shape == ((4, 5) if n_channels == 1 else (4, 5, 3))
    for split in ("train", "validation", "test"):
        assert np.array_equal(getattr(raw, split), getattr(expected, split))
    first_line = capsys.readouterr().out.splitlines()[0]
    shape = (205, *raw.image_shape)
    assert first_line == f"{path}: images of shape (205, {n_channels}, 4, 5) are read as {shape}"


def test_booleans_have_two_levels(tmp_path, capsys):
    raw = arrays.load(write(tmp_path, images=GOOD > 100))
    assert raw.n_intensity_levels == 2 and raw.train.dtype == np.uint8 and raw.train.max() == 1
    assert "2 values of bool occur, which are taken as 2 levels" in capsys.readouterr().out
    assert arrays.load(write(tmp_path, images=GOOD > 100), n_intensity_levels=256).n_intensity_levels == 256


def test_levels_may_have_a_constant_margin(tmp_path):
    images = GOOD.reshape(205, 4, 3) * np.array([0, 1, 1], dtype=np.uint8)
    assert arrays.load(write(tmp_path, images=images)).image_shape == (4, 3)


@pytest.mark.parametrize("name", ["above one", "nan", "large integers", "too few rows", "all zero, real"])
def test_allowing_levels_allows_nothing_else(name, tmp_path):
    images, message = BAD_ARRAYS[name]
    with pytest.raises(ValueError, match=rf"images\.npz: .*{message}"):
        arrays.load(write(tmp_path, images=images), allow_discrete=True)


def test_a_file_without_images_says_what_it_has(tmp_path):
    with pytest.raises(
        ValueError, match=r"images\.npz: has the arrays \['labels', 'x'\], expected 'images'; save with"
    ):
        arrays.load(write(tmp_path, x=GOOD, labels=np.zeros(205)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_labels_follow_their_images(dtype, tmp_path):
    raw = arrays.load(write(tmp_path, images=GOOD, labels=np.arange(205).astype(dtype)))
    raw.check("file")
    assert [len(labels) for labels in raw.labels] == [165, 20, 20]
    for split, labels in zip((raw.train, raw.validation, raw.test), raw.labels, strict=True):
        assert np.array_equal(split, GOOD.reshape(205, -1)[labels])
    assert arrays.load(write(tmp_path, images=GOOD)).labels is None


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(204),
        np.arange(205) / 2,
        np.full(205, np.nan),
        np.arange(205) - 1,
        np.zeros((205, 1), int),
        np.full(205, "a"),
    ],
)
def test_other_labels_are_refused(labels, tmp_path):
    with pytest.raises(
        ValueError, match=r"images\.npz: labels are .*, expected whole numbers from 0 of shape \(205,\)"
    ):
        arrays.load(write(tmp_path, images=GOOD, labels=labels))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.npz: no such file; give the path of an npz file"):
        arrays.load(str(tmp_path / "absent.npz"))


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        arrays.load(str(tmp_path))


def truncated(tmp_path) -> bytes:
    np.savez(tmp_path / "whole.npz", images=GOOD)
    return (tmp_path / "whole.npz").read_bytes()[:-300]


def damaged(tmp_path) -> bytes:
    np.savez(tmp_path / "whole.npz", images=GOOD)
    content = bytearray((tmp_path / "whole.npz").read_bytes())
    content[1_000] ^= 0xFF
    return bytes(content)


def damaged_compressed(tmp_path) -> bytes:
    np.savez_compressed(tmp_path / "whole.npz", images=GOOD)
    content = bytearray((tmp_path / "whole.npz").read_bytes())
    content[60:400] = b"\xff" * 340
    return bytes(content)


def single_array(tmp_path) -> bytes:
    np.save(tmp_path / "whole.npy", GOOD)
    return (tmp_path / "whole.npy").read_bytes()


NOT_AN_NPZ = r"is not a complete npz file; save with numpy\.savez\(images=\.\.\.\)"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_changed_byte_of_a_file_is_a_traceback_or_another_array(save, tmp_path):
    """Every byte changed, and the file cut after every byte: the same array, or a ValueError that names the file."""
    save(tmp_path / "x.npz", images=np.arange(30.0).reshape(5, 6))
    whole = (tmp_path / "x.npz").read_bytes()
    changed = [whole[:i] + bytes([whole[i] ^ flip]) + whole[i + 1 :] for i in range(len(whole)) for flip in (1, 0xFF)]
    n_refused = 0
    for content in [*changed, *(whole[:n] for n in range(len(whole)))]:
        (tmp_path / "x.npz").write_bytes(content)
        try:
            assert np.array_equal(arrays.read_array(str(tmp_path / "x.npz"), "images"), np.arange(30.0).reshape(5, 6))
        except ValueError as error:
            n_refused += 1
            assert str(error).startswith(f"{tmp_path / 'x.npz'}: ") and "\n" not in str(error)
    assert n_refused > 2 * len(whole)


CORRUPT = {
    "empty": (lambda tmp_path: b"", NOT_AN_NPZ),
    "nonsense": (lambda tmp_path: b"not an npz file at all", NOT_AN_NPZ),
    "begins like a zip": (lambda tmp_path: b"PK\x03\x04 but no zip", NOT_AN_NPZ),
    "bare array": (single_array, NOT_AN_NPZ),
    "truncated": (truncated, NOT_AN_NPZ),
    "one wrong byte": (damaged, "Bad CRC-32"),
    "broken compression": (damaged_compressed, "while decompressing"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_files_are_refused_with_the_reason(name, tmp_path):
    make, message = CORRUPT[name]
    (tmp_path / "images.npz").write_bytes(make(tmp_path))
    with pytest.raises(ValueError, match=rf"images\.npz: .*{message}"):
        arrays.load(str(tmp_path / "images.npz"))
