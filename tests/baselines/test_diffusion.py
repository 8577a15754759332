"""The diffusion model against linear-Gaussian Markov chains, whose densities and gaps are exact."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from baselines import diffusion
from baselines.diffusion import Diffusion
from cdae import markov_path, objective
from cdae.certification import certify, evaluate
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.denoiser import ConditionedDenoiser, DataScale, UnsharedDenoiser, mlp
from cdae.estimators import markov, sandwich
from cdae.estimators.catalogue import estimators_for
from cdae.estimators.gaussian_base import CascadeFit
from cdae.estimators.markov import markov_bound_terms
from cdae.estimators.sandwich import Annealing
from cdae.gaussian import log_normal
from cdae.interfaces import Cascade, Chain, Denoises, Layered, Leveled, ManyLosses, Trainable
from cdae.model import CDAE
from cdae.prior import DiagonalPrior
from cdae.training import fit
from tests.estimators.two_sided import COURSE, rough_fit
from tests.helpers import (
    CDAE_OPTIONS,
    LinearDenoiser,
    assert_mean,
    assert_moments,
    expected_gradient_of_one_level,
    gradient,
    linear_cascade,
    quadrature,
    seeded,
    shared_noise,
)
from tests.oracles.linear_markov import LinearMarkovChain

TOLERANCE = 1e-9  # relative to the larger of 1 and the gap
CASES = [(0, 1, 1), (1, 3, 1), (2, 1, 4), (3, 5, 3), (4, 8, 6), (5, 20, 2), (6, 2, 10)]


def point(seed: int, dim: int) -> np.ndarray:
    return 1.5 * np.random.default_rng(seed).standard_normal(dim)


def oracle_of(parts: CDAE, matrix: np.ndarray, bias: np.ndarray) -> LinearMarkovChain:
    """The oracle of the diffusion with these parts: v_i as first defined, from c_i and MSE_{i+1} = rho_i^2 - c_i^2."""
    c, rho = parts.corruption_std.numpy(), parts.reconstruction_std.numpy()
    g = c[:-1] ** 2 / c[1:] ** 2
    variance = c[:-1] ** 2 * (1 - g) + (1 - g) ** 2 * (rho**2 - c[:-1] ** 2)
    return LinearMarkovChain(matrix, bias, c, variance, parts.prior_mean.numpy(), parts.prior_std.numpy())


def linear_diffusion(seed: int, dim: int, n_levels: int) -> tuple[Diffusion, LinearMarkovChain]:
    """A random linear diffusion, far from any optimum, and its oracle."""
    parts, cascade = linear_cascade(seed, dim, n_levels)
    return Diffusion(parts), oracle_of(parts, cascade.matrix, cascade.bias)


def optimal_diffusion() -> tuple[Diffusion, LinearMarkovChain]:
    """Two dimensions, three levels, errors that suit the denoiser: weights of finite variance."""
    matrix, bias = np.array([[0.85, 0.15], [-0.1, 0.8]]), np.array([0.3, -0.2])
    mean, std = torch.tensor([0.5, -0.5]), torch.tensor([1.0, 0.7])
    parts = CDAE(LinearDenoiser(matrix, bias), NoiseSchedule((0.0, 0.5, 0.8, 1.2)), data_mean=mean, data_std=std)
    mse = torch.tensor([0.09, 0.15, 0.24], dtype=torch.float64)
    parts.reconstruction_std.copy_(objective.optimal_reconstruction_std(parts.corruption_std, mse))
    return Diffusion(parts), oracle_of(parts, matrix, bias)


def expected_bound(model: Diffusion, x: np.ndarray) -> float:
    """E[bound] at one point, exactly: its integrand is quadratic in the noise, one level at a time."""
    return model.bound_terms(*shared_noise(model.parts, torch.from_numpy(x))).total.mean().item()


def expected_log_weight(model: Diffusion, x: np.ndarray) -> float:
    """E[log w] at one point, exactly: it is quadratic in the k d steps of the path, of which q is a random walk."""
    c, start = model.corruption_std, torch.from_numpy(x)
    z = quadrature(model.n_levels * len(x)).reshape(-1, model.n_levels, len(x)).transpose(0, 1)
    path = start + (torch.diff(c**2).sqrt()[:, None, None] * z).cumsum(0)
    return model.log_weights(start.expand(z.shape[1], -1), path).mean().item()


EXPECTATIONS = {"bound": expected_bound, "log weight": expected_log_weight}


def identity_error(which: str, model: Diffusion, oracle: LinearMarkovChain, x: np.ndarray) -> float:
    gap = oracle.gap(x)
    return abs(oracle.log_prob(x) - EXPECTATIONS[which](model, x) - gap) / max(1.0, gap)


@pytest.mark.parametrize("which", EXPECTATIONS)
@pytest.mark.parametrize(("seed", "dim", "n_levels"), CASES)
def test_log_density_is_expectation_plus_gap(seed, dim, n_levels, which):
    model, oracle = linear_diffusion(seed, dim, n_levels)
    x = point(seed, dim)
    assert identity_error(which, model, oracle, x) < TOLERANCE
    assert oracle.gap(x) > 1e-3


def share(change):
    def mutate(monkeypatch):
        real = markov.kept_share
        monkeypatch.setattr(markov, "kept_share", lambda c: change(real(c)))
        monkeypatch.setattr(diffusion, "kept_share", lambda c: change(real(c)))

    return mutate


def variances(formula):
    """v_i as a formula of g_i, c_i^2 and rho_i^2."""

    def mutate(monkeypatch):
        def std(c, rho):
            return formula(markov.kept_share(c), c[:-1].square(), rho.square()).sqrt()

        monkeypatch.setattr(markov, "transition_std", std)
        monkeypatch.setattr(diffusion, "transition_std", std)

    return mutate


def without_prior(monkeypatch):
    monkeypatch.setattr(DiagonalPrior, "kl_from", lambda self, mean, std: mean.new_zeros(len(mean)))
    monkeypatch.setattr(DiagonalPrior, "log_prob", lambda self, x: x.new_zeros(len(x)))


BOTH = {
    "share of the level above": share(lambda g: g.roll(-1)),
    "share of the level below": share(lambda g: g.roll(1)),
    "c_i / c_{i+1} for its square": share(torch.sqrt),
    "variance without the error": variances(lambda g, own, rho: (own * (1 - g)).clamp(min=0.1)),
    "error without its factor (1 - g)^2": variances(lambda g, own, rho: own * (1 - g) + (rho - own)),
    "factor (1 - g) for its square": variances(lambda g, own, rho: (1 - g) * rho),
    "prior left out": without_prior,
}


def independent(monkeypatch):
    """The path's density as that of a cascade's corruption."""

    def log_prob(x, path, c):
        return torch.stack([log_normal(state, x, std) for state, std in zip(path, c[1:], strict=True)]).sum(0)

    monkeypatch.setattr(markov_path, "log_prob", log_prob)


def path_steps(change):
    def mutate(monkeypatch):
        real = markov_path.step_std
        monkeypatch.setattr(markov_path, "step_std", lambda c: change(real(c), c))

    return mutate


def mean_without_what_is_kept(monkeypatch):
    monkeypatch.setattr(diffusion.Transitions, "denoise", lambda self, noisy: self.parts.denoise(noisy))


def mean_from_the_wrong_level(monkeypatch):
    real = diffusion.Transitions.denoise
    monkeypatch.setattr(diffusion.Transitions, "denoise", lambda self, noisy: real(self, noisy).roll(1, 0))


OF_WEIGHTS = {
    "path drawn independently": independent,
    "variance of a step for its std": path_steps(lambda std, c: std.square()),
    "a step as wide as its level": path_steps(lambda std, c: c[1:]),
    "steps of the levels above": path_steps(lambda std, c: std.roll(-1)),
    "mean without what is kept": mean_without_what_is_kept,
    "mean from the wrong level": mean_from_the_wrong_level,
}


@pytest.mark.parametrize(
    ("which", "mutate"),
    [
        *(pytest.param(which, m, id=f"{which}: {name}") for name, m in BOTH.items() for which in EXPECTATIONS),
        *(pytest.param("log weight", m, id=f"log weight: {name}") for name, m in OF_WEIGHTS.items()),
    ],
)
def test_mutants_break_the_identity(which, mutate, monkeypatch):
    model, oracle = linear_diffusion(0, dim=4, n_levels=3)
    mutate(monkeypatch)
    assert identity_error(which, model, oracle, point(0, 4)) > 1e6 * TOLERANCE


def test_the_bound_is_the_markov_bound_of_a_cascade_with_the_same_parts():
    model, _ = linear_diffusion(3, 5, 3)
    x = torch.randn(7, 5, dtype=torch.float64, generator=seeded(0))
    path = model.infer(x, generator=seeded(1))
    ours, theirs = model.bound_terms(x, path), markov_bound_terms(linear_cascade(3, 5, 3)[0], x, path)
    for name in ("reconstruction", "level_kl", "prior_kl", "total"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def test_with_one_level_it_is_the_cascade():
    """Bound, weights, loss and samples."""
    parts, _ = linear_cascade(1, dim=3, n_levels=1)
    model, x = Diffusion(parts), torch.randn(9, 3, dtype=torch.float64, generator=seeded(0))
    path = model.infer(x, generator=seeded(1))
    assert torch.equal(path, parts.infer(x, generator=seeded(1)))
    torch.testing.assert_close(model.bound_terms(x, path).total, parts.bound_terms(x, path).total)
    torch.testing.assert_close(model.log_weights(x, path), parts.log_weights(x, path))
    (ours, _), (theirs, _) = (made.simulate(4, generator=seeded(2)) for made in (model, parts))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(model.loss(x, generator=seeded(3)), parts.loss(x, generator=seeded(3)))


def test_paths_are_those_of_the_oracle_and_have_its_density():
    """Moments of draws, a Brownian motion from x_0; and log densities at them, against SciPy."""
    model, oracle = linear_diffusion(2, 2, 4)
    x = point(2, 2)
    many = torch.from_numpy(x).expand(40_000, -1)
    paths = model.infer(many, generator=seeded(0))
    rows = paths.transpose(0, 1).flatten(1).numpy()
    mean, covariance = oracle.inference_moments(x)
    assert_moments(rows, mean, covariance)
    expected = multivariate_normal(mean, covariance).logpdf(rows[:50])
    found = markov_path.log_prob(many[:50], paths[:, :50], model.corruption_std)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_what_is_simulated_has_the_joint_density_of_the_oracle():
    """All levels at once; and each sample set has the right last step."""
    model, oracle = optimal_diffusion()
    x, latents = model.simulate(40_000, generator=seeded(0))
    mean, covariance = oracle.joint_moments()
    assert_moments(torch.cat([x[None], latents]).transpose(0, 1).flatten(1).numpy(), mean, covariance)
    means, samples = model.sample_sets(40_000, generator=seeded(1))
    assert (means.variant.last_step, samples.variant.last_step) == ("mean", "sample")
    own = oracle.transition_var[0] * np.eye(2)
    assert_moments(samples.values.numpy(), mean[:2], covariance[:2, :2])
    assert_moments(means.values.numpy(), mean[:2], covariance[:2, :2] - own)


def test_the_joint_cascade_gives_level_by_level_what_it_gives_at_once():
    model, _ = linear_diffusion(4, 3, 5)
    joint, noisy = model.transitions, torch.randn(5, 7, 3, dtype=torch.float64, generator=seeded(0))
    one_by_one = torch.stack([joint.denoise_level(x, level) for level, x in enumerate(noisy, 1)])
    torch.testing.assert_close(joint.denoise(noisy), one_by_one)
    torch.testing.assert_close(joint.denoise(noisy)[0], model.denoise(noisy)[0])
    assert isinstance(joint, Cascade)


def test_weights_of_the_linear_example_have_finite_variance():
    _, oracle = optimal_diffusion()
    (_, of_q), (_, of_p) = oracle.inference_moments(np.zeros(2)), oracle.posterior_moments(np.zeros(2))
    assert np.linalg.eigvalsh(2 * np.linalg.inv(of_p) - np.linalg.inv(of_q)).min() > 0.1


def test_importance_weights_average_to_the_density():
    model, oracle = optimal_diffusion()
    for x in ([0.2, -0.4], [1.5, -1.0]):
        many = torch.tensor(x, dtype=torch.float64).expand(50_000, -1)
        log_w = model.log_weights(many, model.infer(many, generator=seeded(0))).numpy()
        assert_mean(np.exp(log_w - oracle.log_prob(np.array(x))), 1.0)


def rough_annealing(model: Diffusion, n_chains: int) -> Annealing:
    return Annealing(rough_fit(model.transitions), COURSE, 4, n_chains, lambda line: None)


SIDED = {
    "own path": lambda model: sandwich.encoder_sampling(model, 5),
    "prior": lambda model: sandwich.prior_sampling_of_cascade(model.transitions, 5),
    "annealed": lambda model: rough_annealing(model, 2),
}


@pytest.mark.parametrize("name", SIDED)
def test_both_sides_hold(name):
    """E[w] = p(x) below, and E[1 / estimate] = 1 / p(x) above, at data that the model has made."""
    model, oracle = optimal_diffusion()
    mean, covariance = oracle.joint_moments()
    x, latents = model.simulate(100 if name == "annealed" else 3_000, generator=seeded(0))
    sides = SIDED[name](model).both_sides(x, latents, generator=seeded(1))
    exact = multivariate_normal(mean[:2], covariance[:2, :2]).logpdf(x.numpy())
    assert_mean(np.exp(sides.log_weights.numpy() - exact).mean(0), 1.0)
    assert_mean(np.exp(exact - sides.upper.numpy()), 1.0)


def test_annealing_of_a_linear_diffusion_is_exact_with_a_full_base():
    """The posterior is a Gaussian, and so is the base: both sides are log p to rounding."""
    model, oracle = optimal_diffusion()
    x, latents = model.simulate(4, generator=seeded(3))
    fitted = CascadeFit(model.transitions, force_precision="highest")
    sides = Annealing(fitted, COURSE, 3, 2, lambda line: None).both_sides(x, latents, generator=seeded(4))
    exact = [oracle.log_prob(row) for row in x.numpy()]
    np.testing.assert_allclose(sides.upper.numpy(), exact, atol=1e-6)
    np.testing.assert_allclose(sides.log_weights.numpy()[0], exact, atol=1e-6)


class PosteriorMean(nn.Module):
    """E[x_0 | x_i] of independent N(0, data_std^2), times `shrinkage`; without parameters."""

    def __init__(self, data_std: Tensor, corruption_std: Tensor, shrinkage: float):
        super().__init__()
        self.data_var, self.corruption_std, self.shrinkage = data_std**2, corruption_std, shrinkage

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.shrinkage * self.data_var / (self.data_var + self.corruption_std[level, None].square()) * x


def gap_on_gaussian_data(n_levels: int, shrinkage: float) -> float:
    """E[log p(data) - bound], exactly, with the errors of the denoiser in closed form; levels from 0.01 to 4."""
    std, schedule = np.array([0.3, 1.0, 2.0]), NoiseSchedule.geometric(n_levels, 0.01, 4.0)
    c = np.array(schedule.corruption_std)
    denoiser = PosteriorMean(torch.from_numpy(std), torch.from_numpy(c), shrinkage)
    parts = CDAE(denoiser, schedule, data_mean=torch.zeros(3), data_std=torch.from_numpy(std))
    noise = c[1:, None] ** 2
    slope = shrinkage * std**2 / (std**2 + noise)
    mse = ((1 - slope) ** 2 * std**2 + slope**2 * noise).mean(1)
    parts.reconstruction_std.copy_(torch.from_numpy(np.sqrt(c[:-1] ** 2 + mse)))
    corners = np.sqrt(3) * np.concatenate([np.diag(std), -np.diag(std)])  # exact for a quadratic function of the data
    bound = np.mean([expected_bound(Diffusion(parts), x) for x in corners])
    return float(-0.5 * np.log(2 * np.pi * np.e * std**2).sum() - bound)


def test_the_gap_vanishes_in_small_steps_with_the_best_denoiser_and_with_no_other():
    best, other = ([gap_on_gaussian_data(k, share) for k in (5, 20, 80)] for share in (1.0, 0.9))
    assert all(low < 0.5 * high for high, low in pairwise(best)) and 0 < best[-1] < 0.06
    assert min(other) > 0.3 and other[-1] > other[0]


def network_diffusion(loss: str, denoiser: str, **options) -> tuple[Diffusion, Tensor]:
    """Small networks and data in the unit interval, in float64."""
    data = TrainingSet(torch.rand(12, 3, generator=seeded(0)), unit_interval=True)
    given = {**CDAE_OPTIONS, "loss": loss, "denoiser": denoiser, **options}
    return Diffusion.build(given, data, generator=seeded(1)).double(), data.draw(generator=seeded(2)).double()


def minus_bound(model: Diffusion, x: Tensor, noise: Tensor) -> Tensor:
    noisy = x + model.corruption_std[1:, None, None] * noise
    return -model.bound_terms(x, noisy).total.mean()


@pytest.mark.parametrize("reconstruction", ["isotropic", "per_pixel"])
@pytest.mark.parametrize("last_step", ["closed_form", "predicted", "robust"])
@pytest.mark.parametrize("loss", ["shrunk", "shrunk_uniform", "full"])
def test_the_gradient_of_a_loss_is_that_of_the_bound(loss, last_step, reconstruction, monkeypatch):
    """On average over levels, with the same noise at all of them."""
    model, x = network_diffusion(loss, "conditioned", last_step=last_step, reconstruction=reconstruction)
    noise = torch.randn(12, 3, dtype=torch.float64, generator=seeded(2))
    expected = gradient(minus_bound(model, x, noise.expand(3, -1, -1)), model)
    if loss == "full":
        monkeypatch.setattr(CDAE, "infer", lambda self, x, generator: x + self.corruption_std[1:, None, None] * noise)
        found = gradient(model.loss(x, generator=seeded(0)), model)
    else:
        found = expected_gradient_of_one_level(model, x, noise, monkeypatch)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("loss", ["shrunk", "shrunk_uniform"])
def test_a_loss_weighted_as_a_cascades_has_another_gradient(loss, monkeypatch):
    model, x = network_diffusion(loss, "conditioned")
    noise = torch.randn(12, 3, dtype=torch.float64, generator=seeded(2))
    expected = gradient(minus_bound(model, x, noise.expand(3, -1, -1)), model)
    monkeypatch.setattr(diffusion, "error_std", lambda c, rho: rho)
    found = expected_gradient_of_one_level(model, x, noise, monkeypatch)
    assert (found - expected).abs().max() > 1e-3 * expected.abs().max()


def test_refitted_variances_are_the_best_for_the_bound(monkeypatch):
    """No gradient of the bound, averaged over the examples of the fit, with the noise of the fit."""
    model, x = network_diffusion("full", "conditioned")
    noise = torch.randn(3, 12, 3, dtype=torch.float64, generator=seeded(2))
    monkeypatch.setattr(CDAE, "infer", lambda self, x, generator: x + (self.corruption_std[1:, None, None] * noise))
    model.refit(x, generator=seeded(0))
    rho = model.parts.reconstruction_std.clone().requires_grad_()
    monkeypatch.setattr(model.parts, "reconstruction_std", rho)
    (slope,) = torch.autograd.grad(minus_bound(model, x, noise), rho)
    assert slope.abs().max() < 1e-8


def test_the_denoiser_sees_the_level_unless_asked_otherwise():
    x = TrainingSet(torch.rand(12, 3, generator=seeded(0)))
    options = {name: value for name, value in CDAE_OPTIONS.items() if name != "denoiser"}
    assert isinstance(Diffusion.build(options, x, generator=seeded(1)).parts.denoiser, ConditionedDenoiser)
    unshared = Diffusion.build({**options, "denoiser": "unshared"}, x, generator=seeded(1))
    assert isinstance(unshared.parts.denoiser, UnsharedDenoiser)


def test_learned_variances_are_refused():
    scale = DataScale(torch.zeros(2), 1.0, unit_interval=False)
    denoiser = ConditionedDenoiser(mlp(3, [], 2, generator=seeded(0)), scale, 1)
    zeros, ones = torch.zeros(2), torch.ones(2)
    parts = CDAE(denoiser, NoiseSchedule((0.0, 1.0)), data_mean=zeros, data_std=ones, variances="learned")
    with pytest.raises(ValueError, match="got a cascade with learned variances, expected closed_form"):
        Diffusion(parts)


def test_training_raises_the_bound_of_the_training_data():
    model = network_diffusion("shrunk", "conditioned", hidden_sizes=[32])[0].float()
    data = TrainingSet((torch.rand(200, 1, generator=seeded(3)) > 0.5).float().repeat(1, 3) * 0.5 + 0.25)
    x = data.draw(generator=seeded(4))

    def bound() -> float:
        model.refit(x, generator=seeded(5))
        with torch.no_grad():
            return model.bound_terms(x, model.infer(x, generator=seeded(6))).total.mean().item()

    before = bound()
    fit(model, data, n_updates=200, batch_size=50, learning_rate=0.01, generator=seeded(7), progress=str)
    assert bound() > before + 1.0


def test_it_offers_what_it_has_and_is_not_taken_for_a_cascade():
    """Its `denoise` gives reconstructions, which are not the means of its transitions."""
    model, _ = network_diffusion("shrunk", "blind")
    assert all(isinstance(model, protocol) for protocol in (Chain, Layered, Leveled, ManyLosses, Trainable))
    assert not isinstance(model, Denoises | Cascade)
    assert estimators_for(Diffusion) == ["lower_bound", "importance_weighted", "parzen"]


def test_in_memory_it_has_its_own_estimators_and_certificates():
    """None of those that take `denoise` for the means of its transitions; and the numbers are right."""
    model, oracle = optimal_diffusion()
    x, _ = model.simulate(40, generator=seeded(0))
    sizes = {"n_points": 10, "n_simulated": 10, "n_distributions": 3, "n_chains": 2, "n_repeats": 0}
    found = {(c.estimator, c.variant): c for c in certify(model, x, **sizes, generator=seeded(1), progress=str)}
    names = {("importance_weighted", "prior"), ("importance_weighted", "forward process"), ("annealed", "fitted")}
    assert set(found) == names
    annealed = found["annealed", "fitted"]
    exact = [oracle.log_prob(row) for row in x[annealed.measured.indices].numpy()]
    np.testing.assert_allclose(annealed.measured.values.numpy(), exact, atol=1e-4)
    estimates = evaluate(model, x, generator=seeded(2)).by_name
    assert set(estimates) == {"lower_bound", "importance_weighted"}
    gap = np.mean([oracle.gap(row) for row in x.numpy()])
    exact = np.mean([oracle.log_prob(row) for row in x.numpy()])
    bound = estimates["lower_bound"][0].values
    assert bound.mean().item() == pytest.approx(exact - gap, abs=0.3)
