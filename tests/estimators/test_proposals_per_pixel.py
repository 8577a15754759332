"""Inference models of a cascade with a variance per pixel: their densities against the oracle, and draws from them."""

import numpy as np
import pytest
import torch

from cdae.estimators import proposals
from tests.helpers import assert_mean, linear_cascade, seeded
from tests.oracles import proposals as oracles

DIM, N_LEVELS = 3, 4
POINT = torch.from_numpy(np.random.default_rng(0).standard_normal(DIM))


def with_equation_nine(seed: int):
    """Variances that could come from Eq. 9: rho_{i,j} above c_i."""
    model, oracle = linear_cascade(seed, DIM, N_LEVELS, reconstruction="per_pixel")
    added = np.random.default_rng(seed).uniform(0.1, 0.4, (N_LEVELS, DIM))
    rho = np.sqrt(oracle.corruption_std[:-1, None] ** 2 + added)
    model.reconstruction_std.copy_(torch.from_numpy(rho))
    return model, type(oracle)(**(vars(oracle) | {"reconstruction_std": rho}))


SHARE, STD = np.array([0.9, 0.5, 0.2, 0.7]), np.array([0.3, 0.5, 1.1, 2.0])
GUIDED = proposals.Guided(torch.from_numpy(SHARE), torch.from_numpy(STD))
PROPOSALS = {
    "paper": (proposals.Paper(), oracles.paper),
    "widened": (proposals.Widened(), oracles.widened),
    "renoising": (proposals.Renoising(), oracles.renoising),
    "guided": (GUIDED, lambda cascade, states: oracles.guided(cascade, states, SHARE, STD)),
}


@pytest.mark.parametrize("name", PROPOSALS)
def test_log_weights_are_joint_over_proposal(name):
    model, oracle = with_equation_nine(0)
    proposal, exact_density = PROPOSALS[name]
    states = np.random.default_rng(1).standard_normal((6, N_LEVELS + 1, DIM))
    x, latents = torch.from_numpy(states[:, 0]), torch.from_numpy(states[:, 1:]).permute(1, 0, 2)
    x_hat = model.denoise(latents)
    ratio = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, proposal, x, latents, x_hat)
    exact = oracle.log_joint(states.reshape(6, -1)) - exact_density(oracle, states)
    np.testing.assert_allclose(ratio, exact, rtol=1e-11)
    if name == "paper":
        np.testing.assert_allclose(model.log_weights(x, latents), exact, rtol=1e-11)


@pytest.mark.parametrize("name", PROPOSALS)
def test_draws_follow_the_density(name):
    """(x_i - mean) / std of drawn latents is standard normal, whatever was drawn before it."""
    model, _ = with_equation_nine(1)
    proposal = PROPOSALS[name][0]
    x = POINT.expand(20_000, -1)
    latents, x_hat = proposals.propose(model, proposal, x, generator=seeded(3))
    for level in range(1, N_LEVELS + 1):
        neighbour = level - 1 if proposal.bottom_up else level + 1
        mean = proposal.mean(model, level, x, x_hat[neighbour - 1] if 1 <= neighbour <= N_LEVELS else None)
        z = ((latents[level - 1] - mean) / proposal.std(model)[level - 1]).numpy()
        assert_mean(z, 0.0)
        assert_mean(z[:, :, None] * z[:, None, :], np.eye(DIM))


def test_variance_ratios_are_those_of_the_widest_pixel():
    model, oracle = with_equation_nine(2)
    rho, c = oracle.reconstruction_std, oracle.corruption_std
    expected = [*(rho[1:].max(1) / c[1:-1]) ** 2, (oracle.prior_std.max() / c[-1]) ** 2]
    np.testing.assert_allclose(proposals.variance_ratios(model, proposals.Paper()), expected, rtol=1e-12)
    np.testing.assert_allclose(proposals.variance_ratios(model, proposals.Widened())[:-1], 1.0, rtol=1e-12)
