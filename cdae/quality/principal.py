"""Principal components of the training examples: a linear representation that is trained on nothing else."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor

SHARE = 0.95  # of the variance, which the components that are kept have together


def principal_components(training: Float[Tensor, "t dim"]) -> Callable[[Tensor], Tensor]:
    """Return the map of examples (n, dim) to the fewest components that have `SHARE` of the training set's variance."""
    fitted = PCA(n_components=SHARE, svd_solver="full").fit(training.double().cpu().numpy())

    def features(x: Tensor) -> Tensor:
        return torch.from_numpy(fitted.transform(x.double().cpu().numpy())).to(x)

    return features
