"""Proposals against their densities written level by level, unbiased weights, and the cases in which one is exact."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdae import gaussian, pixel_density, prior
from cdae.corruption import NoiseSchedule
from cdae.estimators import importance, proposals
from cdae.estimators.proposals import Guided, Paper, Renoising, Widened
from cdae.model import CDAE
from tests.helpers import LinearDenoiser, assert_mean, linear_cascade, seeded
from tests.oracles import proposals as oracles
from tests.oracles.linear_gaussian import LinearGaussianCascade

SHARE, STD = np.array([0.9, 0.5, 0.2, 0.7]), np.array([0.3, 0.5, 1.1, 2.0])
CASES = {
    "paper": (Paper(), oracles.paper),
    "widened": (Widened(), oracles.widened),
    "renoising": (Renoising(), oracles.renoising),
    "guided": (
        Guided(torch.from_numpy(SHARE), torch.from_numpy(STD)),
        lambda cascade, states: oracles.guided(cascade, states, SHARE, STD),
    ),
}


def cascade_with_eq_9(seed: int, dim: int, n_levels: int) -> tuple[CDAE, LinearGaussianCascade]:
    """A random linear cascade whose variances could come from Eq. 9: rho_i above c_i."""
    model, oracle = linear_cascade(seed, dim, n_levels)
    rho = np.sqrt(oracle.corruption_std[:-1] ** 2 + np.random.default_rng(seed).uniform(0.1, 0.4, n_levels))
    model.reconstruction_std.copy_(torch.from_numpy(rho))
    return model, LinearGaussianCascade(**(vars(oracle) | {"reconstruction_std": rho}))


def errors(name: str, seed: int = 0) -> np.ndarray:
    """Relative errors of log p(x_0..k) - log q(x_1..k | x_0) at random states."""
    model, oracle = cascade_with_eq_9(seed, dim=3, n_levels=4)
    proposal, exact_density = CASES[name]
    states = np.random.default_rng(seed).standard_normal((6, 5, 3))
    x, latents = torch.from_numpy(states[:, 0]), torch.from_numpy(states[:, 1:]).permute(1, 0, 2)
    x_hat = model.denoise(latents)
    ratio = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, proposal, x, latents, x_hat)
    exact = oracle.log_joint(states.reshape(6, -1)) - exact_density(oracle, states)
    return np.abs(ratio.numpy() / exact - 1.0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_log_weights_are_joint_over_proposal(name, seed):
    assert (errors(name, seed) < 1e-11).all()


def level_off_by_one(name, monkeypatch):
    real = type(CASES[name][0]).std
    monkeypatch.setattr(type(CASES[name][0]), "std", lambda self, model: real(self, model).roll(1))


def variance_for_std(name, monkeypatch):
    real = type(CASES[name][0]).std
    monkeypatch.setattr(type(CASES[name][0]), "std", lambda self, model: real(self, model).square())


def neighbour_on_the_wrong_side(name, monkeypatch):
    monkeypatch.setattr(type(CASES[name][0]), "bottom_up", not CASES[name][0].bottom_up)


def swapped_share(name, monkeypatch):
    proposal = CASES[name][0]
    monkeypatch.setattr(proposal, "share", 1.0 - proposal.share)


def forgotten_two_pi(name, monkeypatch):
    for module in (proposals, prior, pixel_density):
        monkeypatch.setattr(module, "log_normal", lambda x, m, s: gaussian.log_normal(x, m, s) + 0.5 * gaussian.LOG_2PI)


def missing_top_level(name, monkeypatch):
    monkeypatch.setattr(proposals, "n_levels", lambda model: len(model.reconstruction_std) - 1)


MUTANTS = [
    *[(name, level_off_by_one) for name in CASES],
    *[(name, variance_for_std) for name in CASES],
    *[(name, neighbour_on_the_wrong_side) for name in ("renoising", "guided")],
    ("guided", swapped_share),
    *[(name, forgotten_two_pi) for name in CASES],
    *[(name, missing_top_level) for name in CASES],
]


@pytest.mark.parametrize(("name", "mutate"), MUTANTS)
def test_mutants_of_the_weights_are_seen(name, mutate, monkeypatch):
    mutate(name, monkeypatch)
    assert (errors(name) > 1e-4).all()


@pytest.mark.parametrize("name", CASES)
def test_draws_follow_the_density(name):
    """(x_i - mean) / std of drawn latents is standard normal, whatever was drawn before it."""
    model, _ = cascade_with_eq_9(1, dim=3, n_levels=4)
    proposal = CASES[name][0]
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64).expand(20_000, -1)
    latents, x_hat = proposals.propose(model, proposal, x, generator=seeded(3))
    torch.testing.assert_close(x_hat, model.denoise(latents))
    for level in range(1, 5):
        neighbour = level - 1 if proposal.bottom_up else level + 1
        mean = proposal.mean(model, level, x, x_hat[neighbour - 1] if 1 <= neighbour <= 4 else None)
        z = ((latents[level - 1] - mean) / proposal.std(model)[level - 1]).numpy()
        assert_mean(z, 0.0)
        assert_mean(z[:, :, None] * z[:, None, :], np.eye(3))


def test_the_papers_proposal_is_eq_11():
    model, _ = linear_cascade(2, dim=3, n_levels=4)
    x = torch.randn(5, 3, dtype=torch.float64, generator=seeded(0))
    latents = model.infer(x, generator=seeded(1))
    x_hat = model.denoise(latents)
    ratio = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, Paper(), x, latents, x_hat)
    torch.testing.assert_close(ratio, importance.log_weights(model, x, latents))


def test_guided_by_the_data_alone_is_the_papers():
    model, _ = linear_cascade(2, dim=3, n_levels=4)
    guided = Guided(torch.ones(4, dtype=torch.float64), model.corruption_std[1:])
    x = torch.randn(5, 3, dtype=torch.float64, generator=seeded(0))
    for level in range(1, 5):
        torch.testing.assert_close(guided.mean(model, level, x, x + 1.0), x)
    assert torch.equal(guided.std(model), Paper().std(model))


class OptimalDenoiser(nn.Module):
    """E[x_0 | x_i] for data N(mean, variance I), level by level."""

    def __init__(self, variance: float, mean: float, schedule: NoiseSchedule):
        super().__init__()
        self.variance, self.mean = variance, mean
        self.register_buffer("c", torch.tensor(schedule.corruption_std, dtype=torch.float64))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        share = self.variance / (self.variance + self.c[level, None].square())
        return self.mean + share * (x - self.mean)


def gaussian_cascade(stds: tuple[float, ...], variance: float = 0.49, mean: float = 0.3, dim: int = 5) -> CDAE:
    """The optimal cascade for isotropic Gaussian data."""
    schedule = NoiseSchedule((0.0, *stds))
    moments = {"data_mean": torch.full((dim,), mean), "data_std": torch.full((dim,), variance**0.5)}
    model = CDAE(OptimalDenoiser(variance, mean, schedule), schedule, **moments)
    c = model.corruption_std
    mse = variance * c[1:].square() / (variance + c[1:].square())
    model.reconstruction_std.copy_((c[:-1].square() + mse).sqrt())
    return model


def test_renoising_is_exact_for_isotropic_gaussian_data_and_the_papers_proposal_is_not():
    """Every single weight is the density that the model gives the data, whatever the draw."""
    model = gaussian_cascade((0.2, 0.5, 1.0, 2.0))
    x = torch.randn(7, 5, dtype=torch.float64, generator=seeded(0))
    draws = [proposals.draw_log_weights(model, Renoising(), x, generator=seeded(s)) for s in (1, 2)]
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=1e-5)  # prior_std comes from a float32 data_std
    papers = [proposals.draw_log_weights(model, Paper(), x, generator=seeded(s)) for s in (1, 2)]
    assert (papers[0] - papers[1]).abs().min() > 1e-2


def test_guided_fit_finds_the_posterior_where_it_is_guided():
    """k = 1: p(x_1 | x_0) is Gaussian, its mean between the prior's and x_0; fitted within two per cent."""
    model = gaussian_cascade((0.6,))
    data = 0.3 + 0.7 * torch.randn(500, 5, dtype=torch.float64, generator=seeded(0))
    guided = proposals.fit_guided(model, lambda _: data, n_updates=150, learning_rate=0.1, generator=seeded(1))
    slope, rho = 0.49 / (0.49 + 0.36), model.reconstruction_std[0].item()
    precision = 1.0 / (0.49 + 0.36) + slope**2 / rho**2
    assert guided.std(model).item() == pytest.approx(precision**-0.5, rel=0.02)
    assert guided.share.item() == pytest.approx(slope / rho**2 / precision, rel=0.02)


@torch.no_grad()
def test_guided_fit_gains_on_the_papers_bound_and_is_stationary():
    model, _ = cascade_with_eq_9(4, dim=3, n_levels=4)
    data = torch.randn(200, 3, dtype=torch.float64, generator=seeded(0))
    guided = proposals.fit_guided(model, lambda _: data, n_updates=100, learning_rate=0.1, generator=seeded(1))

    def bounds(proposal, copies=25):
        many = data.repeat(copies, 1)
        return (
            proposals.draw_log_weights(model, proposal, many, generator=seeded(2)).reshape(copies, -1).mean(0).numpy()
        )

    gain = bounds(guided) - bounds(Paper())
    assert gain.mean() > 5 * gain.std() / 200**0.5
    best = bounds(guided).mean()
    for i in range(4):
        for step in (-0.15, 0.15):
            moved = Guided(guided.share.clone(), guided.stds.clone())
            moved.stds[i] *= 1.0 + step
            assert bounds(moved).mean() < best
            moved = Guided(guided.share.clone(), guided.stds)
            moved.share[i] += step
            assert bounds(moved).mean() < best


def test_variance_ratios_tell_finite_from_infinite_variance():
    """One level, one dimension: the second moment of the weight, by quadrature over a growing range, settles or not."""
    for c, rho, finite in ((1.0, 0.8, True), (0.5, 0.8, False)):
        model = gaussian_cascade((c, 3.0), dim=1)
        model.reconstruction_std.copy_(torch.tensor([0.3, rho]))
        ratios = proposals.variance_ratios(model, Paper())
        np.testing.assert_allclose(ratios[0].item(), rho**2 / c**2)
        assert (ratios[0].item() < 2.0) == finite
        moments = []
        for reach in (20.0, 40.0):
            z = np.linspace(-reach, reach, 200_001)
            log_ratio = -(z**2) / (rho**2) + 0.5 * z**2 / c**2  # p(x_1 | x_2)^2 / q(x_1 | x_0), means aside
            moments.append(np.trapezoid(np.exp(np.minimum(log_ratio, 700.0)), z))
        assert (moments[1] / moments[0] < 1.001) == finite
    assert (proposals.variance_ratios(model, Widened())[:-1] == 1.0).all()


@pytest.mark.parametrize(
    ("c", "rho", "prior_std", "is_below_two", "is_finite"),
    [([0.6], [3.0], 1.0, False, True), ([0.6, 0.7], [3.0, 0.6], 0.8, True, False)],
)
def test_with_an_unbounded_denoiser_variance_is_finite_or_infinite_on_either_side_of_two(
    c, rho, prior_std, is_below_two, is_finite
):
    """r(x) = 3 x in one dimension. The weights have finite variance if and only if 2 P - Q is positive definite.

    P and Q are the precisions of the latents under p, given x_0, and under the inference model.
    """
    moments = {"data_mean": torch.zeros(1, dtype=torch.float64), "data_std": torch.ones(1, dtype=torch.float64)}
    model = CDAE(LinearDenoiser(np.array([[3.0]]), np.zeros(1)), NoiseSchedule((0.0, *c)), **moments)
    model.prior_std.fill_(prior_std)
    model.reconstruction_std.copy_(torch.tensor(rho))
    assert bool((proposals.variance_ratios(model, Paper()) < 2.0).all()) is is_below_two
    k = len(c)
    residuals = np.vstack([-3.0 * np.eye(1, k), np.eye(k) - 3.0 * np.eye(k, k=1)])  # x_i - 3 x_{i+1}, by the latents
    precision = residuals.T @ np.diag(1.0 / np.square([*rho, prior_std])) @ residuals
    assert bool((np.linalg.eigvalsh(2.0 * precision - np.diag(1.0 / np.square(c))) > 0.0).all()) is is_finite
