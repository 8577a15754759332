"""Data: dequantization, moments, the prepared file, and that training cannot see the test split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cdae.computing.arrays import read_npz, write_npz
from cdae.data import (
    RawData,
    TrainingSet,
    dequantize,
    load_evaluation_set,
    load_training_set,
    prepare,
)
from cdae.datasets.binarized import binarized
from tests.helpers import assert_mean, seeded


def discrete(n_intensity_levels: int = 17) -> RawData:
    rng = np.random.default_rng(0)
    splits = [rng.integers(0, n_intensity_levels, (n, 6), dtype=np.uint8) for n in (40, 10, 12)]
    return RawData(*splits, n_intensity_levels, unit_interval=True, image_shape=(2, 3))


def continuous() -> RawData:
    rng = np.random.default_rng(1)
    splits = [(2.0 * rng.standard_normal((n, 3)) + 5.0).astype(np.float32) for n in (40, 10, 12)]
    return RawData(*splits, None, unit_interval=False, log_density=lambda x: x.sum(1))


def test_dequantization_fills_the_cell_of_each_level():
    """(y + u) / L: floor(L x) gives the level back, and u is uniform."""
    levels = np.repeat(np.arange(4), 5_000)[:, None]
    x = dequantize(levels, 4, rng=np.random.default_rng(0))
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    u = 4.0 * x.astype(np.float64) - levels
    assert u.min() >= -1e-6 and u.max() <= 1 + 1e-6
    assert_mean(u, 0.5)
    assert_mean((u - 0.5) ** 2, 1 / 12)


def test_the_same_data_are_prepared_to_the_same_bytes(tmp_path):
    """The dequantization of the test split is fixed, by the name of the data set."""
    for path in ("one", "other"):
        prepare(discrete(), "digits", tmp_path / path)
    prepare(discrete(), "another name", tmp_path / "third")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    first, third = (load_evaluation_set(tmp_path / path).examples for path in ("one", "third"))
    assert not torch.equal(first, third)


def test_labels_stand_beside_the_examples_and_change_none_of_them(tmp_path):
    raw = discrete()
    labels = tuple(np.arange(len(split), dtype=np.uint8) for split in (raw.train, raw.validation, raw.test))
    prepare(raw, "digits", tmp_path / "without")
    prepare(replace(raw, labels=labels), "digits", tmp_path / "with")
    without, found = read_npz(tmp_path / "without"), read_npz(tmp_path / "with")
    names = ("train_labels", "validation_labels", "test_labels")
    assert set(found) - set(without) == set(names)
    assert all(np.array_equal(found[name], array) for name, array in without.items())
    for name, expected in zip(names, labels, strict=True):
        assert found[name].dtype == np.int64 and np.array_equal(found[name], expected)


@pytest.mark.parametrize(
    "wrong",
    [np.arange(11), np.arange(12.0), np.arange(12) - 1, np.zeros((12, 1), int)],
    ids=["few", "real", "-1", "2d"],
)
def test_labels_that_are_not_one_per_example_are_refused(wrong):
    raw = discrete()
    right = [np.zeros(len(split), int) for split in (raw.train, raw.validation)]
    with pytest.raises(ValueError, match=r"mine: test has labels of .*, expected whole numbers from 0 in the shape"):
        replace(raw, labels=(*right, wrong)).check("mine")


def test_test_images_are_dequantized_in_their_cells(tmp_path):
    raw = discrete()
    prepare(raw, "digits", tmp_path / "data.npz")
    test = load_evaluation_set(tmp_path / "data.npz").examples
    assert test.dtype == torch.float32 and test.min() >= 0 and test.max() <= 1
    assert np.array_equal(np.floor(17 * test.numpy()), raw.test)


@pytest.mark.parametrize("n_levels", [2, 17, 256])
def test_training_draws_are_fresh_and_in_their_cells(n_levels):
    values = torch.from_numpy(discrete(n_levels).train)
    training_set = TrainingSet(values, n_levels, unit_interval=True)
    generator = seeded(0)
    one, other = training_set.draw(generator=generator), training_set.draw(generator=generator)
    assert not torch.equal(one, other)
    assert torch.equal(one, training_set.draw(generator=seeded(0)))
    for x in (one, other):
        assert x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
        assert (x * n_levels - values).min() >= -1e-4 and (x * n_levels - values).max() <= 1 + 1e-4


def test_training_draws_of_real_values_are_the_values():
    values = torch.from_numpy(continuous().train)
    assert torch.equal(TrainingSet(values).draw(generator=seeded(0)), values)


def test_summary_has_the_moments_of_many_draws():
    """Mean and std per pixel of the dequantized data; the variance of u is the 1/12 that is easily forgotten."""
    values = torch.tensor([[0, 1, 3], [0, 2, 3], [0, 3, 0]], dtype=torch.uint8)
    training_set = TrainingSet(values, 4, unit_interval=True)
    summary, generator = training_set.summary(), seeded(0)
    draws = np.stack([training_set.draw(generator=generator).double().numpy() for _ in range(5_000)])
    assert_mean(draws.mean(1), summary.mean.numpy())
    assert_mean(np.square(draws - summary.mean.numpy()).mean(1), summary.std.numpy() ** 2)
    assert summary.pooled_std == pytest.approx(summary.std.square().mean().sqrt().item())
    assert summary.unit_interval


def test_summary_of_real_values_is_their_own():
    values = continuous().train
    summary = TrainingSet(torch.from_numpy(values)).summary()
    np.testing.assert_allclose(summary.mean, values.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(summary.std, values.std(0, dtype=np.float64), rtol=1e-12)
    assert summary.pooled_std == pytest.approx(np.sqrt(values.var(0, dtype=np.float64).mean()))


def test_pixels_run_from_zero_to_one_without_dequantization():
    values = torch.tensor([[0, 8, 16]], dtype=torch.uint8)
    assert TrainingSet(values, 17).pixels().tolist() == [[0.0, 0.5, 1.0]]
    real = torch.tensor([[-3.0, 7.5]])
    assert torch.equal(TrainingSet(real).pixels(), real)


def test_length_is_the_number_of_examples():
    assert len(TrainingSet(torch.zeros(5, 2))) == 5


@pytest.mark.parametrize("make", [discrete, continuous, lambda: binarized(discrete(), "name")])
def test_training_set_comes_back_from_the_file(make, tmp_path):
    raw = make()
    prepare(raw, "name", tmp_path / "data.npz")
    training_set = load_training_set(tmp_path / "data.npz")
    assert np.array_equal(training_set.values.numpy(), raw.train)
    assert training_set.n_intensity_levels == raw.n_intensity_levels
    assert training_set.unit_interval == raw.unit_interval
    assert training_set.image_shape == raw.image_shape
    assert training_set.binarized == raw.binarized


def test_training_never_reads_the_held_out_splits(tmp_path):
    """A file from which everything else is removed still loads, and equals the one from the whole file."""
    prepare(discrete(), "digits", tmp_path / "whole.npz")
    kept = read_npz(tmp_path / "whole.npz", "train", "n_intensity_levels", "unit_interval", "image_shape", "binarized")
    write_npz(tmp_path / "train_only.npz", kept)
    whole, train_only = (load_training_set(tmp_path / f"{name}.npz") for name in ("whole", "train_only"))
    assert torch.equal(whole.values, train_only.values)
    assert torch.equal(whole.draw(generator=seeded(0)), train_only.draw(generator=seeded(0)))


def test_evaluation_set_of_levels(tmp_path):
    raw = discrete()
    prepare(raw, "digits", tmp_path / "data.npz")
    data = load_evaluation_set(tmp_path / "data.npz")
    np.testing.assert_allclose(data.pixels, raw.test / 16.0, rtol=1e-6)
    np.testing.assert_allclose(data.validation_pixels, raw.validation / 16.0, rtol=1e-6)
    assert data.log_density is None and data.bandwidth_unit == 1.0


def test_evaluation_set_of_real_values(tmp_path):
    """The log density is that of the float32 values as stored; bandwidths are in units of the training std."""
    raw = continuous()
    prepare(raw, "toy", tmp_path / "data.npz")
    data = load_evaluation_set(tmp_path / "data.npz")
    for values in (data.examples, data.pixels):
        assert np.array_equal(values.numpy(), raw.test)
    assert np.array_equal(data.validation_pixels.numpy(), raw.validation)
    assert data.log_density.dtype == torch.float64
    np.testing.assert_array_equal(data.log_density, raw.test.astype(np.float64).sum(1))
    assert data.bandwidth_unit == pytest.approx(np.sqrt(raw.train.var(0, dtype=np.float64).mean()))


BAD_SPLITS = [
    ({"test": np.zeros((0, 6), np.uint8)}, r"test has shape \(0, 6\), expected \(n, 6\), n > 0"),
    ({"validation": np.zeros((3, 5), np.uint8)}, r"validation has shape \(3, 5\), expected \(n, 6\)"),
    ({"test": np.zeros((3, 2, 3), np.uint8)}, r"test has shape \(3, 2, 3\), expected \(n, 6\)"),
    ({"train": np.full((3, 6), 17, np.uint8)}, r"train has values in \[17, 17\], expected \[0, 16\]"),
    ({"test": np.full((3, 6), -1.0)}, r"test has values in \[-1.0, -1.0\], expected \[0, 16\]"),
    ({"test": np.full((3, 6), np.nan)}, "test has values that are not finite"),
    ({"validation": np.full((3, 6), np.inf)}, "validation has values that are not finite"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_SPLITS)
def test_bad_splits_are_refused_by_name_before_anything_is_written(bad, message, tmp_path):
    with pytest.raises(ValueError, match=f"name: {message}"):
        prepare(replace(discrete(), **bad), "name", tmp_path / "data.npz")
    assert list(tmp_path.iterdir()) == []


def test_real_values_outside_the_unit_interval_are_refused_only_where_they_claim_it():
    continuous().check("fine")
    with pytest.raises(ValueError, match=r"name: train has values in .* expected \[0, 1\]"):
        replace(continuous(), unit_interval=True).check("name")
