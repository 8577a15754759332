"""The cascade of flipped pixels against sums over all states of all levels."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from baselines import bit_flips
from baselines.bit_flips import BitFlipCDAE, geometric_flips
from cdae import bernoulli
from cdae.data import TrainingSet
from cdae.denoiser import mlp
from cdae.estimators import importance
from cdae.training import fit
from tests.helpers import assert_mean, mutated, seeded
from tests.oracles.bit_flips import BitFlipCascade, corners

CASES = [(2, [0.1, 0.2, 0.4]), (3, [0.15, 0.5]), (6, [0.2])]  # 2^(d (k + 1)) states: 256, 512, 4,096


def cascade(dim: int, flips: list[float], module=bit_flips) -> tuple[BitFlipCDAE, BitFlipCascade]:
    """A model in float64 with a random network, and its oracle."""
    network = mlp(dim, [5], dim, generator=seeded(dim))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    mean = torch.rand(dim, generator=seeded(dim + 1), dtype=torch.float64)
    model = module.BitFlipCDAE(network, flips, mean, loss="full").double().requires_grad_(False)
    denoiser = torch.sigmoid(model.logits(torch.from_numpy(corners(dim)))).numpy()
    return model, BitFlipCascade(denoiser, model.flip_probability.tolist(), model.data_mean.numpy())


def expected_terms(model: BitFlipCDAE, oracle: BitFlipCascade, x: np.ndarray) -> np.ndarray:
    """Exactly: reconstruction, level_kl_1 .., prior_kl. A term depends on one level, so all levels see one corner."""
    states = torch.from_numpy(oracle.states)
    copies = torch.from_numpy(x).expand(len(states), -1)
    terms = model.bound_terms(copies, states.expand(model.n_levels, -1, -1))
    q = oracle.corrupted(x)
    levels = [terms.reconstruction, *terms.level_kl]
    means = [float(q_i @ term.numpy()) for q_i, term in zip(q, levels, strict=True)]
    return np.array([*means, terms.prior_kl[0].item()])


def bound_error(module=bit_flips) -> float:
    """Of E[bound] + gap, which is log p(x), and of E[bound] against the sum before any rearrangement."""
    errors = []
    for dim, flips in CASES:
        model, oracle = cascade(dim, flips, module)
        for x in oracle.states[:: max(1, len(oracle.states) // 4)]:
            first, *rest = expected_terms(model, oracle, x)
            bound = first - sum(rest)
            errors += [abs(bound + oracle.gap(x) - oracle.log_prob(x)), abs(bound - oracle.bound(x))]
    return max(errors)


def weight_error(module=bit_flips) -> float:
    """Of the sum of q(x_1 .. x_k | x_0) w over all states, which is p(x)."""
    errors = []
    for dim, flips in CASES:
        model, oracle = cascade(dim, flips, module)
        x, n = oracle.states[-2], len(oracle.states)
        chosen = np.array(list(product(range(n), repeat=len(flips))))  # corners of x_1 .. x_k, in the order of `joint`
        latents = torch.from_numpy(oracle.states[chosen.T])
        log_weights = model.log_weights(torch.from_numpy(x).expand(len(chosen), -1), latents).numpy()
        errors.append(abs(np.log(oracle.inferred(x).ravel() @ np.exp(log_weights)) - oracle.log_prob(x)))
    return max(errors)


def test_the_bound_and_its_gap_add_up_to_the_exact_log_probability():
    assert bound_error() < 1e-10


def test_the_bound_lies_below_the_exact_log_probability():
    for dim, flips in CASES:
        model, oracle = cascade(dim, flips)
        for x in oracle.states[::3]:
            first, *rest = expected_terms(model, oracle, x)
            assert first - sum(rest) < oracle.log_prob(x)


def test_divergences_are_exact_level_by_level():
    model, oracle = cascade(2, CASES[0][1])
    for x in oracle.states:
        level_kl = expected_terms(model, oracle, x)[1:-1]
        np.testing.assert_allclose(level_kl, [oracle.level_kl(x, i) for i in (1, 2)], rtol=1e-10)
        q = oracle.corrupted(x)[-1]
        prior_kl = model.prior_kl(torch.from_numpy(x)[None]).item()
        np.testing.assert_allclose(prior_kl, q @ np.log(q / oracle.prior), rtol=1e-10)


def test_importance_weights_average_to_the_exact_probability():
    assert weight_error() < 1e-10


def test_probabilities_of_all_images_sum_to_one():
    """Of the oracle, on which the other tests stand."""
    for dim, flips in CASES:
        _, oracle = cascade(dim, flips)
        assert sum(np.exp(oracle.log_prob(x)) for x in oracle.states) == pytest.approx(1.0, abs=1e-12)


BOUND_MUTANTS = {
    "prior of the data": "mean * (1.0 - flip) + (1.0 - mean) * flip -> mean",
    "levels shifted": "self.flip_probability[:-1]]) -> self.flip_probability[1:]])",
    "last step flips too": "torch.zeros_like(self.flip_probability[:1]) -> self.flip_probability[:1] / 2.0",
    "inner levels are lost": "BoundTerms(-step_kl[0], step_kl[1:] -> BoundTerms(-step_kl[0], 0.0 * step_kl[1:]",
    "prior at another level": "kl_from_flips(x, self.flip_probability[-1]) -> kl_from_flips(x, self.below()[-1])",
}
WEIGHT_MUTANTS = {
    "prior of the data": BOUND_MUTANTS["prior of the data"],
    "levels shifted": BOUND_MUTANTS["levels shifted"],
    "states shifted": "torch.cat([x[None], latents[:-1]]) -> torch.cat([latents[:-1], x[None]])",
    "without q": " - log_flips(x, latents, self.flip_probability).sum(0) -> ",
    "without the prior": "self.prior.log_prob(latents[-1]) + steps -> steps",
}


@pytest.mark.parametrize(
    ("error", "mutant"),
    [(bound_error, m) for m in BOUND_MUTANTS.values()] + [(weight_error, m) for m in WEIGHT_MUTANTS.values()],
)
def test_mutants_of_the_model_are_seen(error, mutant):
    assert not error(mutated(bit_flips, *mutant.split(" -> "))) < 1e-3


DENSITY_MUTANTS = {
    "entropy of the flips lost": "(minus_entropy - expected) -> (-expected)",
    "half of the entropy": "+ torch.xlogy(1.0 - flip, 1.0 - flip) -> ",
    "flips never expected": "+ flip * self.at(1.0 - x) -> ",
    "only ones are flipped": "torch.logaddexp(zero + stay, one + change) -> zero",
    "black for white": "torch.where(x > 0.5, self.one, self.zero) -> torch.where(x < 0.5, self.one, self.zero)",
}


@pytest.mark.parametrize("mutant", DENSITY_MUTANTS.values())
def test_mutants_of_the_densities_are_seen(mutant, monkeypatch):
    broken = mutated(bernoulli, *mutant.split(" -> "))
    for method in ("at", "kl_from_flips"):
        monkeypatch.setattr(bernoulli.LogBernoulli, method, getattr(broken.LogBernoulli, method))
    monkeypatch.setattr(bit_flips, "flipped", lambda *given: bernoulli.LogBernoulli(*broken.flipped(*given)))
    assert not bound_error() < 1e-3


def test_a_mutant_of_the_corruption_is_seen_by_the_weights(monkeypatch):
    broken = mutated(bernoulli, "(x.shape[-1] - n_flips)", "x.shape[-1]")
    monkeypatch.setattr(bit_flips, "log_flips", broken.log_flips)
    assert weight_error() > 1e-3


def test_infer_flips_pixels_of_every_level_independently_as_often_as_it_says():
    model, _ = cascade(3, CASES[1][1])
    x = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64).expand(20_000, -1)
    flips = (model.infer(x, generator=seeded(1)) - x).abs().numpy()
    for level, f in enumerate(model.flip_probability.tolist()):
        assert_mean(flips[level], f)
    assert_mean(flips[0] * flips[1], 0.15 * 0.5)
    assert_mean(flips[0, :, 0] * flips[0, :, 1], 0.15**2)


def test_simulated_images_have_the_exact_probabilities_with_their_latents():
    model, oracle = cascade(2, CASES[0][1])
    x, latents = model.simulate(20_000, generator=seeded(2))
    images = x.numpy()
    for corner in oracle.states:
        is_corner = (images == corner).all(1)
        assert_mean(is_corner.astype(float), np.exp(oracle.log_prob(corner)))
        joint = oracle.joint(corner)
        for level in range(3):
            others = tuple(axis for axis in range(3) if axis != level)
            expected = joint.sum(others)[oracle.index(np.array([1.0, 0.0]))]
            is_both = is_corner & (latents[level].numpy() == [1.0, 0.0]).all(1)
            assert_mean(is_both.astype(float), expected)


def test_both_losses_are_minus_the_expected_bound():
    model, oracle = cascade(2, CASES[0][1])
    x = oracle.states[1]
    first, *rest = expected_terms(model, oracle, x)
    for name in bit_flips.LOSSES:
        model.loss_name, generator = name, seeded(3)
        copies = torch.from_numpy(x).expand(100, -1)
        losses = np.array([model.loss(copies, generator=generator).item() for _ in range(100)])
        assert_mean(losses, sum(rest) - first)


def test_training_reaches_iw_m_near_the_entropy_of_the_data():
    """Two images and their flipped pixels, whose entropy is known: no bound lies above it."""
    dim, flip = 6, 0.05
    rng = np.random.default_rng(0)
    prototypes = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0]])

    def draw(n: int) -> torch.Tensor:
        images = prototypes[rng.integers(2, size=n)]
        return torch.from_numpy(np.abs(images - (rng.random((n, dim)) < flip))).float()

    train, test = TrainingSet(draw(2_000), unit_interval=True), draw(1_000)
    options = {"n_levels": 2, "first_flip": 0.1, "last_flip": 0.4, "hidden_sizes": [32], "loss": "shrunk_uniform"}
    model = BitFlipCDAE.build(options, train, generator=seeded(4))
    training = {"n_updates": 400, "batch_size": 100, "learning_rate": 1e-2}
    history = fit(model, train, **training, generator=seeded(5), progress=lambda line: None)
    with torch.no_grad():
        log_weights = importance.log_importance_weights(model, test, n_importance_samples=50, generator=seeded(6))
    distance = np.abs(test.numpy()[:, None] - prototypes).sum(-1)
    exact = np.log((0.5 * flip**distance * (1 - flip) ** (dim - distance)).sum(1))
    difference = importance.log_likelihood(log_weights).numpy() - exact
    assert history.loss[-1] < history.loss[0] - 0.5
    assert -0.3 < difference.mean() < 5.0 * difference.std() / len(difference) ** 0.5


def test_a_prior_of_pure_noise_has_no_divergence():
    """f_k = 1/2 forgets the data."""
    model, oracle = cascade(3, CASES[1][1])
    assert model.prior_kl(torch.from_numpy(oracle.states)).abs().max() < 1e-12


@pytest.mark.parametrize("flips", [[], [0.0, 0.2], [0.3, 0.2], [0.2, 0.6]])
def test_flips_that_do_not_increase_up_to_one_half_are_refused(flips):
    with pytest.raises(ValueError, match="flip_probability: got"):
        BitFlipCDAE(nn.Identity(), flips, torch.full((3,), 0.5))


def test_levels_have_a_constant_ratio_between_their_ends():
    np.testing.assert_allclose(geometric_flips(3, 0.1, 0.4), [0.1, 0.2, 0.4])
    np.testing.assert_allclose(geometric_flips(1, 0.1, 0.4), [0.2])
