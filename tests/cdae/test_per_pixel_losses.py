"""Losses of a cascade with a variance per pixel: every pixel of every level weighs by its own."""

import numpy as np
import pytest
import torch

from cdae import bound, objective
from tests.helpers import full_loss, linear_cascade, shared_noise

DIM, N_LEVELS = 3, 4
POINTS = torch.from_numpy(np.random.default_rng(0).standard_normal((5, DIM)))


def cascade(seed: int):
    return linear_cascade(seed, DIM, N_LEVELS, reconstruction="per_pixel")[0]


def other_weights(change):
    """Weights 1 / (2 rho^2) of the variances, changed."""

    def mutate(monkeypatch):
        real = objective.inverse_variances
        monkeypatch.setattr(objective, "inverse_variances", lambda std: change(real(std)))

    return mutate


def of_pooled_variances(monkeypatch):
    real = objective.inverse_variances
    monkeypatch.setattr(
        objective, "inverse_variances", lambda std: real(objective.pooled_std(std))[:, None].expand_as(std)
    )


def without_the_probability(monkeypatch):
    monkeypatch.setattr(objective, "per_level", lambda probability, std: torch.ones_like(std))


MUTANTS = {
    "of the next pixel": other_weights(lambda weights: weights.roll(1, 1)),
    "of the next level": other_weights(lambda weights: weights.roll(1, 0)),
    "without one half": other_weights(lambda weights: 2.0 * weights),
    "one for all pixels": of_pooled_variances,
}


def full_loss_error() -> float:
    """Relative, of the difference of losses of two denoisers with the same variances against that of -L."""
    one, other = cascade(6), cascade(7)
    other.load_state_dict({k: v for k, v in one.state_dict().items() if "denoiser" not in k}, strict=False)
    x, noisy = shared_noise(one, POINTS[0])
    minus_bounds = [-bound.bound_terms(m, x, noisy).total.mean() for m in (one, other)]
    losses = [full_loss(m, x, noisy) for m in (one, other)]
    return ((minus_bounds[0] - minus_bounds[1] - losses[0] + losses[1]).abs() / (losses[0] - losses[1]).abs()).item()


def test_full_loss_is_minus_the_bound_but_for_what_the_denoiser_cannot_change():
    assert full_loss_error() < 1e-10


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_full_loss_are_seen(name, monkeypatch):
    MUTANTS[name](monkeypatch)
    assert full_loss_error() > 1e-2


def written_out(model, residual, level, probability) -> float:
    rho, total = model.reconstruction_std, 0.0
    for n in range(len(residual)):
        i = level[n].item()
        total += sum(residual[n, j] ** 2 / (2 * rho[i - 1, j] ** 2 * probability[i - 1]) for j in range(DIM)).item()
    return total / len(residual)


def one_level_loss_error() -> float:
    """Relative, against 1 / (2 rho_{i-1,j}^2 Q_i), written out."""
    model, level = cascade(6), torch.tensor([3, 1, 4, 1, 2])
    probability = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    value = objective.one_level_loss(
        POINTS, torch.zeros_like(POINTS), level, probability, model.reconstruction_std
    ).item()
    return abs(value / written_out(model, POINTS, level, probability) - 1.0)


def test_one_level_loss_weighs_every_pixel_by_its_own_variance():
    assert one_level_loss_error() < 1e-12


@pytest.mark.parametrize("name", [*MUTANTS, "without the probability"])
def test_mutants_of_the_one_level_loss_are_seen(name, monkeypatch):
    (MUTANTS | {"without the probability": without_the_probability})[name](monkeypatch)
    assert one_level_loss_error() > 1e-2
