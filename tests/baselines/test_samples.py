"""A user's own samples: taken as they are, and warned of or refused with the reason where they do not fit the data.

Warnings are errors in the tests, so what is not expected to warn does not.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from baselines import samples as samples_module
from baselines.samples import SampleFile
from cdae.data import TrainingSet
from tests.helpers import mutated, seeded

RNG = np.random.default_rng(0)
MEANS = np.array([10, 60, 120, 180, 250, 90])  # no order of the pixels looks like another
LEVELS = (MEANS + RNG.integers(-9, 10, (300, 6))).clip(0, 255).astype(np.uint8)
IMAGES = TrainingSet(torch.from_numpy(LEVELS), 256, unit_interval=True, image_shape=(2, 3))
VALUES = LEVELS[::-1] / 255.0 * 0.999
SCALES = np.array([1.0, 3.0])
TABLE = TrainingSet(torch.from_numpy(5.0 + SCALES * RNG.standard_normal((400, 2))))


def build(tmp_path, samples: np.ndarray, training_set: TrainingSet = IMAGES, key: str = "samples") -> SampleFile:
    np.savez(tmp_path / "own.npz", **{key: samples})
    return SampleFile.build({"path": str(tmp_path / "own.npz")}, training_set, generator=seeded(0))


@pytest.mark.parametrize("shape", [(300, 6), (300, 2, 3), (300, 1, 2, 3), (300, 2, 3, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8", np.longdouble])
def test_samples_are_flattened_and_kept_in_order(shape, dtype, tmp_path):
    (samples,) = build(tmp_path, VALUES.reshape(shape).astype(dtype)).sample_sets(4, generator=seeded(1))
    assert samples.variant.words == "file" and samples.values.dtype == torch.float32
    np.testing.assert_array_equal(samples.values, VALUES[:4].astype(np.float32))


def test_fewer_samples_than_asked_for_are_all_of_them(tmp_path):
    (samples,) = build(tmp_path, VALUES).sample_sets(10_000, generator=seeded(1))
    assert len(samples.values) == 300


@pytest.mark.parametrize("shape", [(300,), (300, 1)])
def test_numbers_are_samples_of_one_dimension(shape, tmp_path):
    data = TrainingSet(torch.from_numpy(RNG.standard_normal((300, 1))))
    assert build(tmp_path, RNG.standard_normal(shape), data).values.shape == (300, 1)


def colour() -> tuple[TrainingSet, np.ndarray]:
    """Training images 2 x 5 in colour, and samples (300, 2, 5, 3) like them."""
    means = RNG.permutation(np.linspace(0.1, 0.9, 30)).reshape(2, 5, 3)
    values, samples = means + 0.01 * RNG.standard_normal((2, 300, 2, 5, 3))
    data = TrainingSet(torch.from_numpy(values.reshape(300, 30)), unit_interval=True, image_shape=(2, 5, 3))
    return data, samples


@pytest.mark.parametrize("is_first", [False, True])
def test_channels_first_come_last(is_first, tmp_path):
    data, samples = colour()
    model = build(tmp_path, np.moveaxis(samples, 3, 1) if is_first else samples, data)
    np.testing.assert_array_equal(model.values, samples.reshape(300, 30).astype(np.float32))


NO_IMAGES = TrainingSet(IMAGES.values, 256, unit_interval=True)
BAD_SAMPLES = {
    "another size": (VALUES[:, :5], IMAGES, r"samples have shape \(300, 5\), expected \(m, 6\) or \(m, 2, 3\); give"),
    "transposed": (VALUES.reshape(300, 3, 2), IMAGES, r"have shape \(300, 3, 2\), expected \(m, 6\) or \(m, 2, 3\)"),
    "axes of one": (VALUES.reshape(300, 1, 6), IMAGES, r"have shape \(300, 1, 6\), expected \(m, 6\) or \(m, 2, 3\)"),
    "images": (VALUES.reshape(300, 2, 3), NO_IMAGES, r"samples have shape \(300, 2, 3\), expected \(m, 6\); give"),
    "numbers": (VALUES[:, 0], IMAGES, r"samples have shape \(300,\), expected \(m, 6\)"),
    "none": (VALUES[:0], IMAGES, r"samples have shape \(0, 6\)"),
    "scalar": (np.array(1.0), IMAGES, r"samples have shape \(\), expected"),
    "nan": (np.where(np.arange(6) == 1, np.nan, VALUES), IMAGES, "300 values of samples are NaN or infinite"),
    "whole levels": (LEVELS, IMAGES, r"have dtype uint8, expected floats .*; divide levels 0 \.\. L-1 by L-1"),
    "words": (np.full((300, 6), "a"), IMAGES, "samples have dtype <U1, expected floats"),
    "minus one to one": (
        2.0 * VALUES - 1.0,
        IMAGES,
        r"samples lie in \[-0\.99\d*, 0\.99\d*\] .* outside the data's range; expected the data's scale, \[0, 1\] "
        r"with mean .*; if they are in \[-1, 1\], save \(samples \+ 1\) / 2",
    ),
    "levels": (255.0 * VALUES, IMAGES, r"; if they are levels 0 \.\. 255, save samples / 255"),
    "standardized": ((VALUES - VALUES.mean()) / VALUES.std(), IMAGES, r"; if they are standardized, save 0\.3\d* \* s"),
    "another table": (100.0 * TABLE.values.numpy(), TABLE, r"99\.\d% of their values outside .*; rescale"),
    "far in one direction": (VALUES - [[0, 0, 0, 0, 5.0, 0]], IMAGES, r"16\.7% of their values outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_samples_that_do_not_fit_are_refused_with_the_reason(name, tmp_path):
    samples, training_set, message = BAD_SAMPLES[name]
    with pytest.raises(ValueError, match=rf"own\.npz: .*{message}"):
        build(tmp_path, samples, training_set)


def test_levels_of_another_number_are_recognised(tmp_path):
    data = TrainingSet(torch.from_numpy(LEVELS // 16), 16, unit_interval=True, image_shape=(2, 3))
    with pytest.raises(ValueError, match=r"if they are levels 0 \.\. 15, save samples / 15"):
        build(tmp_path, 0.99 * (LEVELS // 16), data)


ODD_SAMPLES = {
    "just outside": (np.where(np.arange(6) == 0, -0.02, VALUES), IMAGES, r"16\.7% of their values outside .*; rescale"),
    "much darker": (0.1 * VALUES, IMAGES, r"lie in \[.*, 0\.0999\] with mean .*, 0\.0% of .*; rescale"),
    "much narrower": (0.45 + 0.3 * (VALUES - 0.45), IMAGES, "with mean .* and std 0.09"),
    "divided twice": (VALUES / 255.0, IMAGES, r"if they were divided by 255 twice, save 255 \* samples"),
    "bright data": (
        2.0 * (0.75 + 0.2 * VALUES) - 1.0,
        TrainingSet(torch.from_numpy(0.75 + 0.2 * VALUES), unit_interval=True),
        r"if they are in \[-1, 1\], save \(samples \+ 1\) / 2",
    ),
    "a wider table": (5.0 + 2.5 * SCALES * RNG.standard_normal((300, 2)), TABLE, "with mean .* and std"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_SAMPLES)
def test_samples_that_may_be_wrong_are_warned_of_and_kept(name, tmp_path):
    samples, training_set, message = ODD_SAMPLES[name]
    with pytest.warns(UserWarning, match=rf"own\.npz: .*{message}"):
        model = build(tmp_path, samples, training_set)
    np.testing.assert_array_equal(model.values, samples.astype(np.float32))


@pytest.mark.parametrize("seed", range(10))
def test_samples_of_the_data_s_own_distribution_are_not_warned_of(seed, tmp_path):
    """In a table many of them are a little outside the range of the training examples."""
    rng = np.random.default_rng(seed)
    build(tmp_path, 5.0 + SCALES * rng.standard_normal((300, 2)), TABLE)
    build(tmp_path, (MEANS + rng.integers(-9, 10, (300, 6))).clip(0, 255) / 255.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_gaussian_around_black_pixels_is_warned_of_and_never_refused(seed, tmp_path):
    """The isotropic control of images that are mostly black: half of its values are negative."""
    rng = np.random.default_rng(seed)
    values = rng.random((300, 40)) * (rng.random((300, 40)) < 0.15)
    data = TrainingSet(torch.from_numpy(values), unit_interval=True, image_shape=(8, 5))
    samples = values.mean(0) + np.sqrt(values.var(0).mean()) * rng.standard_normal((300, 40))
    with pytest.warns(UserWarning, match="values outside the data's range"):
        build(tmp_path, samples, data)


@pytest.mark.parametrize("size", [(5, 5), (4, 5)])
@pytest.mark.parametrize("order", ["right", "transposed", "channels first"])
def test_another_order_of_pixels_is_warned_of(order, size, tmp_path):
    means = RNG.permutation(np.linspace(0.1, 0.9, 3 * size[0] * size[1])).reshape(*size, 3)
    images, samples = means + 0.01 * RNG.standard_normal((2, 300, *size, 3))
    data = TrainingSet(torch.from_numpy(images.reshape(300, -1)), unit_interval=True, image_shape=(*size, 3))
    axes = {"right": (0, 1, 2, 3), "transposed": (0, 2, 1, 3), "channels first": (0, 3, 1, 2)}[order]
    text = {"transposed": "with rows and columns exchanged", "channels first": "with channels first"}.get(order)
    message = (
        rf"own\.npz: the mean of the samples is much nearer .* if they are read {text}; expected pixels in the order"
    )
    with pytest.warns(UserWarning, match=message) if text else nullcontext():
        build(tmp_path, samples.transpose(axes).reshape(300, -1), data)


@pytest.mark.parametrize(
    ("n", "message"), [(1, "holds 1 sample, expected 100"), (99, "holds 99 samples, expected 100")]
)
def test_few_samples_are_warned_of(n, message, tmp_path):
    with pytest.warns(UserWarning, match=rf"own\.npz: {message} at least; a Parzen estimate"):
        build(tmp_path, DISTINCT[:n])


DISTINCT = VALUES + 1e-4 * RNG.random(VALUES.shape)


@pytest.mark.parametrize("n_copies", [1, 150])
def test_repeated_samples_are_warned_of(n_copies, tmp_path):
    build(tmp_path, DISTINCT)
    repeated = np.concatenate([DISTINCT[:150], DISTINCT[:n_copies]])
    with pytest.warns(
        UserWarning, match=rf"own\.npz: {n_copies} of {150 + n_copies} samples are exact copies of others"
    ):
        build(tmp_path, repeated)


def test_a_file_without_samples_says_what_it_has(tmp_path):
    with pytest.raises(ValueError, match=r"own\.npz: has the arrays \['images'\], expected 'samples'"):
        build(tmp_path, VALUES, key="images")


MUTANTS = {
    "excess below alone": ("np.maximum(low - samples, samples - high)", "low - samples"),
    "excess above alone": ("np.maximum(low - samples, samples - high)", "samples - high"),
    "never far": ("> FAR * std", "> 1e9 * std"),
    "the largest excess": ("np.sqrt(np.square(excess).mean())", "excess.max()"),
    "variance as std": ("std = data.std() if", "std = data.var() if"),
}


@pytest.mark.parametrize("name", [*MUTANTS, None])
@pytest.mark.filterwarnings("ignore:.*the data's range:UserWarning")
def test_mutants_of_far_outside_are_seen(name):
    """By samples below, above, with a tail far outside, and just outside."""
    module = mutated(samples_module, *MUTANTS[name]) if name else samples_module
    data = VALUES.astype(np.float64)
    tail = np.where(RNG.random(data.shape) < 0.003, 3.0, data)
    cases = [(data - 1.0, True), (data + 1.0, True), (tail, False), (data - 0.4, False)]

    def is_refused(samples: np.ndarray) -> bool:
        try:
            module.check_scale(samples, data, IMAGES, "own")
        except ValueError:
            return True
        return False

    assert all(is_refused(samples) == expected for samples, expected in cases) == (name is None)
