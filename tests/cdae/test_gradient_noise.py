"""The variance of gradients against closed forms, and its order among the losses of a cascade."""

import numpy as np
import pytest
import torch
from torch import nn

from cdae import gradient_noise
from tests.helpers import mutated, seeded

X = torch.tensor([[1.0], [2.0], [4.0], [-3.0]], dtype=torch.float64)


def estimates(module=gradient_noise, n_batches: int = 5, n: int = 2_000) -> np.ndarray:
    """Of the loss mean (w x + v (x + e)), whose gradient is (mean x, mean (x + e)), with e ~ N(0, 1)."""
    w, v = (nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))
    values = []
    for seed in range(n):
        generator = seeded(seed)

        def loss(x, generator=generator):
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            return (w * x + v * (x + noise)).mean()

        settings = {"batch_size": 2, "n_batches": n_batches, "generator": generator}
        values.append(module.gradient_variance(loss, [w, v], X, **settings))
    return np.array(values)


EXACT = (2.0 * X.var(correction=0).item() + 1.0) / 2.0  # of batches of two


@pytest.mark.parametrize("n_batches", [2, 5])
def test_it_is_unbiased(n_batches):
    values = estimates(n_batches=n_batches)
    assert abs(values.mean() - EXACT) < 5.0 * values.std() / len(values) ** 0.5


MUTANTS = {
    "divided by n": ("total / (n_batches - 1)", "total / n_batches"),
    "about zero": ("mean += step / n", "mean += 0.0 * step"),
    "the first parameter": ("for mean, gradient in zip(means, gradients, strict=True)",
                            "for mean, gradient in zip(means[:1], gradients[:1], strict=True)"),
    "without replacement of all": ("torch.randint(len(x), (batch_size,)", "torch.randint(1, (batch_size,)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    values = estimates(mutated(gradient_noise, *MUTANTS[name]))
    assert abs(values.mean() - EXACT) > 5.0 * values.std() / len(values) ** 0.5


def test_one_batch_has_no_variance():
    with pytest.raises(ValueError, match="n_batches: got 1, expected at least 2"):
        estimates(n_batches=1, n=1)
