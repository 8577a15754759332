"""Sequential Monte Carlo: its arithmetic against plain NumPy at given ancestors, its law against exact densities."""

import itertools
import math

import numpy as np
import pytest
import torch

from cdae.estimators import proposals, sequential
from cdae.estimators.proposals import Guided, Paper, Renoising, Widened
from tests.estimators.two_sided import guided
from tests.helpers import (
    Recorder,
    assert_mean,
    finite_variance_cascade,
    linear_cascade,
    mutated,
    quadrature,
    seeded,
    simulate,
)
from tests.oracles import paths

N, M, K, DIM = 4, 6, 4, 2
POINT = np.array([0.2, -0.4])


UNEVEN = guided([0.9, 0.7, 1.1, 0.4], [0.5, 0.8, 1.1, 1.6])
FINITE = guided([0.8, 0.7], [0.6, 1.15])  # weights of finite variance for the cascade of that name
PROPOSALS = [pytest.param(p, id=type(p).__name__) for p in (Paper(), Widened(), UNEVEN)]


def assert_product_of_average_weights(
    module, proposal, distance, monkeypatch, conditional=False, **options
) -> np.ndarray:
    """The estimate is the oracle's at the recorded states, reconstructions and ancestors; says what was resampled."""
    model, oracle = linear_cascade(0, DIM, K, **options)
    rng = np.random.default_rng(1)
    x = distance + torch.from_numpy(rng.standard_normal((N, DIM)))
    truth = torch.from_numpy(rng.standard_normal((K, N, DIM))) if conditional else None
    ancestors, low = [], []
    real = module.ancestors_of

    def recording(log_weights, is_low, **arguments):
        low.insert(0, is_low.numpy())
        ancestors.insert(0, real(log_weights, is_low, **arguments).numpy())
        return torch.from_numpy(ancestors[0])

    with monkeypatch.context() as patch:
        patch.setattr(module, "ancestors_of", recording)
        recorder = Recorder(model, patch)
        arguments = {"n_particles": M, "generator": seeded(2), "true_latents": truth}
        estimate = module.log_likelihood(model, x, proposal=proposal, **arguments)
    latents, answers = recorder.latents(M, N, DIM), recorder.answers(M, N, DIM).numpy()
    if truth is not None:
        assert torch.equal(latents[:, 0], truth)
        assert not np.stack(ancestors)[:, 0].any()
    assert len(latents.unique()) == latents.numel()
    share = proposal.share.numpy() if isinstance(proposal, Guided) else np.ones(K)
    numbers = [oracle.reconstruction_std, oracle.prior_mean, oracle.prior_std, oracle.prior_covariance]
    for j in range(N):
        draws = paths.Draws(x[j].numpy(), latents[:, :, j].numpy(), answers[:, :, j], *numbers)
        above, resampled = np.stack(ancestors)[:, :, j], np.stack(low)[:, j]
        expected = paths.particles(draws, share, proposal.std(model).numpy(), above, resampled)
        np.testing.assert_allclose(estimate[j], expected, rtol=1e-12, atol=1e-10)
    return np.stack(low)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("distance", [0.0, 100.0])
@pytest.mark.parametrize("proposal", PROPOSALS)
def test_estimate_is_the_product_of_average_weights(proposal, distance, conditional, monkeypatch):
    """Pins every factor, its level and its sign, what follows an ancestor, and when weights start afresh."""
    assert_product_of_average_weights(sequential, proposal, distance, monkeypatch, conditional)


@pytest.mark.parametrize(
    "options", [{"reconstruction": "per_pixel"}, {"prior": "full"}, {"prior": "isotropic"}], ids=str
)
@pytest.mark.parametrize("proposal", PROPOSALS)
def test_estimate_is_the_product_of_average_weights_of_every_kind_of_cascade(proposal, options, monkeypatch):
    assert_product_of_average_weights(sequential, proposal, 0.0, monkeypatch, True, **options)


def test_examples_are_resampled_one_by_one(monkeypatch):
    """At the point of the mutants below some examples are resampled at a level and others are not."""
    low = assert_product_of_average_weights(sequential, UNEVEN, 0.0, monkeypatch)
    assert any(0 < level.sum() < N for level in low)


MUTANTS = {
    "sign of q": ("- log_q", "+ log_q"),
    "q dropped": ("- log_q", ""),
    "look-ahead never taken back": (" - log_psi_above", ""),
    "look-ahead taken back twice": ("- log_psi_above", "- 2.0 * log_psi_above"),
    "look-ahead with its level's own deviation": ("reconstruction_std[level - 1]", "reconstruction_std[level - 2]"),
    "q of the next level": ("log_normal(state, mean, std[level - 1])", "log_normal(state, mean, std[level - 2])"),
    "prior dropped": ("model.prior.log_prob(state) if", "0.0 if"),
    "transition of the next level": ("log_normal(state, x_hat, rho[level])", "log_normal(state, x_hat, rho[level-1])"),
    "weights kept after resampling": ("log_weights.masked_fill(low, 0.0)", "log_weights"),
    "weights forgotten without resampling": ("log_weights.masked_fill(low, 0.0)", "torch.zeros_like(log_weights)"),
    "average weights not collected": ("log_estimate + log_mean_exp(log_weights), log_estimate", "log_estimate, 0.0"),
    "average weights collected without resampling": ("torch.where(low, log_estimate + log_mean_exp(log_weights), "
                                                     "log_estimate)", "log_estimate + log_mean_exp(log_weights)"),
    "look-ahead of another particle": ("log_psi = log_psi.gather(0, ancestors)", "pass"),
    "reconstruction of another particle": ("x_hat = x_hat.gather(0, ancestors[:, :, None].expand_as(x_hat))", "pass"),
    "last average dropped": ("return log_estimate + log_mean_exp(log_weights)", "return log_estimate"),
    "sum for average": ("return log_estimate + log_mean_exp(log_weights)",
                        "return log_estimate + torch.logsumexp(log_weights, 0)"),
    "no shift before exp": ("return log_estimate + log_mean_exp(log_weights)",
                            "return log_estimate + log_weights.exp().mean(0).log()"),
    "true path at the top alone": ("is not None:\n            state[0]",
                                   "is not None and x_hat is None:\n            state[0]"),
    "true path of the next level": ("true_latents[level - 1]", "true_latents[level - 2]"),
    "true path not kept": ("keep_first=true_latents is not None", "keep_first=False"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name, monkeypatch):
    mutant = mutated(sequential, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for distance in (0.0, 100.0):
            assert_product_of_average_weights(mutant, UNEVEN, distance, monkeypatch, conditional=True)


def assert_plain_average(proposal, n_particles, monkeypatch) -> None:
    """The estimate is log of the mean of p / q over the particles as they were drawn, by the two densities."""
    model, _ = linear_cascade(3, DIM, K)
    x = torch.from_numpy(np.random.default_rng(4).standard_normal((5, DIM)))
    recorder = Recorder(model, monkeypatch)
    estimate = sequential.log_likelihood(model, x, proposal=proposal, n_particles=n_particles, generator=seeded(5))
    latents, x_hat = recorder.latents(n_particles * 5, DIM), recorder.answers(n_particles * 5, DIM)
    copies = x.repeat(n_particles, 1)
    log_q = proposals.log_proposal(model, proposal, copies, latents, x_hat)
    log_weights = proposals.log_joint(model, copies, latents, x_hat) - log_q
    plain = torch.logsumexp(log_weights.reshape(n_particles, 5), 0) - math.log(n_particles)
    torch.testing.assert_close(estimate, plain, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_without_resampling_it_is_plain_importance_weighting(proposal, monkeypatch):
    """With the same draws, because the look-aheads cancel."""
    monkeypatch.setattr(sequential, "RESAMPLE_BELOW", 0.0)
    assert_plain_average(proposal, 7, monkeypatch)


def test_a_single_particle_is_never_resampled(monkeypatch):
    assert_plain_average(UNEVEN, 1, monkeypatch)


def test_look_ahead_is_the_expected_log_density_of_the_next_step():
    """Of x_{i-1} under Eq. 3, up to a constant; and the likelihood itself at level 1."""
    model, _ = linear_cascade(0, DIM, K)
    rng = np.random.default_rng(6)
    x, x_hat = torch.from_numpy(rng.standard_normal((1, DIM))), torch.from_numpy(rng.standard_normal((5, 1, DIM)))
    for level in range(1, K + 1):
        rho, c = model.reconstruction_std[level - 1], model.corruption_std[level - 1]
        states = x + c * quadrature(DIM)  # exact for what is quadratic in the state
        expected = torch.stack([sequential.log_normal(states, mean, rho).mean() for mean in x_hat])
        difference = sequential.look_ahead(model, x, x_hat, x_hat, level)[:, 0] - expected
        torch.testing.assert_close(difference, 0.5 * DIM * (c / rho) ** 2 * torch.ones(5, dtype=torch.float64))


# The law of the estimate.


def estimates(proposal, n_particles: int, n_copies: int, seed: int) -> tuple[np.ndarray, float]:
    """Independent estimates at one point, and the exact log density there."""
    model, oracle = finite_variance_cascade()
    copies = torch.from_numpy(POINT).expand(n_copies, -1)
    arguments = {"n_particles": n_particles, "generator": seeded(seed)}
    return sequential.log_likelihood(model, copies, proposal=proposal, **arguments).numpy(), oracle.log_prob(POINT)


def assert_unbiased(proposal, n_particles) -> None:
    values, exact = estimates(proposal, n_particles, 10_000, 0)
    ratios = np.exp(values - exact)
    assert_mean(ratios, 1.0)
    assert ratios.std() / math.sqrt(len(ratios)) < 0.03


@pytest.mark.parametrize("n_particles", [2, 7])
@pytest.mark.parametrize("proposal", [Paper(), FINITE])
def test_unbiased_for_the_density_with_resampling_always(proposal, n_particles, monkeypatch):
    monkeypatch.setattr(sequential, "RESAMPLE_BELOW", 2.0)
    assert_unbiased(proposal, n_particles)


def scaled_draws(factors):
    """Draws of level i times factors[i - 1]; the top level is drawn first."""

    def mutate(monkeypatch):
        real, calls = sequential.standard_normal, itertools.count(1)

        def scaled(*arguments, **options):
            return factors[-next(calls) % len(factors)] * real(*arguments, **options)

        monkeypatch.setattr(sequential, "standard_normal", scaled)

    return mutate


def draws_aside(monkeypatch):
    real = sequential.standard_normal
    monkeypatch.setattr(sequential, "standard_normal", lambda *a, **options: real(*a, **options) + 0.5)


T = FINITE.stds.tolist()
MUTANT_DRAWS = {
    "of the next level": scaled_draws([T[1] / T[0], T[0] / T[1]]),
    "variance for std": scaled_draws(T),
    "about another mean": draws_aside,
}


@pytest.mark.parametrize("name", MUTANT_DRAWS)
def test_mutants_of_the_draws_are_seen(name, monkeypatch):
    MUTANT_DRAWS[name](monkeypatch)
    with pytest.raises(AssertionError):
        assert_unbiased(FINITE, 7)


@pytest.mark.parametrize("proposal", [Paper(), FINITE])
def test_converges_to_the_log_density(proposal):
    values, exact = estimates(proposal, 10_000, 20, seed=1)
    assert_mean(np.exp(values - exact), 1.0)
    assert values.std() < 0.03


def test_the_upper_side_with_resampling_always(monkeypatch):
    """E[p / estimate] is 1 with the true latents in place, and the estimate is above by 5 standard errors."""
    monkeypatch.setattr(sequential, "RESAMPLE_BELOW", 2.0)
    model, oracle = finite_variance_cascade()
    x, latents = simulate(oracle, 4_000, seed=7)
    arguments = {"proposal": FINITE, "n_particles": 3, "generator": seeded(9), "true_latents": latents}
    upper = sequential.log_likelihood(model, x, **arguments).numpy() - oracle.log_prob(x.numpy())
    assert upper.mean() > 5 * upper.std() / math.sqrt(4_000)
    assert_mean(np.exp(-upper), 1.0)
    assert np.exp(-upper).std() < 2.0


def test_resampling_and_looking_ahead_pay(monkeypatch):
    """In 20 dimensions: above plain importance weighting, and above resampling that does not look ahead."""
    model, _ = linear_cascade(0, 20, K)
    x = torch.zeros(300, 20, dtype=torch.float64)

    def run(seed: int) -> np.ndarray:
        arguments = {"proposal": Paper(), "n_particles": 20, "generator": seeded(seed)}
        return sequential.log_likelihood(model, x, **arguments).numpy()

    runs = {"full": run(13)}
    with monkeypatch.context() as patch:
        patch.setattr(sequential, "RESAMPLE_BELOW", 0.0)
        runs["plain"] = run(14)
    real = sequential.look_ahead
    monkeypatch.setattr(sequential, "look_ahead", lambda *arguments: real(*arguments) * (arguments[-1] == 1))
    runs["blind"] = run(15)
    for other in ("plain", "blind"):
        error = math.hypot(runs["full"].std(), runs[other].std()) / math.sqrt(300)
        assert runs["full"].mean() - runs[other].mean() > 5 * error


def test_bottom_up_proposals_are_refused():
    model, _ = linear_cascade(0, DIM, K)
    x = torch.zeros(1, DIM, dtype=torch.float64)
    with pytest.raises(ValueError, match="got the proposal Renoising, expected one that draws x_k first"):
        sequential.log_likelihood(model, x, proposal=Renoising(), n_particles=2, generator=seeded(0))
