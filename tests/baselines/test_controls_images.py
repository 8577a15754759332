"""Closed-form Gaussians and k-means centres against NumPy and SciPy, on small synthetic data with levels."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from baselines.controls import (
    CorrelatedGaussian,
    GaussianControl,
    IsotropicGaussian,
    PPCAControl,
    TrainingSamplesControl,
)
from baselines.k_means import KMeansControl, k_means, nearest_centre
from baselines.registry import MODELS, model_class
from cdae import checkpoint
from cdae.data import TrainingSet
from cdae.estimators.catalogue import estimators_for
from cdae.interfaces import Fitted, Trainable
from tests.helpers import LargestTensor

N_LEVELS, DIM, N = 16, 6, 400
GAUSSIANS = [{"covariance": c} for c in ("isotropic", "diagonal", "full")] + [{"n_components": q} for q in (1, 3, 5)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def training_set():
    """Correlated uint8 levels 0 .. 15."""
    rng = np.random.default_rng(0)
    values = 7.5 + rng.standard_normal((N, 3)) @ rng.standard_normal((3, DIM)) + rng.standard_normal((N, DIM))
    return TrainingSet(torch.from_numpy(values.clip(0, 15).astype(np.uint8)), N_LEVELS, unit_interval=True)


@pytest.fixture(scope="module")
def test_points():
    return np.random.default_rng(1).random((50, DIM)).astype(np.float32)


def fitted(options, training_set):
    kind = "control-ppca" if "n_components" in options else "control-gaussian"
    model = model_class(kind).build(options, training_set, generator=generator())
    model.fit_closed_form(training_set, generator=generator())
    return model


def covariance_of(model):
    gaussian = model.gaussian if isinstance(model, GaussianControl) else model
    factor = gaussian.factor if isinstance(gaussian, CorrelatedGaussian) else gaussian.std.diag()
    return (factor @ factor.T).numpy()


def moments(training_set):
    """Mean and covariance of (y + u) / L, from the levels and the variance 1/12 of u."""
    levels = training_set.values.numpy().astype(np.float64)
    mean = (levels.mean(0) + 0.5) / N_LEVELS
    return mean, (np.cov(levels.T, bias=True) + np.eye(DIM) / 12) / N_LEVELS**2


def oracle_covariance(options, covariance):
    if "n_components" in options:
        q = options["n_components"]
        u, eigenvalues, _ = np.linalg.svd(covariance)
        variance = eigenvalues[q:].mean()
        w = u[:, :q] * np.sqrt(eigenvalues[:q] - variance)
        return w @ w.T + variance * np.eye(DIM)
    return {
        "isotropic": np.trace(covariance) / DIM * np.eye(DIM),
        "diagonal": np.diag(np.diag(covariance)),
        "full": covariance,
    }[options["covariance"]]


def test_the_covariance_is_that_of_the_dequantized_data(training_set):
    np.testing.assert_allclose(training_set.covariance().numpy(), moments(training_set)[1], rtol=1e-12)
    many = TrainingSet(training_set.values.repeat(500, 1), N_LEVELS)
    draws = many.draw(generator=generator()).double().numpy()
    np.testing.assert_allclose(training_set.covariance().numpy(), np.cov(draws.T), rtol=0, atol=2e-4)


def test_the_covariance_of_real_values_has_no_noise_added(test_points):
    covariance = TrainingSet(torch.from_numpy(test_points)).covariance()
    np.testing.assert_allclose(covariance.numpy(), np.cov(test_points.astype(np.float64).T, bias=True), rtol=1e-12)


def test_the_diagonal_of_the_covariance_is_the_variance_of_the_summary(training_set):
    torch.testing.assert_close(training_set.covariance().diagonal(), training_set.summary().std.square())


@pytest.mark.parametrize("options", GAUSSIANS, ids=str)
def test_log_prob_equals_the_dense_normal_density(options, training_set, test_points):
    mean, covariance = moments(training_set)
    expected = stats.multivariate_normal(mean, oracle_covariance(options, covariance)).logpdf(test_points)
    values = fitted(options, training_set).log_prob(torch.from_numpy(test_points))
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10)


def test_ppca_equals_the_density_by_the_woodbury_identity(training_set, test_points):
    q = 2
    mean, covariance = moments(training_set)
    eigenvalues, u = np.linalg.eigh(covariance)
    variance = eigenvalues[:-q].mean()
    w = u[:, -q:] * np.sqrt(eigenvalues[-q:] - variance)
    m = w.T @ w + variance * np.eye(q)  # Tipping and Bishop 1999
    centred = test_points - mean
    projected = centred @ w
    quadratic = ((centred**2).sum(1) - (projected @ np.linalg.inv(m) * projected).sum(1)) / variance
    log_determinant = np.linalg.slogdet(m)[1] + (DIM - q) * np.log(variance)
    expected = -0.5 * (DIM * np.log(2 * np.pi) + log_determinant + quadratic)
    values = fitted({"n_components": q}, training_set).log_prob(torch.from_numpy(test_points))
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10)


def test_more_freedom_never_lowers_the_likelihood_of_the_training_data(training_set):
    """Expected log likelihood under the data's own moments: -(log det C + tr(C^-1 S)) / 2 and a constant."""
    covariance = moments(training_set)[1]

    def likelihood(options):
        c = covariance_of(fitted(options, training_set))
        return -0.5 * (np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(c, covariance)))

    nested = [{"covariance": "isotropic"}, *({"n_components": q} for q in range(1, DIM))]
    values = [likelihood(options) for options in nested]
    assert values == sorted(values)
    assert likelihood({"covariance": "isotropic"}) < likelihood({"covariance": "diagonal"})
    # With all components but one nothing is averaged, so PPCA equals the full Gaussian.
    assert values[-1] == pytest.approx(likelihood({"covariance": "full"}), abs=1e-10)


def test_ppca_of_equal_variances_is_isotropic():
    covariance = 0.3 * torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(PPCAControl(5, 2).constrain(covariance), covariance)


@pytest.mark.parametrize("options", GAUSSIANS, ids=str)
def test_samples_have_the_fitted_moments(options, training_set):
    model = fitted(options, training_set)
    (samples,) = model.sample_sets(100_000, generator=generator())
    mean, covariance = moments(training_set)
    expected = oracle_covariance(options, covariance)
    assert samples.values.dtype == torch.float32
    tolerance = 6 * np.diag(expected).max() / math.sqrt(100_000)
    np.testing.assert_allclose(np.cov(samples.values.double().numpy().T), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(samples.values.double().mean(0).numpy(), mean, rtol=0, atol=6 * 0.2 / math.sqrt(1e5))


@pytest.mark.parametrize("options", GAUSSIANS, ids=str)
def test_a_rebuilt_model_is_complete_once_its_weights_are_loaded(options, training_set, test_points, tmp_path):
    model = fitted(options, training_set)
    rebuilt = type(model).build(options, training_set, generator=generator())
    assert rebuilt.log_prob(torch.from_numpy(test_points)).isnan().all()
    checkpoint.save(model, tmp_path / "weights")
    checkpoint.load(rebuilt, tmp_path / "weights")
    x = torch.from_numpy(test_points)
    assert torch.equal(rebuilt.log_prob(x), model.log_prob(x))


SINGULAR = [("full", "constant"), ("full", "repeated"), ("diagonal", "constant"), ("isotropic", "all constant")]


@pytest.mark.parametrize(("covariance", "spoil"), SINGULAR)
def test_a_singular_covariance_is_refused(covariance, spoil):
    values = torch.rand(100, 4, generator=generator())
    values[:, 2] = values[:, 0] if spoil == "repeated" else 0.5
    if spoil == "all constant":
        values[:] = values[0]
    model = GaussianControl(4, covariance)
    with pytest.raises(ValueError, match="covariance is singular, expected every dimension to vary"):
        model.fit_closed_form(TrainingSet(values), generator=generator())
    assert model.gaussian.mean.isnan().all()


def test_one_constant_pixel_leaves_the_isotropic_gaussian_a_density():
    values = torch.rand(100, 4, generator=generator())
    values[:, 2] = 0.5
    model = fitted({"covariance": "isotropic"}, TrainingSet(values))
    expected = values.double().var(0, correction=0).mean().sqrt().expand(4)
    torch.testing.assert_close(model.gaussian.std, expected)


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_independent_pixels_need_no_matrix(covariance):
    """Fitted, evaluated, sampled and saved without a tensor of dim x dim."""
    dim = 300
    training_set = TrainingSet(torch.rand(100, dim, generator=generator()))
    with LargestTensor() as largest:
        model = fitted({"covariance": covariance}, training_set)
        model.log_prob(torch.rand(50, dim, generator=generator()))
        list(model.sample_sets(50, generator=generator()))
    assert largest.n_elements == 100 * dim
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == 2 * dim


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_independent_pixels_equal_the_general_gaussian_with_a_diagonal_factor(covariance, training_set, test_points):
    """Samples are equal bit for bit; the log density to its last digits."""
    model = fitted({"covariance": covariance}, training_set)
    general = GaussianControl(DIM, "full")
    general.gaussian.mean.copy_(model.gaussian.mean)
    general.gaussian.factor.copy_(model.gaussian.std.diag())
    x = torch.from_numpy(test_points)
    torch.testing.assert_close(model.log_prob(x), general.log_prob(x), rtol=1e-13, atol=0)
    one, other = (next(m.sample_sets(50, generator=generator(3))).values for m in (model, general))
    assert torch.equal(one, other)


def test_dequantization_makes_a_constant_pixel_regular(training_set):
    values = training_set.values.clone()
    values[:, 2] = 0
    model = fitted({"covariance": "full"}, TrainingSet(values, N_LEVELS))
    assert model.gaussian.factor[2, 2].item() == pytest.approx(math.sqrt(1 / 12) / N_LEVELS)


def test_impossible_options_are_refused(training_set):
    with pytest.raises(ValueError, match="covariance: got 'spherical', expected one of isotropic, diagonal, full"):
        GaussianControl(DIM, "spherical")
    for q in (0, DIM):
        with pytest.raises(ValueError, match=f"n_components: got {q}, expected 1 to {DIM - 1}"):
            PPCAControl(DIM, q)
    for n in (0, N + 1):
        with pytest.raises(ValueError, match=f"n_samples: got {n}, expected 1 to {N}"):
            TrainingSamplesControl.build({"n_samples": n}, training_set, generator=generator())
        with pytest.raises(ValueError, match=f"n_centres: got {n}, expected 1 to {N}"):
            KMeansControl.build({"n_centres": n}, training_set, generator=generator())


def test_the_covariance_is_diagonal_unless_told(training_set):
    model = GaussianControl.build({}, training_set, generator=generator())
    model.fit_closed_form(training_set, generator=generator())
    np.testing.assert_allclose(covariance_of(model), np.diag(np.diag(moments(training_set)[1])), rtol=1e-12)


def test_the_isotropic_variance_is_the_mean_of_the_variances():
    variance = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    assert IsotropicGaussian(3).constrain(variance).tolist() == [3.0, 3.0, 3.0]


def test_training_samples_are_distinct_rows_and_as_many_as_the_option_says(training_set):
    numbered = TrainingSet(torch.arange(N, dtype=torch.float32)[:, None])
    model = TrainingSamplesControl.build({"n_samples": 50}, numbered, generator=generator())
    for asked in (10, 300):
        (samples,) = model.sample_sets(asked, generator=generator())
        assert len(set(samples.values[:, 0].tolist())) == len(samples.values) == 50
    assert samples.values[:, 0].tolist() != list(range(50))  # a random draw, not the first rows
    (samples,) = TrainingSamplesControl.build({}, numbered, generator=generator()).sample_sets(7, generator=generator())
    assert len(samples.values) == 7


def test_training_samples_save_no_data(training_set):
    assert TrainingSamplesControl.build({}, training_set, generator=generator()).state_dict() == {}


def test_nearest_centre_agrees_with_the_distances():
    rng = np.random.default_rng(0)
    x, centres = rng.random((600, 5)).astype(np.float32), rng.random((7, 5)).astype(np.float32)
    expected = ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert nearest_centre(torch.from_numpy(x), torch.from_numpy(centres)).tolist() == expected.tolist()


def test_k_means_equals_lloyds_algorithm_from_the_same_start():
    x = np.random.default_rng(0).random((500, 2)).astype(np.float32)
    centres = x[torch.randperm(len(x), generator=generator(3)).numpy()[:8]].astype(np.float64)
    for _ in range(10):
        nearest = ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
        centres = np.stack([x[nearest == i].mean(0, dtype=np.float64) for i in range(8)])
    found = k_means(torch.from_numpy(x), 8, generator=generator(3))
    np.testing.assert_allclose(found.numpy(), centres, rtol=0, atol=1e-5)


def test_k_means_stops_at_a_fixed_point():
    """Two clusters far apart: soon no row changes its centre, and every centre is the mean of its rows."""
    x = torch.cat([torch.rand(300, 2, generator=generator(seed)) + 5 * seed for seed in (0, 1)])
    centres = k_means(x, 2, generator=generator(3))
    nearest = nearest_centre(x, centres)
    for i in range(2):
        torch.testing.assert_close(centres[i], x[nearest == i].mean(0), rtol=0, atol=1e-5)


def test_as_many_centres_as_rows_are_the_rows():
    x = torch.rand(300, 3, generator=generator())
    centres = k_means(x, 300, generator=generator())
    assert sorted(centres.tolist()) == sorted(x.tolist())


def test_a_centre_without_rows_stays_where_it_is():
    x = torch.tensor([[0.0], [0.0], [1.0]])  # two equal rows: of two centres there, one gets no rows
    assert sorted(k_means(x, 3, generator=generator()).flatten().tolist()) == [0.0, 0.0, 1.0]


def test_k_means_control_is_deterministic_and_its_weights_are_the_centres(training_set, tmp_path):
    options = {"n_centres": 12}
    model, again = (KMeansControl.build(options, training_set, generator=generator()) for _ in range(2))
    assert model.centres.isnan().all()
    for m in (model, again):
        m.fit_closed_form(training_set, generator=generator(5))
    assert torch.equal(model.centres, again.centres)
    rebuilt = KMeansControl.build(options, training_set, generator=generator())
    checkpoint.save(model, tmp_path / "weights")
    checkpoint.load(rebuilt, tmp_path / "weights")
    (samples,) = rebuilt.sample_sets(5, generator=generator())
    assert torch.equal(samples.values, model.centres)
    assert samples.values.min() >= 0 and samples.values.max() <= 1


def test_fitted_controls_are_not_trained_by_gradients_and_get_their_estimators():
    for kind, estimators in [
        ("control-gaussian", ["exact", "parzen"]),
        ("control-mixture", ["exact", "parzen"]),
        ("control-ppca", ["exact", "parzen"]),
        ("control-k-means", ["parzen"]),
    ]:
        assert issubclass(model_class(kind), Fitted) and not issubclass(model_class(kind), Trainable)
        assert estimators_for(model_class(kind)) == estimators
    assert not issubclass(model_class("control-training-samples"), Fitted)
    others = [kind for kind in MODELS if not kind.startswith("control")]
    assert not any(issubclass(model_class(kind), Fitted) for kind in others)
