"""The Frechet distance between two sets of features, each taken as Gaussian.

    |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

with means m and covariances S (D. Dowson and B. Landau, "The Frechet Distance between Multivariate Normal
Distributions", 1982). It is used on features since M. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule
Converge to a Local Nash Equilibrium", 2017; theirs were an Inception network's, so their numbers and ours do not
compare. It is too large on average for finite sets, and more so for smaller ones.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    """Return the squared distance between two sets of rows, in squared units of the features, at least 0.

    The trace of (S_1 S_2)^(1/2) is the sum of the square roots of the eigenvalues of R S_2 R, with R = S_1^(1/2).

    Raises:
        ValueError: if a set has fewer than two rows.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"frechet_distance: got sets of {len(a)} and {len(b)} rows, expected at least 2; give more")
    a, b = a.double(), b.double()
    cov_a, cov_b = (x.T.cov() if x.shape[1] > 1 else x.var(0)[:, None] for x in (a, b))
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0.0).sqrt().sum()
    total = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2.0 * cross
    return max(0.0, total.item())
