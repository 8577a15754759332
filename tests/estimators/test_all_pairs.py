"""All pairs against the enumeration of every path, and against exact log densities."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch

from cdae import gaussian
from cdae.corruption import NoiseSchedule
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.estimators import all_pairs, importance, proposals
from cdae.estimators.proposals import Guided, Paper, Renoising, Widened
from cdae.model import CDAE
from cdae.prior import DiagonalPrior
from tests.helpers import (
    Recorder,
    assert_mean,
    finite_variance_cascade,
    linear_cascade,
    seeded,
)
from tests.oracles import paths

N, M, K, DIM = 3, 4, 3, 2
POINT = np.array([0.2, -0.4])


def double(values: np.ndarray) -> np.ndarray:
    return values.double().numpy()


def enumerated(model, proposal, x, latents, reconstructions, prior_covariance=None) -> np.ndarray:
    """The oracle at the draws of every example, latents (k, n, m, dim)."""
    numbers = [double(v) for v in (model.reconstruction_std, model.prior_mean, model.prior_std)] + [prior_covariance]
    std = double(proposal.std(model))
    x, latents, reconstructions = double(x), double(latents), double(reconstructions)
    return np.array(
        [paths.all_paths(paths.Draws(x[j], latents[:, j], reconstructions[:, j], *numbers), std) for j in range(len(x))]
    )


def assert_average_of_all_paths(proposal, distance, monkeypatch, conditional=False, **options) -> None:
    model, oracle = linear_cascade(0, DIM, K, **options)
    rng = np.random.default_rng(1)
    x = distance + torch.from_numpy(rng.standard_normal((N, DIM)))
    truth = torch.from_numpy(rng.standard_normal((K, N, DIM))) if conditional else None
    with monkeypatch.context() as patch:
        recorder = Recorder(model, patch)
        estimate = all_pairs.log_likelihood(
            model, x, proposal=proposal, n_draws=M, generator=seeded(2), true_latents=truth
        )
    latents = recorder.latents(N, M, DIM)
    if truth is not None:
        torch.testing.assert_close(latents[:, :, 0], truth, rtol=0.0, atol=1e-12)
        latents[:, :, 0] = truth
    assert len(latents.unique()) == latents.numel()
    expected = enumerated(model, proposal, x, latents, recorder.answers(N, M, DIM), oracle.prior_covariance)
    np.testing.assert_allclose(estimate, expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("proposal", [Paper(), Widened()])
@pytest.mark.parametrize("distance", [0.0, 100.0])
def test_estimate_is_the_log_of_the_average_weight_of_all_paths(proposal, distance, conditional, monkeypatch):
    """Pins every factor, its level, its constant and its sign; far away all weights are below the smallest float."""
    assert_average_of_all_paths(proposal, distance, monkeypatch, conditional)


@pytest.mark.parametrize(
    "options", [{"reconstruction": "per_pixel"}, {"prior": "full"}, {"prior": "isotropic"}], ids=str
)
@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_estimate_is_the_average_of_all_paths_of_every_kind_of_cascade(proposal, options, monkeypatch):
    assert_average_of_all_paths(proposal, 0.0, monkeypatch, True, **options)


@pytest.mark.parametrize("states", [1, 2 * M])
@pytest.mark.parametrize("pairs", [1, 2 * M * M])
def test_estimate_is_the_average_of_all_paths_whatever_the_blocks(states, pairs, monkeypatch):
    monkeypatch.setattr(all_pairs, "BLOCK_STATES", states)
    monkeypatch.setattr(all_pairs, "BLOCK_PAIRS", pairs)
    assert_average_of_all_paths(Paper(), 0.0, monkeypatch, conditional=True)


def log_normal_of(change):
    """`change` sees the density of q and the standard deviation of its level."""

    def mutate(monkeypatch):
        monkeypatch.setattr(all_pairs, "log_normal", lambda x, mean, std: change(gaussian.log_normal, x, mean, std))

    return mutate


def q_of_the_next_level(log_normal, x, mean, std):
    stds = linear_cascade(0, DIM, K)[0].corruption_std[1:]
    return log_normal(x, mean, stds[stds.tolist().index(std.item()) - 1])


def prior_of(change):
    def mutate(monkeypatch):
        real = DiagonalPrior.log_prob
        monkeypatch.setattr(DiagonalPrior, "log_prob", lambda prior, x: change(partial(real, prior), x))

    return mutate


def transition_of(change):
    """`change` sees the arguments of the average over the draws above: state, reconstruction, rho and log b."""

    def mutate(monkeypatch):
        real = all_pairs._log_mean_transition
        monkeypatch.setattr(all_pairs, "_log_mean_transition", lambda *arguments: real(*change(*arguments)))

    return mutate


def level_below(state, x_hat, rho, log_b):
    """The transition's standard deviation, and that of the top level in place of the lowest one's."""
    stds = linear_cascade(0, DIM, K)[0].reconstruction_std
    return state, x_hat, stds[stds.tolist().index(rho.item()) - 1], log_b


def average_of(change):
    def mutate(monkeypatch):
        real = all_pairs.log_mean_exp
        monkeypatch.setattr(all_pairs, "log_mean_exp", partial(change, real))

    return mutate


def other_draws(log_mean_exp, values):
    """Over the draws of the state itself, wherever there are as many."""
    return log_mean_exp(values.transpose(0, 2) if values.shape[2:] == (M,) else values)


def latents_of(change):
    """`change` sees the true latents (k, n, dim) and the examples that they belong to."""

    def mutate(monkeypatch):
        real = all_pairs.in_blocks
        monkeypatch.setattr(
            all_pairs, "in_blocks", lambda *arguments: [(x, change(truth, x)) for x, truth in real(*arguments)]
        )

    return mutate


MUTANTS = {
    "sign of q": log_normal_of(lambda real, *arguments: -real(*arguments)),
    "q dropped": log_normal_of(lambda real, *arguments: 0.0 * real(*arguments)),
    "q of the next level": log_normal_of(q_of_the_next_level),
    "prior dropped": prior_of(lambda real, x: 0.0 * real(x)),
    "prior not at the state": prior_of(lambda real, x: real(x - 100.0)),
    "transition of the next level": transition_of(level_below),
    "levels above dropped": transition_of(lambda state, x_hat, rho, log_b: (state, x_hat, rho, 0.0 * log_b)),
    "levels above at the wrong draw": transition_of(lambda *a: (*a[:3], a[3].roll(1, 1))),
    "reconstruction not from the origin": transition_of(lambda s, x_hat, *rest: (s, x_hat + 100.0, *rest)),
    "reconstruction of another draw": transition_of(lambda s, x_hat, *rest: (s, x_hat.roll(1, 1), *rest)),
    "average over the wrong draws": average_of(other_draws),
    "sum for average": average_of(lambda real, values: torch.logsumexp(values, 0)),
    "average of logs": average_of(lambda real, values: values.mean(0)),
    "no shift before exp": average_of(lambda real, values: values.exp().mean(0).log()),
    "true latents of the next level": latents_of(lambda truth, x: truth.roll(1, 0)),
    "true latents not from the origin": latents_of(lambda truth, x: truth + x),
    "true latents of another example": latents_of(lambda truth, x: truth.roll(1, 1)),
    "no true latents": latents_of(lambda truth, x: None),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name, monkeypatch):
    MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError):
        for distance in (0.0, 100.0):
            assert_average_of_all_paths(Paper(), distance, monkeypatch, conditional=True)


@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_one_draw_is_the_plain_importance_weight(proposal, monkeypatch):
    model, _ = linear_cascade(3, DIM, K)
    x = torch.from_numpy(np.random.default_rng(4).standard_normal((5, DIM)))
    recorder = Recorder(model, monkeypatch)
    estimate = all_pairs.log_likelihood(model, x, proposal=proposal, n_draws=1, generator=seeded(5))
    latents, x_hat = recorder.latents(5, DIM), recorder.answers(5, DIM)
    plain = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, proposal, x, latents, x_hat)
    torch.testing.assert_close(estimate, plain, rtol=0.0, atol=1e-10)
    if type(proposal) is Paper:
        torch.testing.assert_close(estimate, importance.log_weights(model, x, latents), rtol=0.0, atol=1e-10)


def estimates(proposal, n_draws: int, n_copies: int, seed: int) -> tuple[np.ndarray, float]:
    """Independent estimates at one point, and the exact log density there."""
    model, oracle = finite_variance_cascade()
    copies = torch.from_numpy(POINT).expand(n_copies, -1)
    values = all_pairs.log_likelihood(model, copies, proposal=proposal, n_draws=n_draws, generator=seeded(seed))
    return values.numpy(), oracle.log_prob(POINT)


def assert_unbiased(proposal) -> None:
    values, exact = estimates(proposal, 7, 5_000, seed=0)
    ratios = np.exp(values - exact)
    assert_mean(ratios, 1.0)
    assert ratios.std() / math.sqrt(len(ratios)) < 0.02


def scaled_draws(factors):
    """Draws of level i times factors[i - 1]; the top level is drawn first."""

    def mutate(monkeypatch):
        real, calls = all_pairs.standard_normal, itertools.count(1)

        def scaled(*arguments, **options):
            return factors[-next(calls) % len(factors)] * real(*arguments, **options)

        monkeypatch.setattr(all_pairs, "standard_normal", scaled)

    return mutate


C = (0.6, 1.2)  # of the cascade with finite variance
MUTANT_DRAWS = {
    "of the next level": scaled_draws([C[1] / C[0], C[0] / C[1]]),
    "of half the variance": scaled_draws([0.5**0.5, 0.5**0.5]),
    "variance for std": scaled_draws(C),
}


@pytest.mark.parametrize("name", MUTANT_DRAWS)
def test_mutants_of_the_draws_are_seen(name, monkeypatch):
    assert_unbiased(Paper())
    MUTANT_DRAWS[name](monkeypatch)
    with pytest.raises(AssertionError):
        assert_unbiased(Paper())


@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_converges_to_the_log_density(proposal):
    values, exact = estimates(proposal, 600, 20, seed=1)
    assert_mean(np.exp(values - exact), 1.0)
    assert values.std() < 0.05


def test_many_paths_pay():
    """Above the plain estimate of as many passes, by 5 standard errors."""
    all_paths = estimates(Paper(), 10, 3_000, seed=10)[0]
    model, _ = finite_variance_cascade()
    copies = torch.from_numpy(POINT).expand(3_000, -1)
    draws = importance.log_importance_weights(model, copies, n_importance_samples=10, generator=seeded(6))
    plain = importance.log_likelihood(draws).numpy()
    error = math.hypot(plain.std(), all_paths.std()) / math.sqrt(3_000)
    assert all_paths.mean() - plain.mean() > 5 * error


def image_cascade() -> CDAE:
    """A network in float32 at the size of images, with levels that are fine beside the data."""
    mean, std = torch.full((784,), 0.5), torch.full((784,), 0.3)
    network = mlp(784, [8], 784, generator=seeded(11))
    denoiser = BlindDenoiser(network, DataScale(mean, 0.3, unit_interval=True)).requires_grad_(False)
    model = CDAE(denoiser, NoiseSchedule((0.0, 0.004, 0.01)), data_mean=mean, data_std=std)
    model.reconstruction_std.copy_(torch.tensor([0.004, 0.008]))
    return model


def float32_error(monkeypatch) -> float:
    """Largest error in nats at a fixed point of the denoiser, against float64 at the same float32 states."""
    model = image_cascade()
    x = 0.5 * torch.ones(2, 784)
    for _ in range(50):
        x = model.denoise_level(x, 1)
    with monkeypatch.context() as patch:
        recorder = Recorder(model, patch)
        estimate = all_pairs.log_likelihood(model, x, proposal=Paper(), n_draws=4, generator=seeded(12))
    expected = enumerated(model, Paper(), x, recorder.latents(2, 4, 784), recorder.answers(2, 4, 784))
    return np.abs(estimate.numpy() - expected).max()


def test_float32_keeps_its_digits(monkeypatch):
    """Distances from norms and products between levels: from x_0 they lose below 0.001 nats, from zero above 0.1."""
    assert float32_error(monkeypatch) < 1e-3
    real = all_pairs.log_normal_pairs
    monkeypatch.setattr(all_pairs, "log_normal_pairs", lambda x, mean, std: real(x + 0.5, mean + 0.5, std))
    assert float32_error(monkeypatch) > 0.1


@pytest.mark.parametrize("proposal", [Renoising(), Guided(torch.ones(K), torch.ones(K))])
def test_proposals_with_dependent_levels_are_refused(proposal):
    model, _ = linear_cascade(0, DIM, K)
    x = torch.zeros(1, DIM, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"got the proposal {type(proposal).__name__}, expected Paper or Widened"):
        all_pairs.log_likelihood(model, x, proposal=proposal, n_draws=2, generator=seeded(0))
