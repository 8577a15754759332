"""Variances learned by gradients in place of Eq. 9: the same terms of the bound, the same optimum, and training."""

import numpy as np
import pytest
import torch

from cdae import bound, objective
from cdae.data import TrainingSet
from cdae.model import CDAE
from cdae.training import fit
from tests.helpers import CDAE_OPTIONS, linear_cascade, mutated, seeded, shared_noise

K, DIM = 3, 4


def constants(module, std_shape: tuple[int, ...]) -> np.ndarray:
    """-L minus the loss and its variance terms, at six random sets of variances; a constant, if the terms are right."""
    model, _ = linear_cascade(4, DIM, K)
    x, noisy = shared_noise(model, torch.randn(DIM, dtype=torch.float64, generator=seeded(1)))
    left = []
    for seed in range(6):
        std = 0.3 + torch.rand(std_shape, dtype=torch.float64, generator=seeded(seed))
        model.reconstruction_std = std
        loss = module.full_loss(x, model.denoise(noisy), std) + module.variance_terms(model.corruption_std, std, DIM)
        left.append((-bound.bound_terms(model, x, noisy).total.mean() - loss).item())
    return np.array(left)


@pytest.mark.parametrize("shape", [(K,), (K, DIM)], ids=["isotropic", "per_pixel"])
def test_with_their_terms_the_loss_is_minus_the_bound_but_for_a_constant(shape):
    assert np.ptp(constants(objective, shape)) < 1e-10


MUTANTS = {
    "no corruption": ("0.5 * (c / reconstruction_std).square()", "0.0 * c"),
    "variance for std": ("reconstruction_std.log()", "2.0 * reconstruction_std.log()"),
    "once for all pixels": ("(dim if reconstruction_std.dim() == 1 else 1)", "1"),
    "the level's own corruption": ("corruption_std[:-1], reconstruction_std)\n    per", "corruption_std[1:], "
                                   "reconstruction_std)\n    per"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_terms_are_seen(name):
    assert np.ptp(constants(mutated(objective, *MUTANTS[name]), (K,))) > 1e-2


def trained(variances: str, loss: str) -> CDAE:
    """On data whose best variances are known to a denoiser that returns about their mean."""
    values = torch.randn(2_000, 2, generator=seeded(2)) * torch.tensor([0.5, 0.5])
    options = CDAE_OPTIONS | {"hidden_sizes": [8], "n_levels": 2, "variances": variances, "loss": loss}
    model = CDAE.build(options, TrainingSet(values), generator=seeded(3))
    settings = {"n_updates": 500, "batch_size": 100, "learning_rate": 0.03, "generator": seeded(4)}
    fit(model, TrainingSet(values), **settings, progress=lambda line: None)
    return model


def test_they_get_as_far_as_they_have_to_in_the_updates_that_the_denoiser_gets():
    """From the data's std to that of the lowest level, 1 to 20; learning rates of all updates add up to 1.5."""
    values = 0.5 * torch.randn(2_000, 1, generator=seeded(2)).expand(-1, 2)
    options = CDAE_OPTIONS | {"hidden_sizes": [], "n_levels": 2, "first_std": 0.05, "last_std": 1.0, "loss": "full"}
    model = CDAE.build(options | {"variances": "learned"}, TrainingSet(values), generator=seeded(3))
    first = model.reconstruction_std.clone()
    settings = {"n_updates": 600, "batch_size": 100, "learning_rate": 0.005, "generator": seeded(4)}
    fit(model, TrainingSet(values), **settings, progress=lambda line: None)
    mse = model.level_mse(values, generator=seeded(6))
    expected = objective.optimal_reconstruction_std(model.corruption_std, mse)
    assert first[0] > 15.0 * expected[0]
    torch.testing.assert_close(model.reconstruction_std, expected, rtol=0.05, atol=0.0)


def test_they_are_refused_where_a_network_predicts_the_last_step():
    options = CDAE_OPTIONS | {"variances": "learned", "last_step": "predicted"}
    with pytest.raises(ValueError, match=r"variances: got .learned. with a predicted last step, .*; use closed_form"):
        CDAE.build(options, TrainingSet(torch.randn(20, 2, generator=seeded(0))), generator=seeded(1))


@pytest.mark.parametrize("loss", ["full", "shrunk", "shrunk_uniform"])
def test_training_ends_close_to_eq_9(loss):
    learned = trained("learned", loss)
    stds = learned.reconstruction_std.clone()
    torch.testing.assert_close(stds, learned.log_reconstruction_std.detach().double().exp())
    x = torch.randn(20_000, 2, generator=seeded(5)) * 0.5
    mse = learned.level_mse(x, generator=seeded(6))
    expected = objective.optimal_reconstruction_std(learned.corruption_std, mse)
    torch.testing.assert_close(stds, expected, rtol=0.04, atol=0.0)
