"""Precision, recall, density and coverage of samples beside real examples, by balls of nearest neighbours.

The ball of an example reaches to its k-th nearest neighbour among the others of its own set, boundary excluded. Real
examples x_1 .. x_n and samples y_1 .. y_m are rows of features.

    precision  the share of samples in the ball of some real example
    recall     the share of real examples in the ball of some sample
    density    the mean over samples of (1/k) #{i: y_j in the ball of x_i}; it may exceed 1
    coverage   the share of real examples whose ball holds some sample

Sources: T. Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019 (precision
and recall); M. F. Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020 (density and
coverage). Their values depend on the numbers of examples and samples, so compare sets of equal sizes alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.quality.distances import radii, squared_distances


@dataclass(frozen=True)
class Manifolds:
    """The four measures before they are averaged: per sample, or per real example; 0 or 1, but for the density."""

    precision: Float[Tensor, "m"]
    recall: Float[Tensor, "n"]
    density: Float[Tensor, "m"]
    coverage: Float[Tensor, "n"]


def manifolds(
    real: Float[Tensor, "n features"], samples: Float[Tensor, "m features"], *, n_neighbours: int
) -> Manifolds:
    """Compare samples with real examples.

    Args:
        n_neighbours: k.

    Raises:
        ValueError: unless either set has more than k rows.
    """
    real, samples = real.double(), samples.double()  # radii and distances are compared
    real_radii, sample_radii = radii(real, n_neighbours), radii(samples, n_neighbours)
    holders = torch.zeros(len(samples), dtype=torch.float64, device=real.device)
    recall, coverage, start = [], [], 0
    for squared in squared_distances(real, samples):
        in_ball_of_real = squared < real_radii[start : start + len(squared), None]
        holders += in_ball_of_real.sum(0)
        coverage.append(in_ball_of_real.any(1))
        recall.append((squared < sample_radii).any(1))
        start += len(squared)
    return Manifolds(
        precision=(holders > 0).double(),
        recall=torch.cat(recall).double(),
        density=holders / n_neighbours,
        coverage=torch.cat(coverage).double(),
    )
