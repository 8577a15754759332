"""A cascade with a variance per pixel: the identity of its bound, Eq. 9 pixel by pixel, and all that is made of it."""

import numpy as np
import pytest
import torch

from cdae import bound, gaussian, objective
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet, prepare
from cdae.datasets import digits
from cdae.estimators import proposals, quadrature
from cdae.interfaces import Layered
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from tests.helpers import (
    CDAE_OPTIONS,
    LinearDenoiser,
    assert_moments,
    linear_cascade,
    pixel_mse,
    seeded,
    shared_noise,
)
from workflow.jobs.cell import CellJob
from workflow.jobs.evaluation import Evaluation
from workflow.tables.levels import levels

DIM, N_LEVELS = 3, 4
POINTS = torch.from_numpy(np.random.default_rng(0).standard_normal((5, DIM)))
OPTIONS = CDAE_OPTIONS | {"reconstruction": "per_pixel"}


def cascade(seed: int, dim: int = DIM, n_levels: int = N_LEVELS):
    return linear_cascade(seed, dim, n_levels, reconstruction="per_pixel")


def identity_error(model, oracle, x: np.ndarray) -> float:
    """Of log p = E[bound] + gap (Eq. 10), in units of the larger of 1 and the gap."""
    expected = bound.bound_terms(model, *shared_noise(model, torch.from_numpy(x))).total.mean().item()
    gap = oracle.gap(x)
    return abs(oracle.log_prob(x) - expected - gap) / max(1.0, gap)


@pytest.mark.parametrize(("seed", "dim", "n_levels"), [(0, 1, 1), (1, 3, 1), (2, 5, 3), (3, 20, 10), (4, 8, 5)])
def test_log_density_is_expected_bound_plus_gap(seed, dim, n_levels):
    model, oracle = cascade(seed, dim, n_levels)
    assert model.reconstruction_std.shape == (n_levels, dim)
    assert identity_error(model, oracle, 1.5 * np.random.default_rng(seed).standard_normal(dim)) < 1e-10


def variances_of_the_next_pixel(model):
    model.reconstruction_std.copy_(model.reconstruction_std.roll(1, 1))


def one_variance_for_all_pixels(model):
    model.reconstruction_std.copy_(objective.pooled_std(model.reconstruction_std)[:, None].expand(-1, DIM))


def last_step_with_variances_of_the_level_above(model):
    model.last_step = lambda x_1: PixelDensity(model.reconstruction_std[1])


MUTANTS = [variances_of_the_next_pixel, one_variance_for_all_pixels, last_step_with_variances_of_the_level_above]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_of_the_bound_break_the_identity(mutate):
    model, oracle = cascade(0)
    mutate(model)
    assert identity_error(model, oracle, POINTS[0].numpy()) > 1e-3


def minus_expected_bound(model: CDAE, rho: torch.Tensor) -> float:
    """E[-L] over POINTS and the corruption, exactly, at given reconstruction_std."""
    model.reconstruction_std.copy_(rho)
    return -sum(bound.bound_terms(model, *shared_noise(model, x)).total.mean().item() for x in POINTS) / len(POINTS)


def slopes(model: CDAE, rho: torch.Tensor) -> torch.Tensor:
    """Numerical derivative of E[-L] in log rho_{i,j}, for every level and pixel."""
    step, result = 1e-4, torch.zeros_like(rho)
    for index in np.ndindex(*rho.shape):
        factor = torch.ones_like(rho)
        factor[index] = np.exp(step)
        result[index] = minus_expected_bound(model, rho * factor) - minus_expected_bound(model, rho / factor)
    return result / (2 * step)


def test_equation_nine_is_a_stationary_minimum_in_every_pixel():
    model, _ = cascade(1)
    rho = objective.optimal_reconstruction_std(model.corruption_std, pixel_mse(model, POINTS))
    assert slopes(model, rho).abs().max() < 1e-6
    at_optimum = minus_expected_bound(model, rho)
    for index in np.ndindex(*rho.shape):
        for factor in (0.9, 1.1):
            moved = rho.clone()
            moved[index] *= factor
            assert minus_expected_bound(model, moved) > at_optimum + 1e-5


EQUATION_NINE_MUTANTS = {
    "one variance for all pixels": lambda c, mse: (
        (c[:-1, None] ** 2 + mse.mean(1, keepdim=True)).sqrt().expand(-1, DIM)
    ),
    "no corruption variance": lambda c, mse: mse.sqrt(),
    "corruption of the level above": lambda c, mse: (c[1:, None] ** 2 + mse).sqrt(),
    "error of the next pixel": lambda c, mse: (c[:-1, None] ** 2 + mse.roll(1, 1)).sqrt(),
    "error of the wrong level": lambda c, mse: (c[:-1, None] ** 2 + mse.roll(1, 0)).sqrt(),
    "variance for std": lambda c, mse: c[:-1, None] ** 2 + mse,
}


@pytest.mark.parametrize("name", EQUATION_NINE_MUTANTS)
def test_mutants_of_equation_nine_are_not_stationary(name):
    model, _ = cascade(0)
    rho = EQUATION_NINE_MUTANTS[name](model.corruption_std, pixel_mse(model, POINTS))
    assert slopes(model, rho).abs().max() > 1e-2


def test_the_bound_at_equation_nine_is_no_lower_than_with_one_variance_for_all_pixels():
    """On the data they are fitted to."""
    for seed in range(5):
        model, _ = cascade(seed)
        mse = pixel_mse(model, POINTS)
        per_pixel = objective.optimal_reconstruction_std(model.corruption_std, mse)
        isotropic = objective.optimal_reconstruction_std(model.corruption_std, mse.mean(1))
        gain = minus_expected_bound(model, isotropic[:, None].expand(-1, DIM)) - minus_expected_bound(model, per_pixel)
        assert gain > 0.01


def test_refit_sets_equation_nine_per_pixel():
    """From one corruption of each example, recomputed here in NumPy; more rows than one chunk of a forward pass."""
    model, oracle = cascade(2)
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((2_345, DIM)))
    model.refit(x, generator=seeded(7))
    again, errors = seeded(7), []
    for chunk in x.split(1_000):
        noisy = model.infer(chunk, generator=again).numpy()
        errors.append(np.square(chunk.numpy() - noisy @ oracle.matrix.T - oracle.bias))
    mse = np.concatenate(errors, axis=1).mean(1)
    expected = np.sqrt(oracle.corruption_std[:-1, None] ** 2 + mse)
    np.testing.assert_allclose(model.reconstruction_std, expected, rtol=1e-12, atol=0)


def test_level_errors_are_the_means_of_pixel_errors_and_pooled_stds_of_their_squares():
    """What is recorded by level is the same with either kind of variance."""
    model, _ = cascade(3)
    assert isinstance(model, Layered)
    pixels, levels = model.pixel_mse(POINTS, generator=seeded(0)), model.level_mse(POINTS, generator=seeded(0))
    torch.testing.assert_close(levels, pixels.mean(1), rtol=1e-12, atol=0.0)
    model.refit(POINTS, generator=seeded(0))
    isotropic, _ = linear_cascade(3, DIM, N_LEVELS)
    isotropic.corruption_std.copy_(model.corruption_std)
    isotropic.denoiser = model.denoiser
    isotropic.refit(POINTS, generator=seeded(0))
    torch.testing.assert_close(model.pooled_reconstruction_std, isotropic.reconstruction_std, rtol=1e-12, atol=0.0)
    assert torch.equal(isotropic.pooled_reconstruction_std, isotropic.reconstruction_std)
    torch.testing.assert_close(
        objective.level_weights(model.reconstruction_std), objective.level_weights(isotropic.reconstruction_std)
    )


def test_evaluation_records_root_mean_squares_over_pixels(tmp_path):
    """Every estimator runs, and levels.csv has one row per level."""
    prepare(digits.load(), "digits", tmp_path / "data.npz")
    identity = {"base_seed": 1, "dataset": "digits", "model": "m", "family": "m", "seed": 0}
    few = {"lower_bound": {"n_draws": 1}, "importance_weighted": {"n_importance_samples": 2, "n_points": 5}}
    few |= {"parzen": {"n_samples": 20}}
    config = {**identity, "options": OPTIONS | {"kind": "cdae"}, "estimators": few}
    evaluation = Evaluation(CellJob(config), tmp_path / "data.npz")
    model = evaluation.build()
    model.refit(evaluation.data.examples, generator=seeded(0))
    evaluation.measure(model, evaluation.estimators())
    assert [row.status for row in evaluation.rows] == ["ok"] * 4
    table = levels([evaluation.record(n_updates=0)])
    expected = model.reconstruction_std.square().mean(1).sqrt()
    np.testing.assert_allclose(table["reconstruction_std"], expected, rtol=1e-12)
    np.testing.assert_allclose(
        table["reconstruction_std"] ** 2, [0.0, *table["corruption_std"][:-1] ** 2] + table["mse_test"], rtol=0.05
    )


def test_first_reconstruction_std_is_that_of_a_denoiser_that_answers_the_mean():
    model = CDAE(
        LinearDenoiser(np.eye(2), np.zeros(2)),
        NoiseSchedule((0.0, 0.5, 2.0)),
        data_mean=torch.zeros(2),
        data_std=torch.tensor([1.0, 3.0]),
        reconstruction="per_pixel",
    )
    expected = torch.tensor([[1.0, 9.0], [1.25, 9.25]], dtype=torch.float64).sqrt()
    torch.testing.assert_close(model.reconstruction_std, expected)


def constant_pixel(n_intensity_levels: int | None) -> TrainingSet:
    """Two pixels, the second of them the same in all examples."""
    values = torch.randint(0, n_intensity_levels or 256, (400, 2), dtype=torch.uint8, generator=seeded(0))
    values[:, 1] = 0
    return TrainingSet(values, n_intensity_levels) if n_intensity_levels else TrainingSet(values / 256.0)


@pytest.mark.parametrize(("n_intensity_levels", "expected"), [(256, 256**-2 / 12), (17, 17**-2 / 12), (None, None)])
def test_variances_are_floored(n_intensity_levels, expected):
    """At the dequantization variance, or at a tiny share of the pooled one; a perfect denoiser reaches the floor."""
    training_set = constant_pixel(n_intensity_levels)
    summary = training_set.summary()
    expected = expected or 1e-6 * training_set.values.double().var(0, correction=0).mean().item()
    assert summary.variance_floor == pytest.approx(expected, rel=1e-9)
    model = CDAE.build(OPTIONS, training_set, generator=seeded(1))
    assert (model.reconstruction_std > 0.99 * expected**0.5).all()
    x = training_set.draw(generator=seeded(2))
    model.denoiser.forward = lambda noisy, level: x.repeat(model.n_levels, 1)
    model.refit(x, generator=seeded(3))
    assert model.reconstruction_std[0].tolist() == pytest.approx([expected**0.5] * 2, rel=1e-12)
    model.denoiser.forward = lambda noisy, level: x
    assert gaussian.log_normal(x, x, model.reconstruction_std[0]).isfinite().all()


def test_levels_of_constant_pixels_have_the_floor_as_their_variance():
    """So the floor changes nothing that a denoiser can honestly reach."""
    summary = constant_pixel(17).summary()
    assert summary.std[1].item() ** 2 == pytest.approx(summary.variance_floor, rel=1e-12)


def test_isotropic_variances_have_no_floor():
    model = CDAE.build(OPTIONS | {"reconstruction": "isotropic"}, constant_pixel(17), generator=seeded(1))
    assert model.variance_floor == 0.0 and model.reconstruction_std.shape == (3,)


def test_unknown_reconstruction_is_refused():
    with pytest.raises(ValueError, match="reconstruction: got 'other', expected one of isotropic, per_pixel"):
        CDAE.build(OPTIONS | {"reconstruction": "other"}, constant_pixel(17), generator=seeded(1))


def test_samples_and_simulated_data_have_the_exact_moments():
    """Of the marginal, of the last step without its noise, and of data with their latents."""
    model, oracle = cascade(7, dim=2, n_levels=2)
    mean_set, sample_set = model.sample_sets(20_000, generator=seeded(0))
    mean, covariance = oracle.marginal()
    assert_moments(sample_set.values.numpy(), mean, covariance)
    assert_moments(mean_set.values.numpy(), mean, covariance - np.diag(oracle.reconstruction_std[0] ** 2))
    x, latents = model.simulate(20_000, generator=seeded(1))
    assert_moments(torch.cat([x[None], latents]).permute(1, 0, 2).reshape(20_000, 6).numpy(), *oracle.joint_moments())


def test_float32_models_stay_float32():
    """A double per pixel does not raise the precision of states, which the network could not take."""
    model = CDAE.build(OPTIONS, constant_pixel(17), generator=seeded(0))
    x, latents = model.simulate(5, generator=seeded(1))
    samples = [s.values for s in model.sample_sets(5, generator=seeded(2))]
    assert {values.dtype for values in (x, latents, *samples)} == {torch.float32}
    for proposal in (proposals.Paper(), proposals.Widened(), proposals.Renoising()):
        assert proposals.propose(model, proposal, x, generator=seeded(3))[0].dtype == torch.float32
    model.loss(x, generator=seeded(4)).backward()


def test_quadrature_in_one_dimension():
    model, oracle = cascade(8, dim=1, n_levels=3)
    x = np.linspace(-3.0, 3.0, 7)[:, None]
    np.testing.assert_allclose(quadrature.log_density(model, torch.from_numpy(x)), oracle.log_prob(x), atol=1e-9)
