"""Principal components of the training examples: a linear representation that is trained on nothing else."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

SHARE = 0.95  # of the variance, which the components that are kept have together


def principal_components(training: Float[Tensor, "t dim"]) -> Callable[[Tensor], Tensor]:
    """Return the map of examples (n, dim) to the fewest components that have `SHARE` of the training set's variance."""
    mean = training.double().mean(0)
    centred = training.double() - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(training))
    variances, directions = variances.clamp(min=0.0).flip(0), directions.flip(1)
    n_kept = int((variances.cumsum(0) < SHARE * variances.sum()).sum()) + 1

    def features(x: Tensor) -> Tensor:
        return ((x.double() - mean) @ directions[:, :n_kept]).to(x.dtype)

    return features
