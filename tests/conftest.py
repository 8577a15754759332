"""One thread, deterministic algorithms, and no test may touch the global random state: generators are arguments."""

import jaxtyping
import numpy as np
import pytest
import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


@pytest.fixture(autouse=True)
def global_random_state_is_untouched():
    """Of torch and NumPy; Python's own `random` is used by the runtime checks of annotations."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    yield
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


@pytest.fixture
def without_checks_of_shapes():
    """For tests that call small functions a hundred thousand times, where the checks of annotations take half of the
    time. Tests of the functions themselves have them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
