"""Principal components beside those of scikit-learn, up to the sign of each."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from cdae.quality.principal import principal_components


def test_they_are_scikit_learns():
    rng = np.random.default_rng(0)
    training = 3.0 + rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)) * [5.0, 3.0, 1.0, 0.5, 0.2, 0.1]
    new = rng.standard_normal((7, 6))
    expected = PCA(n_components=0.95, svd_solver="full").fit(training).transform(new)
    found = principal_components(torch.from_numpy(training))(torch.from_numpy(new)).numpy()
    assert 1 < expected.shape[1] < 6
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-9, atol=1e-9)


def test_all_components_are_kept_where_all_are_equal():
    square = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    assert principal_components(square)(square).shape == (4, 2)
