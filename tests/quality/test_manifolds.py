"""Precision, recall, density and coverage against their definitions, their authors' code, and values known by hand."""

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from cdae.quality import distances, manifolds
from tests.helpers import mutated, seeded
from tests.oracles import manifolds as oracle

MEASURES = ("precision", "recall", "density", "coverage")


def sets(n=23, m=31, dim=3):
    generator = seeded(0)
    real = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return real, 1.3 * torch.randn(m, dim, generator=generator, dtype=torch.float64) + 0.6


def agrees(module=manifolds, k=3) -> bool:
    real, fake = sets()
    got, expected = module.manifolds(real, fake, n_neighbours=k), oracle.measures(real.numpy(), fake.numpy(), k)
    return all(np.array_equal(getattr(got, name).numpy(), expected[name].astype(float)) for name in MEASURES)


@pytest.mark.parametrize("k", [1, 3, 22])
def test_every_value_is_that_of_the_definition(k):
    assert agrees(k=k)


def test_blocks_change_nothing(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 70)  # two or three rows
    assert agrees()


@pytest.mark.parametrize("k", [3, 5])
def test_means_are_those_of_the_authors_package(k):
    real, fake = sets(60, 60, 8)
    expected = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
    got = manifolds.manifolds(real, fake, n_neighbours=k)
    assert {name: getattr(got, name).mean().item() for name in MEASURES} == pytest.approx(expected, rel=1e-12)


def test_four_points_by_hand():
    """Real points 0, 1, 3 with radii 1, 1, 2; samples 0.5, 9, 9.5 with radii 8.5, 0.5, 0.5."""
    real, fake = (torch.tensor(points, dtype=torch.float64)[:, None] for points in ([0.0, 1.0, 3.0], [0.5, 9.0, 9.5]))
    got = manifolds.manifolds(real, fake, n_neighbours=1)
    assert got.precision.tolist() == [1.0, 0.0, 0.0] and got.recall.tolist() == [1.0, 1.0, 1.0]
    assert got.density.tolist() == [2.0, 0.0, 0.0] and got.coverage.tolist() == [1.0, 1.0, 0.0]


MUTANTS = {
    "the balls of real examples in recall": ("(squared < sample_radii).any(1)",
                                             "(squared < real_radii[start : start + len(squared), None]).any(1)"),
    "closed by one more": ("holders / n_neighbours", "holders / (n_neighbours + 1)"),
    "the first block's radii": ("holders += in_ball_of_real.sum(0)", "holders = in_ball_of_real.sum(0)"),
    "larger radii": ("radii(real, n_neighbours), radii(", "radii(real, n_neighbours + 1), radii("),
    "a radius of the others": ("radii(samples, n_neighbours)", "radii(real, n_neighbours).mean()"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 70)
    assert not agrees(mutated(manifolds, *MUTANTS[name]))


@pytest.mark.parametrize("k", [0, 23])
def test_more_neighbours_than_others_are_refused(k):
    with pytest.raises(ValueError, match=rf"n_neighbours: got {k}, expected 1 to 22, fewer than the 23 examples"):
        manifolds.manifolds(*sets(), n_neighbours=k)


def test_samples_of_the_same_distribution_have_a_density_near_one():
    generator = seeded(1)
    real, fake = (torch.randn(1_000, 2, generator=generator) for _ in range(2))
    got = manifolds.manifolds(real, fake, n_neighbours=5)
    assert abs(got.density.mean() - 1.0) < 0.1 and got.coverage.mean() > 0.95


def test_one_sample_repeated_covers_next_to_nothing():
    real = torch.randn(100, 2, generator=seeded(2))
    got = manifolds.manifolds(real, real[:1].expand(100, -1), n_neighbours=5)
    assert got.precision.mean() == 1.0 and got.coverage.mean() < 0.2 and got.recall.mean() == 0.0
