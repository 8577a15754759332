"""Errors of denoisers whose exact values are known: the best linear one, the best of a training set, and models'."""

import numpy as np
import pytest
import torch

from baselines.dae import DAE
from baselines.diffusion import Diffusion
from baselines.vae import VAE
from cdae.data import TrainingSet
from cdae.model import CDAE
from cdae.quality import denoising
from tests.helpers import CDAE_OPTIONS, mutated, seeded

LEVELS = [0.1, 1.0, 10.0]
FACTOR = np.array([[1.0, 0.0, 0.0], [0.9, 0.2, 0.0], [0.1, -0.5, 2.0]])
MUTANTS = {
    "the level's square": ("(variances + c**2)", "(variances + c)"),
    "covariance": ("@ centred / len(training)", "@ centred / (0.5 * len(training))"),
    "mean": ("return mean + (seen", "return (seen"),
    "a softmax of half the exponent": ("(2.0 * c**2)", "(4.0 * c**2)"),
    "a softmax over the wrong axis": ("(2.0 * c**2), 1)", "(2.0 * c**2), 0)"),
    "the sum over pixels": ("torch.stack(found) / x.shape[1]", "torch.stack(found)"),
    "clean inputs": ("denoise(part + c * noise, c)", "denoise(part, c)"),
}


def gaussian(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, 3)) @ FACTOR.T + 1.0)


def linear_error(x, c):
    """The error of the best linear denoiser of these examples, from their moments."""
    variances = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))
    return (variances * c**2 / (variances + c**2)).mean()


def posterior_mean(training, noisy, c):
    """Over point masses on the training examples, one corrupted example at a time."""
    out = []
    for y in noisy:
        log = -np.square(y - training).sum(1) / (2.0 * c**2)
        w = np.exp(log - log.max())
        out.append(w @ training / w.sum())
    return np.stack(out)


def mean_and_error(values):
    return values.mean().item(), values.std().item() / len(values) ** 0.5


def is_right(module):
    """Whether both controls have their exact values."""
    x = gaussian(20_000)
    found = module.squared_errors(module.best_linear(x), x, LEVELS, generator=seeded(1))
    for c, values in zip(LEVELS, found, strict=True):
        mean, error = mean_and_error(values)
        if abs(mean - linear_error(x, c)) > 5 * error:
            return False
    training, noisy = gaussian(50), gaussian(7, seed=3)
    return all(
        np.allclose(
            module.best_of(training)(noisy, c).numpy(), posterior_mean(training.numpy(), noisy.numpy(), c), rtol=1e-10
        )
        for c in LEVELS
    )


def test_both_controls_have_their_exact_values():
    assert is_right(denoising)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_control_is_caught(name):
    assert not is_right(mutated(denoising, *MUTANTS[name]))


def test_no_denoiser_has_a_smaller_error_on_the_examples_that_it_remembers():
    training = gaussian(100)
    x = training.repeat(50, 1)
    best, linear = (
        denoising.squared_errors(control(training), x, LEVELS, generator=seeded(2)).mean(1)
        for control in (denoising.best_of, denoising.best_linear)
    )
    assert (best < linear).all()
    nearly_clean = denoising.squared_errors(denoising.best_of(training), training, [1e-3], generator=seeded(2))
    assert nearly_clean.max() < 1e-12


def test_far_above_the_data_the_variance_is_left():
    training = gaussian(300)
    variance = training.var(0, correction=0).mean().item()
    for control in (denoising.best_of, denoising.best_linear):
        left = denoising.squared_errors(control(training), training, [1e4], generator=seeded(3)).mean().item()
        assert left == pytest.approx(variance, rel=1e-3)


def test_a_blind_denoiser_is_asked_at_the_given_levels_and_another_at_its_own():
    training = TrainingSet(gaussian(100).float())
    dae_options = {"corruption_std": 0.5, "hidden_sizes": [8], "n_walkback_steps": 0, "chain_steps": [1]}
    x = gaussian(20, seed=4).float()
    for model in (
        CDAE.build(CDAE_OPTIONS, training, generator=seeded(0)),
        DAE.build(dae_options, training, generator=seeded(0)),
    ):
        levels, denoise = denoising.denoiser_of(model, LEVELS)
        assert levels == LEVELS
        with torch.no_grad():
            expected = model.denoiser(x, torch.ones(len(x), dtype=torch.long))
            assert torch.equal(denoise(x, 1.0), expected) and torch.equal(denoise(x, 0.1), expected)
    for kind, cls in (("conditioned", CDAE), ("unshared", CDAE), ("conditioned", Diffusion)):
        model = cls.build({**CDAE_OPTIONS, "denoiser": kind}, training, generator=seeded(0))
        levels, denoise = denoising.denoiser_of(model, LEVELS)
        assert levels == model.corruption_std[1:].tolist() and len(levels) == 3
        network = model.parts.denoiser if cls is Diffusion else model.denoiser
        with torch.no_grad():
            for i, c in enumerate(levels, 1):
                expected = network(x, torch.full((len(x),), i))
                torch.testing.assert_close(denoise(x, c), expected)
    vae = VAE.build({"latent_dim": 2, "hidden_sizes": [4]}, training, generator=seeded(0))
    assert denoising.denoiser_of(vae, LEVELS) is None


def test_all_levels_and_denoisers_share_their_noise():
    x = gaussian(30)
    first = denoising.squared_errors(lambda noisy, c: noisy, x, [1.0, 2.0], generator=seeded(5))
    torch.testing.assert_close(first[1], 4.0 * first[0])
    again = denoising.squared_errors(lambda noisy, c: noisy, x, [2.0], generator=seeded(5))
    torch.testing.assert_close(again[0], first[1])
