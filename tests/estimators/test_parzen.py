"""Parzen windows against an explicit mixture, near and far, in both precisions, and the choice of bandwidth."""

import math

import numpy as np
import pytest
import torch

from cdae.estimators import parzen
from tests.oracles.mixtures import parzen_log_density

BANDWIDTHS = torch.tensor([0.05, 0.2, 1.0], dtype=torch.float64)


def samples_and_points(dim: int, n_samples: int = 60, n_points: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """In [0, 1], as pixels are."""
    rng = np.random.default_rng(dim)
    return rng.random((n_samples, dim)), rng.random((n_points, dim))


def largest_error(dtype: torch.dtype, dim: int = 3, offset: float = 0.0) -> float:
    samples, x = samples_and_points(dim)
    samples, x = torch.tensor(samples + offset, dtype=dtype), torch.tensor(x + offset, dtype=dtype)
    actual = parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS).numpy()
    expected = [parzen_log_density(samples.double().numpy(), x.double().numpy(), h) for h in BANDWIDTHS.tolist()]
    return np.abs(actual - np.stack(expected)).max()


@pytest.mark.parametrize("dim", [1, 3, 64])
def test_equals_the_explicit_mixture_in_float64(dim):
    """Pins d log h, h against its square, the number of samples and 2 pi, for bandwidths that share distances."""
    assert largest_error(torch.float64, dim) < 1e-9


@pytest.mark.parametrize("dim", [1, 3, 64, 784])
def test_equals_the_explicit_mixture_in_float32_within_a_hundredth_of_a_nat(dim):
    assert largest_error(torch.float32, dim) < 0.01


def test_data_far_from_the_origin_lose_nothing_in_float32():
    assert largest_error(torch.float32, dim=64, offset=1_000.0) < 0.01


def test_single_bandwidth_is_the_row_of_several():
    samples, x = map(torch.from_numpy, samples_and_points(3))
    rows = parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)
    one = parzen.log_density(samples, x, bandwidth=0.2)
    assert one.dtype == torch.float64 and one.shape == (25,)
    assert torch.equal(one, rows[1])


def test_one_sample_is_a_gaussian():
    value = parzen.log_density(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), bandwidth=0.5).item()
    assert value == pytest.approx(-0.5 * 25 / 0.25 - 2 * math.log(0.5) - math.log(2 * math.pi), rel=1e-12)


def test_far_away_points_have_finite_log_densities():
    """About -1e5 nats, where every kernel underflows without the shift by the nearest sample."""
    samples, _ = samples_and_points(4)
    x = np.full((2, 4), 1.0) + np.array([[10.0], [45.0]])
    expected = parzen_log_density(samples, x, 0.2)
    assert expected[1] < -1e5
    for dtype in (torch.float32, torch.float64):
        actual = parzen.log_density(torch.tensor(samples, dtype=dtype), torch.tensor(x, dtype=dtype), bandwidth=0.2)
        assert actual.isfinite().all()
        np.testing.assert_allclose(actual, expected, rtol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("block_elements", [1, 60, 61, 60 * 24, 60 * 25, 60 * 26])
def test_blocks_do_not_change_the_result(block_elements, monkeypatch):
    """Whatever the number of rows per block: below one, exactly all, more than all."""
    samples, x = map(torch.from_numpy, samples_and_points(3))
    whole = parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)
    monkeypatch.setattr(parzen, "BLOCK_ELEMENTS", block_elements)
    blocks = parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)
    torch.testing.assert_close(blocks, whole, rtol=1e-12, atol=1e-12)


def test_arguments_are_left_as_they_were():
    """The shared matrix of distances is changed in place; samples and points are not."""
    samples, x = map(torch.from_numpy, samples_and_points(3))
    before = samples.clone(), x.clone()
    parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)
    assert torch.equal(samples, before[0]) and torch.equal(x, before[1])


@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
def test_best_bandwidth_equals_brute_force(spread):
    """By the mean of the explicit mixture at the validation points; the three cases have three answers."""
    rng = np.random.default_rng(0)
    samples, validation = spread * rng.standard_normal((50, 2)), spread * rng.standard_normal((20, 2))
    grid = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    means = [parzen_log_density(samples, validation, h).mean() for h in grid]
    chosen = parzen.best_bandwidth(
        torch.from_numpy(samples), torch.from_numpy(validation), bandwidths=torch.tensor(grid, dtype=torch.float64)
    )
    assert chosen == grid[int(np.argmax(means))]
    assert 0 < int(np.argmax(means)) < 5


def test_protocol_grid_is_ten_bandwidths_from_a_tenth_to_one():
    np.testing.assert_allclose(parzen.GOODFELI2014_BANDWIDTHS, np.logspace(-1, 0, 10))
    assert parzen.GOODFELI2014_VALIDATION == 1_000


@pytest.mark.parametrize("bandwidth", [0.0, -0.1, float("nan")])
def test_bandwidth_must_be_positive(bandwidth):
    with pytest.raises(ValueError, match=r"parzen: got 3 samples and bandwidths .* expected .* above 0"):
        parzen.log_density(torch.zeros(3, 2), torch.zeros(1, 2), bandwidth=bandwidth)


def test_samples_must_not_be_empty():
    with pytest.raises(ValueError, match=r"parzen: got 0 samples .* expected at least one sample"):
        parzen.log_density(torch.zeros(0, 2), torch.zeros(1, 2), bandwidth=0.1)


def forget_the_bandwidth_in_the_constant(monkeypatch, real):
    def mutant(samples, x, *, bandwidths):
        return real(samples, x, bandwidths=bandwidths) + samples.shape[1] * bandwidths.log()[:, None]

    return mutant


def variance_for_bandwidth(monkeypatch, real):
    return lambda samples, x, *, bandwidths: real(samples, x, bandwidths=bandwidths.sqrt())


def wrong_number_of_samples(monkeypatch, real):
    return lambda samples, x, *, bandwidths: real(samples, x, bandwidths=bandwidths) + math.log(len(samples) / len(x))


def drop_two_pi(monkeypatch, real):
    monkeypatch.setattr(parzen, "LOG_2PI", 0.0)
    return real


def drop_distant_terms(monkeypatch, real):
    """Kernels of other than the nearest sample counted as 1: the clamp of exponents at the wrong place."""
    monkeypatch.setattr(parzen, "LOWEST_EXPONENT", 0.0)
    return real


MUTANTS = [
    forget_the_bandwidth_in_the_constant,
    variance_for_bandwidth,
    wrong_number_of_samples,
    drop_two_pi,
    drop_distant_terms,
]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_are_seen(mutate, monkeypatch):
    """Each by far more than the gates of 1e-9 and 0.01 nats."""
    mutant = mutate(monkeypatch, parzen.log_density_by_bandwidth)
    monkeypatch.setattr(parzen, "log_density_by_bandwidth", mutant)
    assert largest_error(torch.float64) > 0.3
