"""Nats to bits per dimension and back, against known densities."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from cdae.units import bits_per_dim, change_scale, nats


def test_the_uniform_density_on_256_levels_is_8_bits():
    assert bits_per_dim(0.0, dim=784, n_intensity_levels=256) == 8.0
    assert bits_per_dim(0.0, dim=1, n_intensity_levels=17) == math.log2(17)


def test_one_bit_less_for_every_doubling_of_the_density_per_dimension():
    assert bits_per_dim(784 * math.log(2.0), dim=784, n_intensity_levels=256) == pytest.approx(7.0, abs=1e-12)


def test_bits_are_the_entropy_of_the_levels_where_the_density_is_constant_per_level():
    """For a density that is flat within each level Jensen's inequality is tight: bits per dimension = entropy."""
    probability = np.array([0.5, 0.25, 0.125, 0.125])
    log_density = np.log(probability * 4)  # each level has width 1/4 on [0, 1]
    average = (probability * bits_per_dim(log_density, dim=1, n_intensity_levels=4)).sum()
    assert average == pytest.approx(1.75, abs=1e-12)


@pytest.mark.parametrize("slope", [1.0, 256.0, 1 / 3, -2.0])
@pytest.mark.parametrize("n_intensity_levels", [2, 17, 256])
def test_nats_is_the_inverse_of_bits_per_dim(slope, n_intensity_levels):
    values = np.array([-1e4, -52.5, 0.0, 1471.0])
    options = {"dim": 784, "n_intensity_levels": n_intensity_levels, "slope": slope}
    np.testing.assert_allclose(nats(bits_per_dim(values, **options), **options), values, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("slope, offset", [(2.0, -1.0), (256.0, 0.0), (-0.3, 5.0)])
def test_change_of_scale_of_a_known_density(slope, offset):
    dim, mean, std = 5, 0.4, 0.2
    x = np.random.default_rng(0).random((7, dim))
    before = stats.norm(mean, std).logpdf(x).sum(1)
    after = stats.norm(slope * mean + offset, abs(slope) * std).logpdf(slope * x + offset).sum(1)
    np.testing.assert_allclose(change_scale(before, dim=dim, slope=slope), after, rtol=1e-12)
    np.testing.assert_allclose(change_scale(after, dim=dim, slope=1 / slope), before, rtol=1e-12)


def test_bits_per_dim_do_not_depend_on_the_scale_of_the_model():
    log_density = torch.tensor([-3.0, 0.0, 12.5], dtype=torch.float64)
    scaled = change_scale(log_density, dim=6, slope=2.0)
    expected = bits_per_dim(log_density, dim=6, n_intensity_levels=256)
    torch.testing.assert_close(bits_per_dim(scaled, dim=6, n_intensity_levels=256, slope=2.0), expected)


def test_the_density_of_levels_plus_noise_needs_no_log2_of_the_levels():
    """With slope L the model's density is one of y + u, and bits per dimension are minus log2 of it."""
    assert bits_per_dim(-10.0 * math.log(2.0), dim=10, n_intensity_levels=32, slope=32.0) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [bits_per_dim, nats])
@pytest.mark.parametrize("n_intensity_levels", [1, 0, -256])
def test_data_without_levels_are_refused(function, n_intensity_levels):
    with pytest.raises(ValueError, match=f"n_intensity_levels: got {n_intensity_levels}, expected at least 2"):
        function(0.0, dim=1, n_intensity_levels=n_intensity_levels)


@pytest.mark.parametrize("options", [{"dim": 0}, {"slope": 0.0}, {"slope": math.inf}, {"slope": math.nan}])
def test_impossible_dimensions_and_slopes_are_refused(options):
    name = next(iter(options))
    for function in (bits_per_dim, nats):
        with pytest.raises(ValueError, match=f"{name}: got"):
            function(0.0, **({"dim": 1, "n_intensity_levels": 256} | options))
    with pytest.raises(ValueError, match=f"{name}: got"):
        change_scale(0.0, **({"dim": 1, "slope": 1.0} | options))
