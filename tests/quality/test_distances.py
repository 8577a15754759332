"""Distances, nearest neighbours and copies against loops over pairs, and the Frechet distance against SciPy."""

import numpy as np
import pytest
import scipy.linalg
import torch

from cdae.quality import copies, distances, frechet
from tests.helpers import mutated, seeded
from tests.oracles import manifolds as oracle


def points(n, dim=4, offset=0.0, seed=0):
    return offset + torch.randn(n, dim, generator=seeded(seed), dtype=torch.float64)


def test_squared_distances_are_those_of_pairs_far_from_the_origin_too(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 30)
    x, y = points(7, offset=1e4), points(9, offset=1e4, seed=1)
    got = torch.cat(list(distances.squared_distances(x, y)))
    expected = np.square(x.numpy()[:, None] - y.numpy()).sum(2)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


def test_the_nearest_row_but_for_the_excluded_one(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 20)
    x = points(12)
    distance, index = distances.nearest(x, x)
    assert index.tolist() == list(range(12)) and distance.tolist() == [0.0] * 12
    distance, index = distances.nearest(x, x, excluded=torch.arange(12))
    pairs = np.sqrt(np.square(x.numpy()[:, None] - x.numpy()).sum(2))
    np.fill_diagonal(pairs, np.inf)
    assert index.tolist() == pairs.argmin(1).tolist()
    np.testing.assert_allclose(distance.numpy(), pairs.min(1), rtol=1e-12)


def is_right(module=copies) -> bool:
    training = points(20)
    samples = torch.cat([training[:4], training[4:8] + 0.05, points(8, offset=0.5, seed=2)])
    got, (distance, is_copy) = module.copies(samples, training), oracle.copies(samples.numpy(), training.numpy())
    assert 0 < is_copy[8:].sum() < 8
    return np.allclose(got.distance, distance, rtol=1e-12) and np.array_equal(got.is_copy, is_copy)


def test_a_copy_is_nearer_than_the_training_examples_own_neighbour():
    assert is_right()


MUTANTS = {
    "itself": (", excluded=found)", ")"),
    "of another sample": ("apart[place]", "apart[place.flip(0)]"),
    "the other way": ("distance < apart", "distance > apart"),
    "not per dimension": (" / samples.shape[1] ** 0.5", ""),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_copies_are_seen(name):
    assert not is_right(mutated(copies, *MUTANTS[name]))


def test_a_single_training_example_has_no_neighbour():
    with pytest.raises(ValueError, match="got 1 training examples, expected at least 2"):
        copies.copies(points(2), points(1))


def scipys(a, b):
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2.0 * root)


def frechet_is_right(module=frechet) -> bool:
    a, b = points(50), points(40, offset=0.3, seed=1) @ points(4, seed=2)
    return np.isclose(module.frechet_distance(a, b), scipys(a.numpy(), b.numpy()), rtol=1e-9)


def test_the_frechet_distance_is_that_of_scipys_root():
    assert frechet_is_right()


FRECHET_MUTANTS = {
    "no root": ("values.clamp(min=0.0).sqrt()", "values.clamp(min=0.0)"),
    "once": ("- 2.0 * cross", "- cross"),
    "without means": ("(a.mean(0) - b.mean(0)).square().sum() + ", ""),
    "one-sided": ("root @ cov_b @ root", "root @ cov_b"),
}


@pytest.mark.parametrize("name", FRECHET_MUTANTS)
def test_mutants_of_the_frechet_distance_are_seen(name):
    assert not frechet_is_right(mutated(frechet, *FRECHET_MUTANTS[name]))


def test_it_is_known_in_one_dimension_and_for_equal_and_flat_sets():
    """(m_1 - m_2)^2 + (s_1 - s_2)^2; 0 for a set and itself, also where its covariance is singular."""
    a, b = points(30, 1), 2.0 * points(20, 1, seed=1) + 3.0
    expected = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert frechet.frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-12)
    flat = points(5, 8)
    assert frechet.frechet_distance(flat, flat) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="got sets of 1 and 20 rows, expected at least 2"):
        frechet.frechet_distance(a[:1], b)
