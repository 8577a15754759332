"""All pairs against the enumeration of every path, and against exact log densities."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from cdae.corruption import NoiseSchedule
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.estimators import all_pairs, importance, proposals
from cdae.estimators.proposals import Guided, Paper, Renoising, Widened
from cdae.model import CDAE
from tests.helpers import (
    LargestTensor,
    Recorder,
    assert_mean,
    finite_variance_cascade,
    linear_cascade,
    mutated,
    seeded,
    simulate,
    two_mode_cascade,
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


def assert_average_of_all_paths(module, proposal, distance, monkeypatch, conditional=False, **options) -> None:
    model, oracle = linear_cascade(0, DIM, K, **options)
    rng = np.random.default_rng(1)
    x = distance + torch.from_numpy(rng.standard_normal((N, DIM)))
    truth = torch.from_numpy(rng.standard_normal((K, N, DIM))) if conditional else None
    with monkeypatch.context() as patch:
        recorder = Recorder(model, patch)
        estimate = module.log_likelihood(
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
    assert_average_of_all_paths(all_pairs, proposal, distance, monkeypatch, conditional)


@pytest.mark.parametrize(
    "options", [{"reconstruction": "per_pixel"}, {"prior": "full"}, {"prior": "isotropic"}], ids=str
)
@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_estimate_is_the_average_of_all_paths_of_every_kind_of_cascade(proposal, options, monkeypatch):
    assert_average_of_all_paths(all_pairs, proposal, 0.0, monkeypatch, True, **options)


@pytest.mark.parametrize("states", [1, 2 * M])
@pytest.mark.parametrize("pairs", [1, 2 * M * M])
def test_estimate_is_the_average_of_all_paths_whatever_the_blocks(states, pairs, monkeypatch):
    monkeypatch.setattr(all_pairs, "BLOCK_STATES", states)
    monkeypatch.setattr(all_pairs, "BLOCK_PAIRS", pairs)
    assert_average_of_all_paths(all_pairs, Paper(), 0.0, monkeypatch, conditional=True)


MUTANTS = {
    "sign of q": ("log_p - log_normal(", "log_p + log_normal("),
    "q dropped": ("log_p - log_normal(state, torch.zeros_like(x[0]), std[level - 1])", "log_p"),
    "q of the next level": ("torch.zeros_like(x[0]), std[level - 1]", "torch.zeros_like(x[0]), std[level - 2]"),
    "prior dropped": ("log_p = model.prior.log_prob(origin + state)", "log_p = 0.0"),
    "prior not at the state": ("prior.log_prob(origin + state)", "prior.log_prob(state)"),
    "transition of the next level": ("x_hat, rho[level], log_b)", "x_hat, rho[level - 1], log_b)"),
    "likelihood of the top level": ("x_hat, last_std, log_b)", "x_hat, rho[-1], log_b)"),
    "levels above dropped": (" + log_b[:, None]", ""),
    "levels above at the wrong draw": (" + log_b[:, None]", " + log_b[:, :, None]"),
    "average over the wrong draws": ("movedim(2, 0)", "movedim(1, 0)"),
    "sum for average": ("log_mean_exp(log_weights.movedim(2, 0))", "torch.logsumexp(log_weights, 2)"),
    "average of logs": ("log_mean_exp(log_weights.movedim(2, 0))", "log_weights.mean(2)"),
    "no shift before exp": ("log_mean_exp(log_weights.movedim(2, 0))", "log_weights.exp().mean(2).log()"),
    "reconstruction not from the origin": (".view_as(state) - origin", ".view_as(state)"),
    "denoised away from the origin": ("denoise_level((origin + state)", "denoise_level((state)"),
    "true latents at the top alone": ("if true_latents is not None:", "if true_latents is not None and level == k:"),
    "true latents of the next level": ("true_latents[level - 1] - x", "true_latents[level - 2] - x"),
    "true latents not from the origin": ("true_latents[level - 1] - x", "true_latents[level - 1]"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name, monkeypatch):
    mutant = mutated(all_pairs, *MUTANTS[name])
    with pytest.raises(AssertionError):
        assert_average_of_all_paths(mutant, Paper(), 100.0, monkeypatch, conditional=True)


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


def estimates(proposal, n_draws: int, n_copies: int, seed: int, module=all_pairs) -> tuple[np.ndarray, float]:
    """Independent estimates at one point, and the exact log density there."""
    model, oracle = finite_variance_cascade()
    copies = torch.from_numpy(POINT).expand(n_copies, -1)
    values = module.log_likelihood(model, copies, proposal=proposal, n_draws=n_draws, generator=seeded(seed))
    return values.numpy(), oracle.log_prob(POINT)


def assert_unbiased(module, proposal, n_draws) -> None:
    values, exact = estimates(proposal, n_draws, 20_000, 0, module)
    ratios = np.exp(values - exact)
    assert_mean(ratios, 1.0)
    assert ratios.std() / math.sqrt(len(ratios)) < 0.02


@pytest.mark.parametrize("n_draws", [1, 2, 7])
@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_unbiased_for_the_density(proposal, n_draws):
    assert_unbiased(all_pairs, proposal, n_draws)


MUTANT_DRAWS = {
    "of the next level": ("std[level - 1].to(", "std[level - 2].to("),
    "of half the variance": ("std[level - 1].to(x.dtype) * noise", "std[level - 1].to(x.dtype) * noise / 2**0.5"),
    "variance for std": ("std[level - 1].to(x.dtype) * noise", "std[level - 1].to(x.dtype) ** 2 * noise"),
}


@pytest.mark.parametrize("name", MUTANT_DRAWS)
def test_mutants_of_the_draws_are_seen(name):
    with pytest.raises(AssertionError):
        assert_unbiased(mutated(all_pairs, *MUTANT_DRAWS[name]), Paper(), 7)


@pytest.mark.parametrize("proposal", [Paper(), Widened()])
def test_converges_to_the_log_density(proposal):
    values, exact = estimates(proposal, 2_000, 20, seed=1)
    assert_mean(np.exp(values - exact), 1.0)
    assert values.std() < 0.03


def test_below_the_log_density_and_increasing_in_the_draws():
    """Each step by 5 standard errors; and above the plain estimate, whose M draws make M paths."""
    runs = [estimates(Paper(), n_draws, 3_000, seed=n_draws)[0] for n_draws in (1, 3, 10)]
    runs.append(np.full(3_000, estimates(Paper(), 1, 1, seed=0)[1]))
    model, _ = finite_variance_cascade()
    copies = torch.from_numpy(POINT).expand(3_000, -1)
    draws = importance.log_importance_weights(model, copies, n_importance_samples=10, generator=seeded(6))
    plain = importance.log_likelihood(draws).numpy()
    for low, high in [*pairwise(runs), (plain, runs[2])]:
        error = math.hypot(low.std(), high.std()) / math.sqrt(3_000)
        assert high.mean() - low.mean() > 5 * error


@pytest.mark.parametrize("n_draws", [2, 10])
def test_simulated_data_are_between_the_bounds(n_draws):
    """Below and above by 5 standard errors; E[p / estimate] with the true latents in place is 1, on both sides."""
    model, oracle = finite_variance_cascade()
    x, latents = simulate(oracle, 4_000, seed=7)
    exact = oracle.log_prob(x.numpy())
    arguments = {"proposal": Widened(), "n_draws": n_draws}
    lower = all_pairs.log_likelihood(model, x, **arguments, generator=seeded(8)).numpy() - exact
    upper = all_pairs.log_likelihood(model, x, **arguments, generator=seeded(9), true_latents=latents).numpy() - exact
    assert lower.mean() < -5 * lower.std() / math.sqrt(4_000)
    assert upper.mean() > 5 * upper.std() / math.sqrt(4_000)
    assert_mean(np.exp(-upper), 1.0)
    assert np.exp(-upper).std() < 2.0


def test_unbiased_with_a_denoiser_that_is_not_linear():
    """Two modes in one dimension against quadrature, on a mode, between the modes and off a mode."""
    model, log_prob = two_mode_cascade()
    for point in (-1.0, 0.2, 1.3):
        x = torch.full((20_000, 1), point, dtype=torch.float64)
        values = all_pairs.log_likelihood(model, x, proposal=Paper(), n_draws=8, generator=seeded(13)).numpy()
        ratios = np.exp(values - log_prob(np.array([point])))
        assert_mean(ratios, 1.0)
        assert ratios.std() / math.sqrt(20_000) < 0.02


@pytest.mark.parametrize("n_draws", [20, 50, 1_000])
def test_memory_is_bounded_by_the_blocks(n_draws, monkeypatch):
    """No tensor is larger than a block of pairs, however many draws and examples: M x M does not exist at once."""
    monkeypatch.setattr(all_pairs, "BLOCK_STATES", 100)
    monkeypatch.setattr(all_pairs, "BLOCK_PAIRS", 5_000)
    model, _ = linear_cascade(0, DIM, K)
    x = torch.zeros(30, DIM, dtype=torch.float64)
    with LargestTensor() as largest:
        all_pairs.log_likelihood(model, x, proposal=Paper(), n_draws=n_draws, generator=seeded(10))
    assert largest.n_elements <= 5_000 < 30 * n_draws**2 * K


def image_cascade() -> CDAE:
    """A network in float32 at the size of images, with levels that are fine beside the data."""
    mean, std = torch.full((784,), 0.5), torch.full((784,), 0.3)
    network = mlp(784, [8], 784, generator=seeded(11))
    denoiser = BlindDenoiser(network, DataScale(mean, 0.3, unit_interval=True)).requires_grad_(False)
    model = CDAE(denoiser, NoiseSchedule((0.0, 0.004, 0.01)), data_mean=mean, data_std=std)
    model.reconstruction_std.copy_(torch.tensor([0.004, 0.008]))
    return model


def float32_error(module, monkeypatch) -> float:
    """Largest error in nats at a fixed point of the denoiser, against float64 at the same float32 states."""
    model = image_cascade()
    x = 0.5 * torch.ones(2, 784)
    for _ in range(50):
        x = model.denoise_level(x, 1)
    with monkeypatch.context() as patch:
        recorder = Recorder(model, patch)
        estimate = module.log_likelihood(model, x, proposal=Paper(), n_draws=4, generator=seeded(12))
    expected = enumerated(model, Paper(), x, recorder.latents(2, 4, 784), recorder.answers(2, 4, 784))
    return np.abs(estimate.numpy() - expected).max()


def test_float32_keeps_its_digits(monkeypatch):
    """Distances from norms and products: measured from x_0 they lose less than 0.001 nats, from zero above 0.5."""
    assert float32_error(all_pairs, monkeypatch) < 1e-3
    uncentred = mutated(
        all_pairs,
        "log_normal_pairs(part, x_hat, rho)",
        "log_normal_pairs(part + 0.5, x_hat + 0.5, rho)",
    )
    assert float32_error(uncentred, monkeypatch) > 0.5


@pytest.mark.parametrize("proposal", [Renoising(), Guided(torch.ones(K), torch.ones(K))])
def test_proposals_with_dependent_levels_are_refused(proposal):
    model, _ = linear_cascade(0, DIM, K)
    x = torch.zeros(1, DIM, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"got the proposal {type(proposal).__name__}, expected Paper or Widened"):
        all_pairs.log_likelihood(model, x, proposal=proposal, n_draws=2, generator=seeded(0))


@pytest.mark.parametrize("n_draws", [0, -1])
def test_no_draws_are_refused(n_draws):
    model, _ = linear_cascade(0, DIM, K)
    x = torch.zeros(1, DIM, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"n_draws: got {n_draws}, expected at least 1"):
        all_pairs.log_likelihood(model, x, proposal=Paper(), n_draws=n_draws, generator=seeded(0))


@pytest.mark.parametrize("shape", [(K - 1, N, DIM), (K + 1, N, DIM)])
def test_true_latents_that_do_not_fit_are_refused(shape):
    model, _ = linear_cascade(0, DIM, K)
    x, latents = torch.zeros(N, DIM, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    with pytest.raises(ValueError, match="true_latents: got shape"):
        all_pairs.log_likelihood(model, x, proposal=Paper(), n_draws=2, generator=seeded(0), true_latents=latents)
